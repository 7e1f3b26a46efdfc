"""The offline judge of caption chains: puts one error at a time into a caption of the toy world, by rule.

A caption states its facts in single places: the background, and each shape's colour, kind and motion. An error puts
another value into one place that no earlier error has touched, so the number of places that differ from the reference is
the number of errors, and structure and length stay. By `captions.score` an error costs one statement or two (with its
object a motion is wrong too), or none, where the object of a motion was wrong before.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vidalign.llm.ledger import JudgeError
from vidalign.llm.question import Answer, Judge, Question, T, Unusable
from vidalign.toyworld.captions import caption_facts
from vidalign.toyworld.scene import BACKGROUNDS, COLOURS, DIRECTIONS, QUADRANTS, SHAPES

VALUES: dict[str, tuple[str, ...]] = {
    "scene": BACKGROUNDS,
    "colour": COLOURS,
    "object": SHAPES,
    "direction": DIRECTIONS,
    "spatial": QUADRANTS,
}
"""Types of error that the toy world knows, and the values that a place of this type takes: the background, a shape's
colour, its kind, where it moves, where it stays. Moving and staying are never swapped, which would change the length."""

_PATTERN = re.compile(
    rf"\b(?:background is (?P<scene>{'|'.join(BACKGROUNDS)})"
    rf"|(?P<colour>{'|'.join(COLOURS)}) (?P<object>{'|'.join(SHAPES)})"
    rf"|moves (?P<direction>{'|'.join(DIRECTIONS)})"
    rf"|stays at (?:the )?(?P<spatial>{'|'.join(QUADRANTS)}))\b"
)
_ANSWERED_ELSEWHERE = ("choices", "yes_no")


@dataclass(frozen=True)
class Place:
    """Where a caption states one fact. kind: a key of `VALUES`. start, end: of the value in the text."""

    kind: str
    value: str
    start: int
    end: int


@dataclass
class ToyDegrader(Judge):
    """Answers the task "degrade" on captions of the toy world; costs nothing. Equal questions have equal answers.

    "choices" and "yes_no", which turn chains into questions, are answered by `vidalign.toyworld.questions`.
    """

    async def ask(self, question: Question[T]) -> Answer[T]:
        """Raises `JudgeError` for any other task."""
        if question.task == "degrade":
            answer = degrade
        elif question.task in _ANSWERED_ELSEWHERE:
            answer = importlib.import_module("vidalign.toyworld.questions").ANSWERS[question.task]
        else:
            known = ", ".join(("degrade", *_ANSWERED_ELSEWHERE))
            raise JudgeError(
                f"the toy world's judge cannot do the task {question.task!r}, only {known}: set a model as the judge "
                "(VIDALIGN_JUDGE)"
            )
        self.ledger.asked += 1
        try:
            value = question.read(answer(question.data))
        except Unusable as error:
            self.ledger.unscored[error.reason] += 1
            return Answer(reason=error.reason)
        self.ledger.answered += 1
        return Answer(value)


def degrade(data: Mapping[str, Any]) -> dict[str, Any]:
    """`{"possible", "caption"}` for the data of `judge.tasks.degrade.question`.

    Not possible, and the caption as it is: a caption outside the grammar, a type that the toy world does not know or
    the caption has no place for, or only places that an earlier error has touched. Without "error", any type.
    All of the data counts for the choice, so that another attempt may come to another place.
    """
    text, earlier = data["caption"], data.get("earlier") or []
    wanted = (data.get("error") or {}).get("type")
    touched = {at for change in earlier for at in _touched(text, change)}
    open_places = [
        (place, values)
        for at, place in enumerate(places(text))
        if wanted in (None, place.kind)
        and at not in touched
        and (values := _other_values(place, text, earlier))
    ]
    if caption_facts(text)[1] or not open_places:
        return {"possible": False, "caption": text}
    # Not `hash`, which differs from process to process.
    rng = random.Random(hashlib.sha256(json.dumps(data, sort_keys=True).encode()).digest())
    # By place first: a place's chance does not depend on how many values its kind has.
    place, values = rng.choice(open_places)
    return {"possible": True, "caption": text[: place.start] + rng.choice(values) + text[place.end :]}


def places(text: str) -> list[Place]:
    """The facts of a caption in their order, each with where it stands."""
    return [
        Place(kind, value, *match.span(kind))
        for match in _PATTERN.finditer(text)
        for kind, value in match.groupdict().items()
        if value is not None
    ]


def errors(text: str, reference: str) -> list[Place]:
    """The places of `text` whose value differs from the reference's.

    Raises:
        ValueError: the two do not state the same kinds of facts in the same order.
    """
    ours, theirs = places(text), places(reference)
    if [place.kind for place in ours] != [place.kind for place in theirs]:
        raise ValueError(f"{text!r} is not {reference!r} with other values")
    return [mine for mine, other in zip(ours, theirs, strict=True) if mine.value != other.value]


def _touched(text: str, change: Mapping[str, str]) -> set[int]:
    """Numbers of the places that an earlier error may have.

    It comes as the words that it replaced and those that it put there, with the words around the place ("where"); without
    these, every place that has its words may be the one. Or it comes as the two whole captions.
    """
    found, before, after = places(text), places(change["before"]), places(change["after"])
    if [place.kind for place in before] == [place.kind for place in after] == [place.kind for place in found]:
        return {at for at, place in enumerate(before) if place.value != after[at].value}
    words = {*change["before"].split(), *change["after"].split()}
    around = [match.span() for match in re.finditer(re.escape(change.get("where", text)), text)]
    return {
        at
        for at, place in enumerate(found)
        if words & set(place.value.split())
        and any(start < place.end and place.start < end for start, end in around)
    }


def _other_values(place: Place, text: str, earlier: Sequence[Mapping[str, str]]) -> list[str]:
    """Values that leave the caption one of the toy world, wrong at this place and right nowhere else."""
    others = [other for other in places(text) if other.kind == place.kind and other.start != place.start]
    taken = {place.value}
    if place.kind == "colour":
        # A colour that is or was another shape's would name that shape, twice or again.
        once = " ".join(change["before"] for change in earlier).split()
        taken |= {other.value for other in others} | set(once)
    if place.kind == "spatial":
        taken |= {other.value for other in others}  # no two shapes rest in one quarter of the frame
    values = [value for value in VALUES[place.kind] if value not in taken]
    if place.kind == "colour":
        # Captions list shapes in the order of `COLOURS`; out of order, an error would show without a look at the clip.
        values = [value for value in values if _in_order(place, value, others)]
    return values


def _in_order(place: Place, value: str, others: Sequence[Place]) -> bool:
    rank = COLOURS.index
    return all((rank(value) < rank(other.value)) == (place.start < other.start) for other in others)
