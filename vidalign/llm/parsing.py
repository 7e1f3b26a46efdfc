"""A model's text -> the one JSON object in it, or the reason why there is none."""

from __future__ import annotations

import json
import re
from typing import Any

from vidalign.llm.question import Unusable

_LONGEST = 2**20  # characters
_SMALL = 256  # characters
_DEEPEST = 64  # levels; what is asked for here has four
# What can be an object's beginning, or a thought's beginning or end.
_MARK = re.compile(r'\{(?=\s*(?:["}]|\Z))|<(/?)(think|thinking|reasoning)>', re.IGNORECASE)
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)
_REFUSAL = re.compile(
    r"\b(?:i(?:'m| am)? (?:cannot|can't|can not|unable|won't|will not|not able)|i'm sorry|i apologi[sz]e|as an ai)\b",
    re.IGNORECASE,
)


def json_object(text: str | None) -> dict[str, Any]:
    """The JSON object in an answer, also with prose, a code fence or a thought around it.

    Nothing is repaired and nothing guessed: half an object is no answer, and of two that differ neither is. Takes linear
    time, whatever the text.

    Raises:
        Unusable: "empty", "too_long", "refusal", "truncated", "no_json" or "ambiguous".
    """
    text = text or ""
    if len(text) > _LONGEST:
        raise Unusable("too_long", f"{len(text)} characters")
    found: list[dict[str, Any]] = []
    prose: list[str] = []
    cut, position = False, 0
    while mark := _MARK.search(text, position):
        prose.append(text[position : mark.start()])
        position = mark.end()
        if mark[2] is None:
            prose.append("{")
            value, position, cut = _object(text, mark.start())
            # Two that differ are enough to know.
            if value is not None and len(found) < 2 and value not in found:
                found.append(value)
        elif mark[1]:
            # Some servers leave out where the thought began: with the text.
            found, prose = [], []
        else:
            end = re.compile(f"</{mark[2]}>", re.IGNORECASE).search(text, position)
            position = end.end() if end else len(text)
    said = "".join([*prose, text[position:]]).strip()
    if cut:
        raise Unusable("truncated", text[-80:])
    if len(found) > 1:
        raise Unusable("ambiguous", f"{len(found)} different objects")
    if found:
        return found[0]
    if not said:
        raise Unusable("empty")
    raise Unusable("refusal" if _REFUSAL.search(said.replace("\u2019", "'")) else "no_json", said[:80])


_THOUGHT = re.compile(r"\s*<(think|thinking|reasoning)>.*?(?:</\1>|\Z)", re.IGNORECASE | re.DOTALL)
_END_OF_THOUGHT = re.compile(r"</(?:think|thinking|reasoning)>", re.IGNORECASE)


def without_thoughts(text: str) -> str:
    """A text without the thought before it, of which some servers leave out where it began."""
    if begun := _THOUGHT.match(text):
        return text[begun.end() :].strip()
    return _END_OF_THOUGHT.split(text, maxsplit=1)[-1].strip()


def _object(text: str, start: int) -> tuple[dict[str, Any] | None, int, bool]:
    """The object at `start` if it is one, where to go on behind it, and whether the text ends in its middle."""
    # A small object mostly ends at its first brace, which is quicker found.
    end: int | None = text.find("}", start, start + _SMALL) + 1
    while end is not None:
        try:
            # Cut out, since an error counts the lines of all the text that it is given.
            value = _DECODER.decode(text[start:end])
            return (value if _shallow(value, _DEEPEST) else None), end, False
        except Unusable:
            raise
        except (ValueError, RecursionError):
            closing = _closing(text, start)
        if closing == end:
            # What stands inside an object that is none is a part, not the answer.
            return None, end, False
        end = closing
    return None, len(text), True


def _closing(text: str, start: int) -> int | None:
    """Where the brace at `start` is closed, as far as brackets and strings tell; None if it is not."""
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text, start):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
        if depth == 0:
            return token.end()
    return None


def _shallow(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    return not isinstance(value, list) or (levels > 0 and all(_shallow(item, levels - 1) for item in value))


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs) and any(value[key] != other for key, other in pairs):
        raise Unusable("ambiguous", "one key has two values")
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_once)
