"""A caption chain as the material of a question: captions of one video, each with one more mistake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vidalign.judge.tasks.verdicts import numbered

ABOUT = """\
The material has numbered `captions` of one video: the first one is right, and each further one keeps the mistakes of the \
one before and adds one. `changes`, if there, says which words each caption changed, by its index."""


def material(
    captions: Sequence[str], errors: Sequence[Mapping[str, Any]] | None, fault: str | None
) -> dict[str, Any]:
    """A question's data.

    Args:
        captions: K, best first.
        errors: K - 1 of {"type", "before", "after"}; what each caption but the first changed.
        fault: what was wrong with an earlier answer.
    """
    data: dict[str, Any] = {"captions": numbered(captions)}
    if errors is not None:
        keys = ("type", "before", "after")
        data["changes"] = [
            {"index": index, **{key: error[key] for key in keys if error.get(key) is not None}}
            for index, error in enumerate(errors, 2)
        ]
    return data if fault is None else {**data, "fault": fault}
