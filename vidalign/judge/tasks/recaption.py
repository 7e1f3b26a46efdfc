"""Short captions by people -> one detailed caption, which a chain can start from (caption chains §3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vidalign.judge.tasks import prose
from vidalign.llm.media import Medium
from vidalign.llm.question import Question

_INSTRUCTIONS = """\
You describe a video in detail. The material has `captions`: short descriptions of the video by people who have seen it. \
Look at the video if it is given.

Write one description as `text`, in fluent sentences and in order of time: the people, animals and things, their number, \
colours, looks and places, what they do and how, the surroundings, the camera, and the text to be read. The captions are \
right: use all that they say, and what the video shows beside it. Where captions disagree, follow the video, or else most \
of them. State nothing that neither the captions nor the video show, not as a guess either: without the video, join what \
the captions say and add nothing. Write of the video alone, never of captions.

The text has at least {minimum} and at most {maximum} words. `fault`, if there, says why an earlier answer could not be used."""


def question(
    captions: Sequence[str],
    media: Sequence[Medium] = (),
    *,
    min_words: int,
    max_words: int,
    fault: str | None = None,
) -> Question[str]:
    """A caption of `min_words` to `max_words` words; `fault` of an earlier answer, one of `prose.FAULTS`."""
    data: dict[str, Any] = {"captions": list(captions)}
    return Question(
        task="recaption",
        instructions=_INSTRUCTIONS.format(minimum=min_words, maximum=max_words),
        data=data if fault is None else {**data, "fault": fault},
        schema=prose.SCHEMA,
        read=lambda answer: prose.read(answer, minimum=min_words, maximum=max_words),
        media=tuple(media),
    )
