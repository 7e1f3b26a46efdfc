"""One text for each item of a numbered list: the answer's form, and reading it so that each text is its own item's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vidalign.judge.tasks.forms import INTEGER, STRING, list_of, object_of
from vidalign.llm.question import Unusable
from vidalign.text.words import words


def schema(count: int) -> dict[str, Any]:
    """[{"index": 1, "text": "..."}, ...], one for each of `count` items."""
    return list_of(object_of(index=INTEGER, text=STRING), minimum=count, maximum=count)


def read(answer: Any, key: str, count: int) -> list[str]:
    """The texts in the items' order, whatever the order of the answer, each on one line.

    Args:
        answer: the judge's answer, as JSON.
        key: name of its list.
        count: number of items, numbered from 1.

    Raises:
        Unusable: "wrong_form", "wrong_type", "wrong_count" (not exactly one text an item), "empty", or "repeated" (two
            texts have the same words).
    """
    rows = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise Unusable("wrong_form", f"no list of {key}")
    found: dict[int, str] = {}
    for row in rows:
        if (
            not isinstance(row, dict)
            or type(row.get("index")) is not int
            or not isinstance(row.get("text"), str)
        ):
            raise Unusable("wrong_type", f"one of the {key} is {row!r:.80}, not an integer index and a text")
        found[row["index"]] = " ".join(row["text"].split())
    if len(rows) != count or set(found) != set(range(1, count + 1)):
        raise Unusable("wrong_count", f"{len(rows)} {key}, not one for each of 1 to {count}")
    texts = [found[index] for index in range(1, count + 1)]
    said = [tuple(words(text)) for text in texts]
    if not all(said):
        raise Unusable("empty", f"one of the {key} has no words")
    if len(set(said)) < count:
        raise Unusable("repeated", f"two of the {key} are the same")
    return texts


def check_match(texts: Sequence[str], captions: Sequence[str]) -> None:
    """Whether each text is of its own caption, as far as words tell: no other caption may have more of its words.

    An answer whose texts stand in another order than the captions would turn a ranking around without a trace.

    Raises:
        Unusable: "mixed_up".
    """
    captions_words = [set(words(caption)) for caption in captions]
    for index, text in enumerate(texts):
        own = set(words(text))
        shared = [len(own & caption) for caption in captions_words]
        if max(shared) > shared[index]:
            other = shared.index(max(shared)) + 1
            raise Unusable("mixed_up", f"text {index + 1} has more words of caption {other} than of its own")
