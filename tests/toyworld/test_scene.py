"""Scenes: reproducible, in view, never touching, and exactly mirrored."""

import json
import random

import numpy as np
import pytest

from vidalign.toyworld.draw import RGB, draw
from vidalign.toyworld.scene import (
    BACKGROUNDS,
    COLOURS,
    FRAMES,
    MOTIONS,
    RADIUS,
    SHAPES,
    SIDE,
    Scene,
    Shape,
    random_scene,
)

SCENES = [random_scene(random.Random(seed), events=seed % 2 == 1) for seed in range(400)]


def test_the_same_seed_gives_the_same_scene():
    assert random_scene(random.Random(7)) == random_scene(random.Random(7))
    assert random_scene(random.Random(7)) != random_scene(random.Random(8))


def test_every_attribute_comes_up():
    shapes = [shape for scene in SCENES for shape in scene.shapes]
    assert {scene.background for scene in SCENES} == set(BACKGROUNDS)
    assert {shape.colour for shape in shapes} == set(COLOURS)
    assert {shape.shape for shape in shapes} == set(SHAPES)
    assert {shape.motion for shape in shapes} == set(MOTIONS)


def test_the_simple_world_has_no_events():
    assert not any(shape.event for scene in SCENES[::2] for shape in scene.shapes)
    assert any(shape.event for scene in SCENES[1::2] for shape in scene.shapes)


def test_a_motion_is_what_the_positions_do():
    for shape in (shape for scene in SCENES for shape in scene.shapes):
        (x0, y0), (x1, y1) = shape.start, shape.end
        moved = {"left": x0 - x1, "right": x1 - x0, "up": y0 - y1, "down": y1 - y0}
        if shape.motion in moved:
            assert moved[shape.motion] > 1 / 3
            assert sorted(abs(way) for way in (x1 - x0, y1 - y0))[0] == 0
        else:
            assert (x0, y0) == (x1, y1)
            assert shape.motion == f"{'top' if y0 < 0 else 'bottom'} {'left' if x0 < 0 else 'right'}"


def test_shapes_stay_in_view_and_apart():
    for scene in SCENES:
        for step in range(FRAMES):
            centres = [shape.centre(step / (FRAMES - 1)) for shape in scene.shapes]
            assert all(abs(way) <= 0.5 - RADIUS + 1e-12 for centre in centres for way in centre)
            assert len(centres) < 2 or np.hypot(*np.subtract(*centres)) > 2 * RADIUS


def test_shapes_are_listed_in_the_order_of_colours():
    for scene in SCENES:
        order = [COLOURS.index(shape.colour) for shape in scene.shapes]
        assert order == sorted(set(order))


def test_a_mirrored_scene_draws_mirrored_frames():
    for scene in SCENES[:100]:
        np.testing.assert_array_equal(draw(scene.mirrored()), draw(scene)[:, :, ::-1])


def test_mirroring_twice_gives_the_scene_back():
    assert all(scene.mirrored().mirrored() == scene for scene in SCENES)


def test_a_scene_survives_json():
    assert all(Scene.from_dict(json.loads(json.dumps(scene.to_dict()))) == scene for scene in SCENES[:50])


@pytest.mark.parametrize("shape", SHAPES)
def test_a_drawn_shape_has_its_centre_of_mass_where_the_scene_says(shape):
    scene = Scene("black", (Shape("red", shape, "right", (-0.2, 0.1), (0.3, 0.1)),))
    frames = draw(scene).astype(float)
    shade = (frames[..., 0] - RGB["black"][0]) / (RGB["red"][0] - RGB["black"][0])
    axis = (np.arange(SIDE) + 0.5) / SIDE - 0.5
    for step, mask in enumerate(shade):
        centre = (mask.sum(0) @ axis / mask.sum(), mask.sum(1) @ axis / mask.sum())
        np.testing.assert_allclose(centre, scene.shapes[0].centre(step / (FRAMES - 1)), atol=0.2 / SIDE)


def test_areas_are_those_of_the_figures():
    # In units of the radius: a circle pi, a square of half-side 0.85, an equilateral triangle of circumradius 1.
    expected = {"circle": np.pi, "square": 1.7**2, "triangle": 3 * np.sqrt(3) / 4}
    for shape, area in expected.items():
        frame = draw(Scene("black", (Shape("red", shape, "top left", (0, 0), (0, 0)),)))[0].astype(float)
        covered = ((frame[..., 0] - 16) / (220 - 16)).sum() / SIDE**2
        assert covered == pytest.approx(area * RADIUS**2, rel=0.03)


def test_events_happen_at_half_time():
    shape = Shape("red", "circle", "top left", (-0.2, -0.2), (-0.2, -0.2), "appears")
    seen = [(frame != RGB["grey"]).any() for frame in draw(Scene("grey", (shape,)))]
    assert seen == [False] * 8 + [True] * 8
