"""A row's messages or strings -> the text that the processor reads, with one placeholder for each medium."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trl.data_utils import apply_chat_template, is_conversational

from vidalign.families.family import Family
from vidalign.rows import without_nulls


def placeholders(processor: Any, family: Family) -> dict[str, str]:
    """What a plain-string prompt writes for one medium, by its kind, in the order in which media are put before it."""
    return {
        "video": family.video_placeholder(processor),
        "image": family.image_placeholder(processor),
        "audio": family.audio_placeholder(processor),
    }


def render(
    row: Mapping[str, Any],
    columns: Sequence[str],
    counts: Mapping[str, int],
    *,
    processor: Any,
    family: Family | None,
) -> dict[str, str]:
    """The text of `prompt` and of the given completion columns.

    As TRL does for vision rows: the chat template for messages, plain strings as they are with the end-of-sequence token
    after the completion. Messages without a block for a kind of media get one for each medium before the first user
    message; plain strings without its placeholder get them at the front.

    Args:
        counts: how many media of each kind the row has ("video", "image", "audio").
    """
    tokenizer = getattr(processor, "tokenizer", processor)
    example = {column: without_nulls(row[column]) for column in ("prompt", *columns)}
    if is_conversational(example):
        # A tokenizer's template reads strings, a processor's reads blocks.
        if processor is not tokenizer:
            example["prompt"] = _with_blocks(example["prompt"], counts)
            for column in columns:
                example[column] = _with_blocks(example[column], {})
        options = dict(row.get("chat_template_kwargs") or {})
        return apply_chat_template(example, processor, tools=row.get("tools"), **options)
    eos = tokenizer.eos_token or ""
    for column in columns:
        if not example[column].endswith(eos):
            example[column] += eos
    if family is not None:
        missing = "".join(
            placeholder * counts.get(kind, 0)
            for kind, placeholder in placeholders(processor, family).items()
            if placeholder not in example["prompt"]
        )
        if missing:
            example["prompt"] = f"{missing}\n{example['prompt']}"
    return example


def _with_blocks(messages: list[dict[str, Any]], counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Every content a list of blocks; media blocks stand before the first user message unless they are there already."""
    messages = [dict(message) for message in messages]
    written = {
        block.get("type")
        for message in messages
        if isinstance(message.get("content"), list)
        for block in message["content"]
    }
    blocks = [{"type": kind} for kind, count in counts.items() if kind not in written for _ in range(count)]
    for message in messages:
        if isinstance(message.get("content"), str):
            message["content"] = [{"type": "text", "text": message["content"]}]
    for message in messages:
        if message["role"] == "user" and blocks:
            message["content"] = [*blocks, *message["content"]]
            blocks = []
    if blocks:
        raise ValueError("the prompt has media but no user message to show them in")
    return messages
