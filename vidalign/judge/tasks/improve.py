"""A model's response -> a better one by a teacher: response improvement, a baseline of caption chains (§4.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vidalign.judge.tasks import prose
from vidalign.llm.media import Medium
from vidalign.llm.question import Question

_INSTRUCTIONS = """\
You correct a response about a video. The material has the `request` that was made, the `response` to it, and perhaps \
`caption`, a description of the video that is right. Look at the video if it is given.

Write the response anew as `text`: correct what the video or the caption shows to be wrong, take out what neither of them \
supports, and add what matters to the request and is missing. Keep what is right, in its own words, order and form. If \
nothing is to be mended, give the response back as it is. The text answers the request and nothing else: it speaks of the \
video, never of the caption, the response or the corrections.

`fault`, if there, says why an earlier answer could not be used."""


def question(
    request: str,
    response: str,
    caption: str | None = None,
    media: Sequence[Medium] = (),
    *,
    fault: str | None = None,
) -> Question[str]:
    """The improved response; `fault` of an earlier answer, one of `prose.FAULTS`."""
    data: dict[str, Any] = {"request": request, "response": response}
    data |= {} if caption is None else {"caption": caption}
    data |= {} if fault is None else {"fault": fault}
    return Question(
        task="improve",
        instructions=_INSTRUCTIONS,
        data=data,
        schema=prose.SCHEMA,
        read=prose.read,
        media=tuple(media),
    )
