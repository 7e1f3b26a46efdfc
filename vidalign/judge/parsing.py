"""A model's text -> the one JSON object in it, or the reason why there is none."""

from __future__ import annotations

import json
import re
from typing import Any

from vidalign.judge.question import Unusable

_THOUGHT = re.compile(r"<(think|thinking|reasoning)>.*?(</\1>|\Z)", re.DOTALL | re.IGNORECASE)
_REFUSAL = re.compile(
    r"\b(?:i(?:'m| am)? (?:cannot|can't|can not|unable|won't|will not|not able)|i'm sorry|i apologi[sz]e|as an ai)\b",
    re.IGNORECASE,
)


def json_object(text: str | None) -> dict[str, Any]:
    """The JSON object in an answer, also with prose, a code fence or a thought around it.

    Nothing is repaired and nothing guessed: half an object is no answer, and of two that differ neither is.

    Raises:
        Unusable: "empty", "refusal", "truncated", "no_json" or "ambiguous".
    """
    text = _THOUGHT.sub("", text or "").strip()
    if not text:
        raise Unusable("empty")
    found: list[dict[str, Any]] = []
    position, cut = 0, False
    decoder = json.JSONDecoder(parse_constant=_no_constant)
    while (position := text.find("{", position)) >= 0:
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            # An object that never closes: whatever stands inside it is a part, not the answer.
            cut = cut or _unclosed(text, position)
            if cut:
                break
            position += 1
            continue
        if value not in found:
            found.append(value)
    if cut:
        raise Unusable("truncated", text[-80:])
    if len(found) > 1:
        raise Unusable("ambiguous", f"{len(found)} different objects")
    if not found:
        raise Unusable("refusal" if _REFUSAL.search(text) else "no_json", text[:80])
    return found[0]


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _unclosed(text: str, start: int) -> bool:
    """Whether the brace at `start` opens something like an object that the text ends in."""
    if not re.match(r'\{\s*("|\Z)', text[start:]):
        return False
    depth, inside, escaped = 0, False, False
    for character in text[start:]:
        if inside:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                inside = False
        elif character == '"':
            inside = True
        elif character in "{[":
            depth += 1
        elif character in "}]":
            depth -= 1
            if depth == 0:
                return False
    return True
