"""A row without media -> token ids, exactly as TRL prepares rows of text.

Prompt and completion are tokenised as one text, with the special tokens that the tokenizer adds by itself to plain
strings, and parted where both agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trl.data_utils import common_prefix_length, is_conversational

from vidalign.encoding._trl import tokenize
from vidalign.encoding.rendering import conversation, template_options, with_end


@dataclass
class TextIds:
    """prompt, completions: token ids; each completion goes on where the prompt ends.
    assistant: where asked for, 1 for each token of prompt and completion that the template marks as the assistant's."""

    prompt: list[int]
    completions: dict[str, list[int]]
    assistant: list[int] | None = None


def tokenize_row(
    row: Mapping[str, Any],
    columns: Sequence[str],
    processor: Any,
    *,
    chat_template: str | None = None,
    assistant: bool = False,
) -> TextIds:
    """The ids of `prompt` and of the given completion columns, the prompt as long as all of them agree with it.

    Args:
        processor: a processor or a tokenizer.
        chat_template: in place of the processor's own.
        assistant: say which tokens are the assistant's. Takes a row of messages and one completion column.

    Raises:
        ValueError: what TRL's tokenisation refuses; or `assistant` of a row of plain strings.
    """
    example = conversation(row, ("prompt", *columns))
    if is_conversational(example):
        options = {**template_options(row), "chat_template": chat_template}
        prompt = tokenize(processor, example["prompt"], add_generation_prompt=True, **options)["input_ids"]
        whole = {
            column: tokenize(
                processor,
                example["prompt"] + example[column],
                return_assistant_tokens_mask=assistant,
                **options,
            )
            for column in columns
        }
    else:
        if assistant:
            raise ValueError(
                "assistant_only_loss=True takes the assistant's turns of messages, but the row holds plain strings"
            )
        tokenizer = getattr(processor, "tokenizer", processor)
        prompt = tokenize(processor, example["prompt"])["input_ids"]
        whole = {
            column: tokenize(processor, example["prompt"] + with_end(example[column], tokenizer))
            for column in columns
        }
    ids = {column: output["input_ids"] for column, output in whole.items()}
    shared = min((common_prefix_length(prompt, own) for own in ids.values()), default=len(prompt))
    return TextIds(
        list(prompt[:shared]),
        {column: list(own[shared:]) for column, own in ids.items()},
        list(whole[columns[0]]["assistant_masks"]) if assistant else None,
    )
