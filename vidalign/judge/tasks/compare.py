"""Which of two responses is better: pairwise comparison, a baseline of caption chains (§4.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vidalign.judge.tasks.forms import object_of
from vidalign.judge.tasks.verdicts import numbered
from vidalign.llm.media import Medium
from vidalign.llm.question import Question, Unusable

_INSTRUCTIONS = """\
You compare two responses about a video. The material has the `request` that was made, two numbered `responses` to it, and \
perhaps `caption`, a description of the video that is right. Look at the video if it is given.

Decide which response serves the request better:
- first by what it says of the video: fewer statements that the video or the caption shows to be wrong, and events in their \
right order;
- then by how much it says that is right and asked for;
- then by how well it reads.
Length as such, the order in which the two stand here, and what a response says of itself count for nothing.

`better`: 1 or 2, the index of the better one; 0 if neither is."""

_SCHEMA = object_of(better={"type": "integer", "enum": [0, 1, 2]})


def question(
    request: str, first: str, second: str, caption: str | None = None, media: Sequence[Medium] = ()
) -> Question[int]:
    """1 if the first response is better, 2 if the second, 0 if neither. Ask in both orders: judges favour a place."""
    data: dict[str, Any] = {"request": request, "responses": numbered([first, second])}
    return Question(
        task="compare",
        instructions=_INSTRUCTIONS,
        data=data if caption is None else {**data, "caption": caption},
        schema=_SCHEMA,
        read=read,
        media=tuple(media),
    )


def read(answer: Any) -> int:
    """Raises `Unusable`: "wrong_form" or "out_of_range"."""
    better = answer.get("better") if isinstance(answer, dict) else None
    if type(better) is not int:
        raise Unusable("wrong_form", f"better is {better!r:.80}, not an integer")
    if better not in (0, 1, 2):
        raise Unusable("out_of_range", f"better is {better}")
    return better
