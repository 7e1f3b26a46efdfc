"""What happens in one clip of the toy world: a background and one or two moving shapes, drawn at random."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

BACKGROUNDS = ("black", "white", "grey", "pink")
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")  # the order in which captions list objects
SHAPES = ("circle", "square", "triangle")
DIRECTIONS = ("left", "right", "up", "down")
QUADRANTS = ("top left", "top right", "bottom left", "bottom right")
MOTIONS = DIRECTIONS + QUADRANTS  # a quadrant's name stands for staying still in it
EVENTS = ("appears", "disappears")

RADIUS = 0.155  # of the frame's side
FRAMES = 16
FPS = 8.0
SIDE = 56  # pixels

_EDGE = 0.5 - RADIUS  # farthest that a centre may lie from the middle with the whole shape in view
_CLEARANCE = 2.45 * RADIUS  # between centres: not even the corners of two squares touch
_MIRRORED = {"left": "right", "right": "left"}


@dataclass(frozen=True)
class Shape:
    """One object. Positions are (x, y) from the frame's middle, in frame sides: x grows rightwards, y downwards.

    Measured from the middle because negating a float is exact, so that a mirrored scene draws exactly mirrored frames.

    motion: one of `MOTIONS`. start, end: centre in the first and in the last frame.
    event: None, "appears" or "disappears", at half time.
    """

    colour: str
    shape: str
    motion: str
    start: tuple[float, float]
    end: tuple[float, float]
    event: str | None = None

    def centre(self, time: float) -> tuple[float, float]:
        """Where the centre is at `time`, 0 for the first frame and 1 for the last."""
        (x0, y0), (x1, y1) = self.start, self.end
        return x0 + (x1 - x0) * time, y0 + (y1 - y0) * time

    def visible(self, time: float) -> bool:
        return self.event is None or (time >= 0.5) == (self.event == "appears")


@dataclass(frozen=True)
class Scene:
    """background: one of `BACKGROUNDS`. shapes: one or two, of different colours, in the order of `COLOURS`."""

    background: str
    shapes: tuple[Shape, ...]

    def mirrored(self) -> Scene:
        """The same scene seen in a mirror: left and right swap, in positions and in names."""
        return replace(self, shapes=tuple(_mirror(shape) for shape in self.shapes))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Scene:
        """The inverse of `to_dict`, also after a trip through JSON, which has no tuples."""
        shapes = tuple(
            Shape(**{**shape, "start": tuple(shape["start"]), "end": tuple(shape["end"])})
            for shape in record["shapes"]
        )
        return cls(background=record["background"], shapes=shapes)


def random_scene(rng: random.Random, *, events: bool = False) -> Scene:
    """Draw a scene: each attribute uniform and independent, except that shapes differ in colour and never touch.

    events: let half of the shapes appear or disappear at half time. The simple world has none.
    """
    background = rng.choice(BACKGROUNDS)
    colours = sorted(rng.sample(COLOURS, rng.choice((1, 2))), key=COLOURS.index)
    kinds = [(colour, rng.choice(SHAPES), rng.choice(MOTIONS)) for colour in colours]
    happenings = [rng.choice((None, None, *EVENTS)) if events else None for _ in kinds]
    while True:
        # Only the paths are drawn again, so that rejecting those that cross does not favour some motions. Each
        # pair of motions has paths that keep clear, two shapes still in one quadrant excepted: draw those anew.
        if len(kinds) == 2 and kinds[0][2] == kinds[1][2] and kinds[0][2] in QUADRANTS:
            kinds[1] = (*kinds[1][:2], rng.choice(MOTIONS))
            continue
        shapes = tuple(
            Shape(colour, shape, motion, *random_path(rng, motion), event)
            for (colour, shape, motion), event in zip(kinds, happenings, strict=True)
        )
        if keep_clear(shapes):
            return Scene(background, shapes)


def random_path(rng: random.Random, motion: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Start and end for a motion: still in a quadrant, or at least a third of the side along one axis."""
    if motion in QUADRANTS:
        x = rng.uniform(RADIUS + 0.02, _EDGE) * (-1 if motion.endswith("left") else 1)
        y = rng.uniform(RADIUS + 0.02, _EDGE) * (-1 if motion.startswith("top") else 1)
        return (x, y), (x, y)
    lane = rng.uniform(-_EDGE, _EDGE)
    near, far = rng.uniform(-_EDGE, -0.17), rng.uniform(0.17, _EDGE)
    if motion in ("left", "up"):
        near, far = far, near
    if motion in ("left", "right"):
        return (near, lane), (far, lane)
    return (lane, near), (lane, far)


def keep_clear(shapes: Sequence[Shape]) -> bool:
    """Whether at most two shapes never touch, seen or not."""
    if len(shapes) < 2:
        return True
    first, second = shapes
    for step in range(FRAMES):
        (x0, y0), (x1, y1) = (shape.centre(step / (FRAMES - 1)) for shape in (first, second))
        if (x0 - x1) ** 2 + (y0 - y1) ** 2 < _CLEARANCE**2:
            return False
    return True


def _mirror(shape: Shape) -> Shape:
    words = [_MIRRORED.get(word, word) for word in shape.motion.split()]
    (x0, y0), (x1, y1) = shape.start, shape.end
    return replace(shape, motion=" ".join(words), start=(-x0, y0), end=(-x1, y1))
