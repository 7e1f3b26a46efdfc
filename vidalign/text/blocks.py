"""Messages with a content block for each medium."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def with_blocks(messages: Sequence[Mapping[str, Any]], counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Every content a list of blocks; those of a kind of media stand before the first user message unless there are some.

    counts: how many media of each kind there are ("video", "image", "audio").

    Raises:
        ValueError: media and no user message to show them in.
    """
    filled = [dict(message) for message in messages]
    written = {
        block.get("type")
        for message in filled
        if isinstance(message.get("content"), list)
        for block in message["content"]
    }
    blocks = [{"type": kind} for kind, count in counts.items() if kind not in written for _ in range(count)]
    for message in filled:
        if isinstance(message.get("content"), str):
            message["content"] = [{"type": "text", "text": message["content"]}]
    for message in filled:
        if message["role"] == "user" and blocks:
            message["content"] = [*blocks, *message["content"]]
            blocks = []
    if blocks:
        raise ValueError("the prompt has media but no user message to show them in")
    return filled
