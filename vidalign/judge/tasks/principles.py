"""A video and a request -> what a good answer to it must do: the first step of AVC-DPO's scores (§2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vidalign.judge.tasks.forms import STRING, list_of, object_of
from vidalign.llm.media import Medium
from vidalign.llm.question import Question, Unusable
from vidalign.text.words import words

MOST = 8

_INSTRUCTIONS = f"""\
You say by what descriptions of a video are to be judged. The video is before the material, if you can see it. The material has \
the `request` that was made of the describer, and the `focus` that matters most here.

Give three to {MOST} principles, the most important first, one short sentence each, that tell a good description of this very \
video from a poor one, with the focus in view: what it must mention and get right, and what would be a fault. Each can be checked \
against the video. Do not describe the video in full, and name no principle on length or on politeness."""


def question(request: str, focus: str, media: Sequence[Medium] = ()) -> Question[list[str]]:
    """The principles for one video, the most important first, none of them twice."""
    return Question(
        task="principles",
        instructions=_INSTRUCTIONS,
        data={"request": request, "focus": focus},
        schema=object_of(principles=list_of(STRING, minimum=1, maximum=MOST)),
        read=read,
        media=tuple(media),
    )


def read(answer: Any) -> list[str]:
    """Raises `Unusable`: "wrong_form", "wrong_type" or "no_principles"."""
    rows = answer.get("principles") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise Unusable("wrong_form", "no list of principles")
    found: dict[tuple[str, ...], str] = {}
    for row in rows:
        if not isinstance(row, str):
            raise Unusable("wrong_type", f"a principle is {row!r:.80}")
        if key := tuple(words(row)):
            found.setdefault(key, " ".join(row.split()))
    if not found:
        raise Unusable("no_principles", "the answer states none")
    return list(found.values())[:MOST]
