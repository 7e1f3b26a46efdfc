"""One text that a model writes: the answer's form, its length, and that it speaks of the video alone."""

from __future__ import annotations

import re
from typing import Any

from vidalign.judge.tasks.forms import STRING, object_of
from vidalign.llm.question import Unusable
from vidalign.text.words import words

SCHEMA = object_of(text=STRING)

FAULTS = {
    "empty": "The text was empty.",
    "too_short": "The text was too short: keep to the bounds on its length.",
    "too_long": "The text was too long: keep to the bounds on its length.",
    "names_sources": "The text spoke of the texts that it was made from: it must speak of the video alone.",
}
"""What to say of an answer that another attempt may mend, by reason."""

# Of what only the writer has seen, a reader of the text knows nothing.
_SOURCES = re.compile(
    r"\b(?:(?:reference|provided|human|ground[- ]truth)\s+(?:captions?|descriptions?|annotations?)"
    r"|(?:original|given|previous)\s+responses?)\b",
    re.IGNORECASE,
)


def read(answer: Any, *, minimum: int = 1, maximum: int | None = None) -> str:
    """The text, stripped.

    Args:
        answer: the model's answer, as JSON.
        minimum, maximum: bounds on its number of words.

    Raises:
        Unusable: "wrong_form", or a key of `FAULTS`.
    """
    text = answer.get("text") if isinstance(answer, dict) else None
    if not isinstance(text, str):
        raise Unusable("wrong_form", "no text")
    count = len(words(text))
    if not count:
        raise Unusable("empty")
    if count < minimum:
        raise Unusable("too_short", f"{count} words, fewer than {minimum}")
    if maximum is not None and count > maximum:
        raise Unusable("too_long", f"{count} words, more than {maximum}")
    if match := _SOURCES.search(text):
        raise Unusable("names_sources", f"it has {match[0]!r}")
    return text.strip()
