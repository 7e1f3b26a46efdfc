"""Captions of one video -> points by given principles: the second step of AVC-DPO's scores (§2.3). The scale is ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from vidalign.judge.tasks.forms import INTEGER, STRING, list_of, object_of
from vidalign.judge.tasks.verdicts import numbered
from vidalign.llm.media import Medium
from vidalign.llm.question import Question, Unusable

LOWEST, HIGHEST = 1, 10

_INSTRUCTIONS = f"""\
You judge descriptions of a video. The video is before the material, if you can see it. The material has the `request` that was \
made of the describers, the `principles` to judge by, the most important first, and numbered `captions`.

For each caption, say in one or two sentences (`reason`) where it keeps the principles and where it breaks them, by what the video \
shows; then give it points (`score`) from {LOWEST} (breaks them throughout) to {HIGHEST} (keeps them throughout). What is wrong counts \
more than what is left out. Judge each by itself: neither its place in the list nor its length is a merit."""

_POINTS = {"type": "integer", "minimum": LOWEST, "maximum": HIGHEST}
_ITEM = object_of(index=INTEGER, reason=STRING, score=_POINTS)


class Score(NamedTuple):
    """points: from 1 to 10. reason: the judge's."""

    points: int
    reason: str


def question(
    request: str, principles: Sequence[str], captions: Sequence[str], media: Sequence[Medium] = ()
) -> Question[list[Score]]:
    """One score a caption, in their order."""
    count = len(captions)
    return Question(
        task="scores",
        instructions=_INSTRUCTIONS,
        data={"request": request, "principles": list(principles), "captions": numbered(captions)},
        schema=object_of(scores=list_of(_ITEM, minimum=count, maximum=count)),
        read=lambda answer: read(answer, count),
        media=tuple(media),
    )


def read(answer: Any, count: int) -> list[Score]:
    """Scores go by index, and each caption has exactly one: a missing one is no low one.

    Raises:
        Unusable: "wrong_form", "wrong_type", "out_of_range", or "wrong_count".
    """
    rows = answer.get("scores") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise Unusable("wrong_form", "no list of scores")
    found: dict[int, Score] = {}
    for row in rows:
        if (
            not isinstance(row, dict)
            or type(row.get("index")) is not int
            or type(row.get("score")) is not int
        ):
            raise Unusable("wrong_type", f"a score is {row!r:.80}, not an integer index and an integer score")
        if not LOWEST <= row["score"] <= HIGHEST:
            raise Unusable("out_of_range", f"{row['score']}, not from {LOWEST} to {HIGHEST}")
        reason = row.get("reason")
        found[row["index"]] = Score(row["score"], " ".join(reason.split()) if isinstance(reason, str) else "")
    if len(rows) != count or set(found) != set(range(1, count + 1)):
        raise Unusable("wrong_count", f"{len(rows)} scores, not one for each of 1 to {count}")
    return [found[index] for index in range(1, count + 1)]
