"""A small world with sound, written once."""

import random

import pytest

from vidalign.toyworld.sound import world
from vidalign.toyworld.sound.scene import random_sound_scene


@pytest.fixture(scope="session")
def sound_world(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound-world")
    world.write_world(path, {"train": 24, "test": 6}, seed=3)
    return path


@pytest.fixture(scope="session")
def scenes():
    rng = random.Random(0)
    return [random_sound_scene(rng) for _ in range(300)]
