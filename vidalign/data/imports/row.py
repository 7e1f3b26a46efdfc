"""What comes of a row in another format, or why nothing does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SCORES = ("chosen_score", "rejected_score")


class BadRow(ValueError):
    """A row that cannot be imported. The message is "column: reason; remedy"."""


@dataclass(frozen=True)
class Converted:
    """kind: "preference" or "supervised". row: as the trainers take it, with its media as the file names them."""

    kind: str
    row: dict[str, Any]


def preference(
    row: Mapping[str, Any],
    prompt: list[dict[str, Any]],
    chosen: str,
    rejected: str,
    media: Mapping[str, list[str]],
    **further: Any,
) -> Converted:
    """A preference row, with the `id` and the scores of the row that it comes from.

    Raises:
        BadRow: neither response is better, or the scores say otherwise.
    """
    if chosen.strip() == rejected.strip():
        raise BadRow("rejected: equal to the chosen response, so neither is better; take the row out")
    answers = {
        name: [{"role": "assistant", "content": text}]
        for name, text in (("chosen", chosen), ("rejected", rejected))
    }
    made = {**media, "prompt": prompt, **answers, **further, **_scores(row)}
    return Converted("preference", {**identity(row), **made})


def supervised(
    row: Mapping[str, Any], messages: list[dict[str, Any]], media: Mapping[str, list[str]], **further: Any
) -> Converted:
    """A supervised row with the `id` of the row that it comes from."""
    return Converted("supervised", {**identity(row), **media, "messages": messages, **further})


def identity(row: Mapping[str, Any], column: str = "id") -> dict[str, Any]:
    """{"id": its id as text}, or {}."""
    given = row.get(column)
    if given is None:
        return {}
    if isinstance(given, bool) or not isinstance(given, (str, int)) or given == "":
        raise BadRow(f"{column}: {given!r:.40} is no name of a row; give a text or a whole number, or none")
    return {"id": str(given)}


def text_in(row: Mapping[str, Any], column: str) -> str:
    """Raises BadRow where it holds no text that can be written."""
    return checked_text(row.get(column), column)


def checked_text(text: Any, place: str) -> str:
    """The text as it is. Raises BadRow: no string, nothing but spaces, or one that UTF-8 cannot hold."""
    if text is None:
        raise BadRow(f"{place}: missing; fill it in, or take the row out")
    if not isinstance(text, str):
        raise BadRow(f"{place}: {type(text).__name__} instead of a text")
    if not text.strip():
        raise BadRow(f"{place}: empty; fill it in, or take the row out")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRow(f"{place}: holds half of a surrogate pair, which no file can; mend the text") from None
    return text


def _scores(row: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: row[name] for name in SCORES if row.get(name) is not None}
    if not given:
        return {}
    if missing := [name for name in SCORES if name not in given]:
        raise BadRow(f"{missing[0]}: missing, and the row has the other score; give both or none")
    for name, score in given.items():
        if isinstance(score, bool) or not isinstance(score, (int, float)) or not math.isfinite(score):
            raise BadRow(f"{name}: {score!r:.40} instead of a number")
    chosen, rejected = (given[name] for name in SCORES)
    if not chosen > rejected:
        raise BadRow(
            f"chosen_score: {chosen} is not above rejected_score, {rejected}, so the row contradicts itself; take it out, or mend "
            "the scores"
        )
    return {name: float(score) for name, score in given.items()}  # one type for all rows
