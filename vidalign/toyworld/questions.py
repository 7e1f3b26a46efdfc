"""Chains of toy-world captions -> questions, by rule: what `vidalign.judge.tasks.choices` and `yes_no` ask for, offline.

An option or a question has the sentences that vary in a chain, as its caption has them:
`the background is grey , a red circle moves left`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vidalign.toyworld.captions import caption_facts


def choices(data: Mapping[str, Any]) -> dict[str, Any]:
    """`{"question", "options"}` for `{"captions": [{"index", "text"}, ...]}`; {} for captions outside the grammar."""
    varying = _varying(data)
    if varying is None:
        return {}
    # Without "and": an option is never longer than its caption.
    options = [{"index": index, "text": " , ".join(said)} for index, said in varying.items()]
    return {"question": "what is there to see in the video ?", "options": options}


def yes_no(data: Mapping[str, Any]) -> dict[str, Any]:
    """`{"questions"}`, likewise."""
    varying = _varying(data)
    if varying is None:
        return {}
    asked = {index: f"is it true that {' and '.join(said)} ?" for index, said in varying.items()}
    return {"questions": [{"index": index, "text": text} for index, text in asked.items()]}


ANSWERS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {"choices": choices, "yes_no": yes_no}
"""By task."""


def _varying(data: Mapping[str, Any]) -> dict[int, list[str]] | None:
    """By index, the sentences of a caption that are not the same in all of them."""
    texts = {caption["index"]: caption["text"] for caption in data["captions"]}
    split = {
        index: [sentence.strip() for sentence in text.split(".") if sentence.strip()]
        for index, text in texts.items()
    }
    lengths = {len(sentences) for sentences in split.values()}
    if len(lengths) != 1 or any(caption_facts(text)[1] for text in texts.values()):
        return None
    places = [at for at in range(lengths.pop()) if len({sentences[at] for sentences in split.values()}) > 1]
    return {index: [sentences[at] for at in places] for index, sentences in split.items()}
