"""What happens in a clip with sound: shapes that appear or disappear on a tone, and lines spoken in between."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vidalign.toyworld.scene import (
    BACKGROUNDS,
    COLOURS,
    DIRECTIONS,
    FPS,
    FRAMES,
    SHAPES,
    Scene,
    Shape,
    keep_clear,
    random_path,
)

HUES = COLOURS[:4]
TONES = ("chime", "buzz", "whistle")
VOICES = ("low", "high")
WORDS = ("kalo", "mipe", "tusa", "ronu", "vedi", "bofi", "guhe", "pydo")  # no two share more than a letter

SLOTS = 4  # stretches of equal length that a clip is made of; in each, one thing sounds or nothing does
SLOT_FRAMES = FRAMES // SLOTS
SECONDS = FRAMES / FPS
WORD_SECONDS = 0.15
LINE_WORDS = (2, 3)
SHAPE_COUNTS = (1, 1, 1, 2, 2)  # as often as they stand here
KINDS = {"silent": 2, "tones": 3, "speech": 5}
"""Kinds of clips, with how often each is drawn: nothing is heard; tones only; somebody speaks."""


@dataclass(frozen=True)
class Entrance(Shape):
    """A shape with an event, "appears" or "disappears", at a moment of its own.

    frame: the first frame after the event. tone: one of `TONES`, which begins with that frame; None in a silent clip.
    """

    frame: int = FRAMES // 2
    tone: str | None = None

    def centre(self, time: float) -> tuple[float, float]:
        """It moves while it is seen, and waits before and after."""
        moment = self.frame / (FRAMES - 1)
        part = (time - moment) / (1 - moment) if self.event == "appears" else time / moment
        return super().centre(min(max(part, 0.0), 1.0))

    def visible(self, time: float) -> bool:
        return (round(time * (FRAMES - 1)) >= self.frame) == (self.event == "appears")

    @property
    def seconds(self) -> float:
        """When it happens."""
        return self.frame / FPS


@dataclass(frozen=True)
class Line:
    """What a voice says. voice: one of `VOICES`. words: of `WORDS`. seconds: when it begins."""

    voice: str
    words: tuple[str, ...]
    seconds: float

    @property
    def content(self) -> str:
        return " ".join(self.words)


@dataclass(frozen=True)
class SoundScene(Scene):
    """shapes: one or two `Entrance`s. lines: at most two, in the order of time. Events and lines have a slot each."""

    lines: tuple[Line, ...] = ()

    @property
    def story(self) -> list[Entrance | Line]:
        """Events and lines, in the order of time."""
        events = [shape for shape in self.shapes if isinstance(shape, Entrance)]
        return sorted([*events, *self.lines], key=lambda happening: happening.seconds)

    @property
    def silent(self) -> bool:
        return not self.lines and all(getattr(shape, "tone", None) is None for shape in self.shapes)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> SoundScene:
        """The inverse of `to_dict`, also after a trip through JSON, which has no tuples."""
        shapes = tuple(
            Entrance(**{**shape, "start": tuple(shape["start"]), "end": tuple(shape["end"])})
            for shape in record["shapes"]
        )
        lines = tuple(Line(line["voice"], tuple(line["words"]), line["seconds"]) for line in record["lines"])
        return cls(record["background"], shapes, lines)


def random_sound_scene(rng: random.Random) -> SoundScene:
    """Draw a scene: attributes uniform and independent, except that shapes differ in colour and never touch, and that they
    appear in the first half and disappear in the second, so that each is seen for most of the clip."""
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    spoken = rng.choice((1, 2)) if kind == "speech" else 0
    colours = sorted(rng.sample(HUES, rng.choice(SHAPE_COUNTS)), key=HUES.index)
    slots = rng.sample(range(SLOTS), len(colours) + spoken)
    shapes = _shapes(rng, colours, slots[spoken:], kind != "silent")
    lines = [_line(rng, slot) for slot in sorted(slots[:spoken])]
    return SoundScene(rng.choice(BACKGROUNDS), shapes, tuple(lines))


def _shapes(rng: random.Random, colours: list[str], slots: list[int], sounding: bool) -> tuple[Shape, ...]:
    kinds = []
    for colour, slot in zip(colours, slots, strict=True):
        event = "appears" if slot < SLOTS / 2 else "disappears"
        frame = slot * SLOT_FRAMES + rng.choice((1, 2))
        tone = rng.choice(TONES) if sounding else None
        kinds.append((colour, rng.choice(SHAPES), rng.choice(DIRECTIONS), event, frame, tone))
    while True:
        shapes = tuple(
            Entrance(colour, shape, motion, *random_path(rng, motion), event, frame, tone)
            for colour, shape, motion, event, frame, tone in kinds
        )
        if keep_clear(shapes):
            return shapes


def _line(rng: random.Random, slot: int) -> Line:
    words = tuple(rng.choice(WORDS) for _ in range(rng.choice(LINE_WORDS)))
    return Line(rng.choice(VOICES), words, slot * SLOT_FRAMES / FPS + rng.choice((0.02, 0.03, 0.04)))
