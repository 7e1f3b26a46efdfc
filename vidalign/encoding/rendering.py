"""A row's messages or strings -> the text that the processor reads, with one placeholder for each medium."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trl.data_utils import common_prefix_length, is_conversational

from vidalign.encoding.assistant import Span, assistant_spans
from vidalign.encoding.named_media import KINDS, Placeholders
from vidalign.families.family import Family
from vidalign.rows import without_nulls
from vidalign.text.blocks import with_blocks


@dataclass
class RowText:
    """The text of a row with media.

    prompt, completions: each completion goes on where the prompt ends.
    adds_special_tokens: whether the tokenizer's own (BOS) come before the prompt: with plain strings, and with
        conversations whose template does not write BOS, by the rule of transformers' `apply_chat_template`.
    assistant: where asked for, the characters of prompt and completion that the template marks as the assistant's.
    """

    prompt: str
    completions: dict[str, str]
    adds_special_tokens: bool
    assistant: list[Span] | None = None


def placeholders(processor: Any, family: Family) -> dict[str, str]:
    """What a plain-string prompt writes for one medium, by its kind, in the order in which media are put before it."""
    return {
        "video": family.video_placeholder(processor),
        "image": family.image_placeholder(processor),
        "audio": family.audio_placeholder(processor),
    }


def named_placeholders(processor: Any, family: Family, media_token_ids: Collection[int]) -> Placeholders:
    """What stands for media in the texts of a model. processor: or its tokenizer, which knows no kinds."""
    tokens = {kind: token for kind in KINDS if (token := getattr(processor, f"{kind}_token", None))}
    tokenizer = getattr(processor, "tokenizer", processor)
    reserved = frozenset(tokenizer.convert_ids_to_tokens(sorted(media_token_ids))) - frozenset(
        tokens.values()
    )
    return Placeholders(tokens, reserved, only_text=not (family.vision_tower or family.audio_tower))


def conversation(row: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """The given columns without the nulls that Arrow added, tool calls' arguments apart, which TRL also leaves alone."""
    return {column: without_nulls(row[column], keep=("arguments",)) for column in columns}


def template_options(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a chat template is told beside the messages. `tools` may be JSON text, as in TRL."""
    tools = row.get("tools")
    tools = json.loads(tools) if isinstance(tools, str) else without_nulls(tools)
    return {"tools": tools or None, **(row.get("chat_template_kwargs") or {})}


def with_end(completion: str, tokenizer: Any) -> str:
    """A plain string ends with the end-of-sequence token, once."""
    end = tokenizer.eos_token or ""
    return completion if completion.endswith(end) else completion + end


def render(
    row: Mapping[str, Any],
    columns: Sequence[str],
    counts: Mapping[str, int],
    *,
    processor: Any,
    family: Family,
    chat_template: str | None = None,
    assistant: bool = False,
) -> RowText:
    """The text of a row with media: of `prompt` and of the given completion columns.

    As TRL does for vision rows: the chat template for messages, plain strings as they are with the end-of-sequence token
    after the completion. Messages without a block for a kind of media get one for each medium before the first user
    message; plain strings without its placeholder get them at the front.

    Args:
        counts: how many media of each kind the row has ("video", "image", "audio").
        chat_template: in place of the processor's own.
        assistant: say which characters are the assistant's. Takes a row of messages and one completion column.

    Raises:
        ValueError: media and no user message to show them in; or `assistant` of a row of plain strings.
    """
    example = conversation(row, ("prompt", *columns))
    if not is_conversational(example):
        if assistant:
            raise ValueError(
                "assistant_only_loss=True takes the assistant's turns of messages, but the row holds plain strings"
            )
        completions = {column: with_end(example[column], processor.tokenizer) for column in columns}
        return RowText(_with_placeholders(example["prompt"], counts, processor, family), completions, True)
    prompt = with_blocks(example["prompt"], counts)
    whole = {column: prompt + with_blocks(example[column], {}) for column in columns}
    options = {**template_options(row), "chat_template": chat_template}
    continued = prompt[-1]["role"] == "assistant"
    text = processor.apply_chat_template(
        prompt, add_generation_prompt=not continued, continue_final_message=continued, **options
    )
    texts = {column: processor.apply_chat_template(messages, **options) for column, messages in whole.items()}
    # Some templates end a prompt otherwise than they begin an answer (an opened thought).
    text = text[: min((common_prefix_length(text, own) for own in texts.values()), default=len(text))]
    bos = processor.tokenizer.bos_token
    return RowText(
        text,
        {column: own[len(text) :] for column, own in texts.items()},
        adds_special_tokens=not (bos and text.startswith(bos)),
        assistant=(
            assistant_spans(whole[columns[0]], texts[columns[0]], processor, options) if assistant else None
        ),
    )


def added_ids(text: RowText, tokenizer: Any) -> list[int]:
    """The special tokens that the tokenizer puts before the prompt by itself."""
    if not text.adds_special_tokens:
        return []
    plain = tokenizer(text.prompt, add_special_tokens=False)["input_ids"]
    ids = tokenizer(text.prompt)["input_ids"]
    lengths = range(len(ids) - len(plain) + 1)
    return next((ids[:length] for length in lengths if ids[length : length + len(plain)] == plain), [])


def _with_placeholders(prompt: str, counts: Mapping[str, int], processor: Any, family: Family) -> str:
    missing = "".join(
        placeholder * counts.get(kind, 0)
        for kind, placeholder in placeholders(processor, family).items()
        if (getattr(processor, f"{kind}_token", None) or placeholder) not in prompt
    )
    return f"{missing}\n{prompt}" if missing else prompt
