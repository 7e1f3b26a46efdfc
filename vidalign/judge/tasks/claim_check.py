"""Which claims about a video are wrong: the second step of RLAIF-V, in one question a response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vidalign.judge.tasks import verdicts
from vidalign.llm.media import Medium
from vidalign.llm.question import Question, Unusable

_INSTRUCTIONS = """\
You check claims about a video. The material has a numbered list of `claims`, and perhaps `caption`, a description of the \
video that is right. Look at the video if it is given.

For each claim decide whether it is wrong:
- true: the video or the caption contradicts it, or it tells of something that would have to be in them and is not.
- false: it is right, or it is a detail that the caption may well have left out and that cannot be seen.

Give exactly one verdict for each index, in order."""


def question(
    claims: Sequence[str], caption: str | None = None, media: Sequence[Medium] = ()
) -> Question[list[bool]]:
    """Which claims are wrong -> one bool a claim, in order."""
    count = len(claims)
    data: dict[str, Any] = {"claims": verdicts.numbered(claims)}
    return Question(
        task="claim_check",
        instructions=_INSTRUCTIONS,
        data=data if caption is None else {**data, "caption": caption},
        schema=verdicts.schema("wrong", count),
        read=lambda answer: read(answer, count),
        media=tuple(media),
    )


def read(answer: Any, count: int) -> list[bool]:
    """As `verdicts.read`, but each claim must have a verdict: an answer that stops early would favour long responses.

    Raises:
        Unusable: as `verdicts.read`, or "missing_verdicts".
    """
    found = verdicts.read(answer, count, "wrong")
    given = {row["index"] for row in answer["verdicts"]} & set(range(1, count + 1))
    if len(given) < count:
        raise Unusable("missing_verdicts", f"{len(given)} for {count} claims")
    return found
