"""Yes-or-no verdicts on a numbered list: the answer's form, and reading it so that no answer can award more than there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vidalign.judge.tasks.forms import BOOLEAN, INTEGER, list_of, object_of
from vidalign.llm.question import Unusable


def schema(key: str, count: int) -> dict[str, Any]:
    """{"verdicts": [{"index": 1, key: true}, ...]}, one for each of `count` items."""
    return object_of(verdicts=list_of(object_of(index=INTEGER, **{key: BOOLEAN}), maximum=count))


def read(answer: Any, count: int, key: str) -> list[bool]:
    """One verdict an item, in the items' order, whatever the order of the answer.

    Verdicts count by index: repeated ones once, contradictory ones as no, missing ones as no, and those of items that do
    not exist not at all.

    Args:
        answer: the judge's answer, as JSON.
        count: number of items, numbered from 1.
        key: name of the boolean.

    Raises:
        Unusable: "wrong_form", "wrong_type", or "no_verdicts" on any of the items.
    """
    rows = answer.get("verdicts") if isinstance(answer, dict) else None
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise Unusable("wrong_form", "no list of verdicts")
    found: dict[int, bool] = {}
    for row in rows:
        if not isinstance(row, dict) or type(row.get("index")) is not int or type(row.get(key)) is not bool:
            raise Unusable(
                "wrong_type", f"a verdict is {row!r:.80}, not an integer index and a boolean {key}"
            )
        if 1 <= row["index"] <= count:
            found[row["index"]] = found.get(row["index"], True) and row[key]
    if count and not found:
        raise Unusable("no_verdicts", f"none on any of the {count} items")
    return [found.get(index, False) for index in range(1, count + 1)]


def numbered(texts: Sequence[str]) -> list[dict[str, Any]]:
    return [{"index": index, "text": text} for index, text in enumerate(texts, 1)]
