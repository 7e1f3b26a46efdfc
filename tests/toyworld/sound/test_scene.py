"""Scenes with sound keep to their rules, and survive JSON."""

import json
import random
from collections import Counter

import pytest

from vidalign.toyworld.draw import RGB, draw
from vidalign.toyworld.scene import FPS, FRAMES
from vidalign.toyworld.sound.scene import (
    KINDS,
    SECONDS,
    SLOTS,
    WORD_SECONDS,
    Entrance,
    Line,
    SoundScene,
    random_sound_scene,
)


def ends(happening):
    return happening.seconds + (len(happening.words) * WORD_SECONDS if isinstance(happening, Line) else 0.2)


def test_one_thing_at_a_time(scenes):
    for scene in scenes:
        assert 1 <= len(scene.story) <= SLOTS
        for before, after in zip(scene.story, scene.story[1:], strict=False):
            assert ends(before) < after.seconds
        assert ends(scene.story[-1]) < SECONDS


def test_a_shape_is_seen_from_its_event_or_up_to_it(scenes):
    for scene in scenes[:40]:
        frames = draw(scene)
        for shape in scene.shapes:
            colour = RGB[shape.colour]
            seen = [(abs(frame - colour) < 8).all(axis=-1).any() for frame in frames.astype(int)]
            assert seen == [(step >= shape.frame) == (shape.event == "appears") for step in range(FRAMES)]
            assert sum(seen) >= FRAMES / 2 - 1
            assert shape.seconds == shape.frame / FPS


@pytest.mark.parametrize(("event", "frame"), [("appears", 6), ("disappears", 9)])
def test_it_moves_while_it_is_seen(event, frame):
    shape = Entrance("red", "circle", "right", (-0.3, 0.1), (0.3, 0.1), event, frame, "chime")
    seen = [step for step in range(FRAMES) if shape.visible(step / (FRAMES - 1))]
    across = [shape.centre(step / (FRAMES - 1))[0] for step in seen]
    assert across == sorted(across)
    assert across[-1] - across[0] > 0.5
    still = frame - 1 if event == "appears" else frame + 1
    assert shape.centre(still / (FRAMES - 1)) == pytest.approx((-0.3 if event == "appears" else 0.3, 0.1))


def test_every_kind_of_clip_comes_up(scenes):
    kinds = Counter("silent" if scene.silent else "speech" if scene.lines else "tones" for scene in scenes)
    total = sum(KINDS.values())
    for kind, weight in KINDS.items():
        assert kinds[kind] / len(scenes) == pytest.approx(weight / total, abs=0.08)
    assert all(shape.tone is None for scene in scenes if scene.silent for shape in scene.shapes)


def test_a_scene_survives_json(scenes):
    for scene in scenes:
        assert SoundScene.from_dict(json.loads(json.dumps(scene.to_dict()))) == scene


def test_a_seed_gives_one_scene():
    assert random_sound_scene(random.Random(5)) == random_sound_scene(random.Random(5))
    assert random_sound_scene(random.Random(5)) != random_sound_scene(random.Random(6))
