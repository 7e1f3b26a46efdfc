"""Rows -> batches: token rows [B, L], and the media of each prompt once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from trl.trainer.dpo_trainer import DataCollatorForPreference

from vidalign.encoding import EncodedRow, RowEncoder
from vidalign.rows import DIALOGUE, dialogue_problem, order_problem

ROW = "vidalign_row"
"""Column that carries a row's index in the dataset, so that an error in a worker can name it."""


@dataclass
class PromptGroups:
    """The distinct prompts of a batch, in the order in which they come up."""

    numbers: dict[str, int]
    media: list[dict[str, torch.Tensor]]

    def of(self, row: EncodedRow, key: str | None = None) -> int:
        """key: default the row's own, which stands for its prompt and media."""
        key = row.key if key is None else key
        if key not in self.numbers:
            self.numbers[key] = len(self.media)
            # A copy: the trainer moves a batch's tensors, and the encoder may keep the originals.
            self.media.append(dict(row.prompt.media))
        return self.numbers[key]


def media_prefix(row: EncodedRow, media_token_ids: Collection[int]) -> str | None:
    """Equal for rows with the same tokens up to the last of the same media; None without media."""
    if not row.media_key:
        return None
    ids = row.prompt.input_ids
    last = max((place for place, token in enumerate(ids) if token in media_token_ids), default=-1)
    return f"{row.media_key} {ids[: last + 1]}"


@contextmanager
def _naming(row: Mapping[str, Any], number: int) -> Iterator[None]:
    """Errors name the row: its index in the dataset, or its number in the batch."""
    try:
        yield
    except (ValueError, OSError) as error:
        where = f"row {row[ROW]} of the dataset" if ROW in row else f"row {number} of the batch"
        raise ValueError(f"{where}: {error}") from error


def _check_room(row: EncodedRow, max_length: int | None) -> None:
    length = len(row.prompt.input_ids)
    if max_length is not None and length >= max_length:
        raise ValueError(
            f"the prompt has {length} tokens, media included, and max_length={max_length} leaves no room for its "
            "completion; cutting it would cut into the media. Raise max_length, or lower video_fps, "
            "video_max_frames or video_max_pixels."
        )


def encode_rows(
    encoder: RowEncoder,
    rows: Sequence[Mapping[str, Any]],
    columns: tuple[str, ...],
    max_length: int | None,
    *,
    assistant: bool = False,
) -> list[EncodedRow]:
    """Encodes the rows of a batch. assistant: say which tokens the assistant wrote.

    Raises:
        ValueError: naming the row; also for a prompt that leaves no room for a completion.
    """
    encoded = []
    for number, row in enumerate(rows):
        with _naming(row, number):
            encoded.append(encoder(row, columns, assistant=assistant))
            _check_room(encoded[-1], max_length)
    return encoded


def pad_rows(
    rows: list[tuple[list[int], list[int]]], pad_token_id: int, max_length: int | None, multiple: int | None
) -> dict[str, torch.Tensor]:
    """(prompt ids, completion ids) of each row -> `input_ids`, `attention_mask`, `completion_mask`, [B, L] each.

    Padded on the right. Only completions are cut to `max_length`; `encode_rows` refuses longer prompts.
    """
    cut = [
        (prompt, completion[: max_length - len(prompt)] if max_length else completion)
        for prompt, completion in rows
    ]
    longest = max(len(prompt) + len(completion) for prompt, completion in cut)
    if multiple:
        longest = -(-longest // multiple) * multiple
    input_ids = torch.full((len(cut), longest), pad_token_id, dtype=torch.long)
    attention_mask = torch.zeros_like(input_ids)
    completion_mask = torch.zeros_like(input_ids)
    for index, (prompt, completion) in enumerate(cut):
        length = len(prompt) + len(completion)
        input_ids[index, :length] = torch.tensor(prompt + completion)
        attention_mask[index, :length] = 1
        completion_mask[index, len(prompt) : length] = 1
    return {"input_ids": input_ids, "attention_mask": attention_mask, "completion_mask": completion_mask}


@dataclass
class VideoPreferenceCollator:
    """Pairs with media. As TRL's collators, chosen rows first and then the rejected ones; beside them

    prefix_group: [2N] the number of each row's prompt.
    media: one dictionary of processor tensors per distinct prompt. Never repeated for the second response.
    """

    encoder: RowEncoder
    pad_token_id: int
    max_length: int | None = None
    pad_to_multiple_of: int | None = None

    def __call__(self, examples: list[Mapping[str, Any]]) -> dict[str, Any]:
        encoded = encode_rows(self.encoder, examples, ("chosen", "rejected"), self.max_length)
        groups = PromptGroups({}, [])
        numbers = [groups.of(row) for row in encoded]
        rows = [
            (row.prompt.input_ids, row.completions[column])
            for column in ("chosen", "rejected")
            for row in encoded
        ]
        batch: dict[str, Any] = pad_rows(rows, self.pad_token_id, self.max_length, self.pad_to_multiple_of)
        batch["prefix_group"] = torch.tensor(numbers * 2)
        batch["media"] = groups.media
        for name in ("ref_chosen_logps", "ref_rejected_logps"):
            if name in examples[0]:
                batch[name] = torch.tensor([example[name] for example in examples])
        return batch


@dataclass
class RankedCollator:
    """Chains, with media or without: the items of each chain as rows, one chain after another, best first. Beside
    `input_ids`, `attention_mask`, `completion_mask` [M, L]

    chain: [M] the number of each row's chain.
    prefix_group, media: as in `VideoPreferenceCollator`. Questions on one video share it.
    ref_logps: [M], where the reference's log-probs were computed beforehand.

    chain_length: take only the first so many items of a chain.
    needs_order: refuse chains of three or more whose losers have no order (`vidalign.rows.order_problem`).
    """

    encoder: RowEncoder
    pad_token_id: int
    max_length: int | None = None
    pad_to_multiple_of: int | None = None
    chain_length: int | None = None
    needs_order: bool = False

    def __call__(self, examples: list[Mapping[str, Any]]) -> dict[str, Any]:
        groups = PromptGroups({}, [])
        rows: list[tuple[list[int], list[int]]] = []
        numbers: list[int] = []
        chain: list[int] = []
        reference: list[float] = []
        for number, example in enumerate(examples):
            with _naming(example, number):
                if self.needs_order and (reason := order_problem(example, self.chain_length)) is not None:
                    raise ValueError(reason)
                items = self.encoder.chain(example, self.chain_length)
                for item in items:
                    _check_room(item, self.max_length)
            rows += [(item.prompt.input_ids, item.completions["completion"]) for item in items]
            numbers += [groups.of(item, self._group_key(item, items, number)) for item in items]
            chain += [number] * len(items)
            reference += (example.get("ref_chosen_logps") or [])[: len(items)]
        batch: dict[str, Any] = pad_rows(rows, self.pad_token_id, self.max_length, self.pad_to_multiple_of)
        batch["chain"] = torch.tensor(chain)
        batch["prefix_group"] = torch.tensor(numbers)
        batch["media"] = groups.media
        if reference:
            batch["ref_logps"] = torch.tensor(reference)
        return batch

    def _group_key(self, item: EncodedRow, items: list[EncodedRow], number: int) -> str:
        """Equal for rows that may share a prefix: one prompt, or the same tokens up to the last of the same media."""
        if len({other.key for other in items}) == 1:
            return item.key
        return media_prefix(item, self.encoder.named_ids) or f"chain {number}"


@dataclass
class VideoSupervisedCollator:
    """Prompt-completion rows with media, as `labels` for TRL's SFT. Fields as in `VideoPreferenceCollator`.

    completion_only: False scores the prompt's text too; media tokens are never scored.
    assistant_only: score what the chat template marks as the assistant's alone; of rows that came as `messages` every turn
        of it, of others their completion's unless `completion_only` is False.
    """

    encoder: RowEncoder
    pad_token_id: int
    max_length: int | None = None
    pad_to_multiple_of: int | None = None
    completion_only: bool = True
    assistant_only: bool = False

    def __call__(self, examples: list[Mapping[str, Any]]) -> dict[str, Any]:
        for number, example in enumerate(examples):
            with _naming(example, number):
                if (reason := dialogue_problem(example)) is not None:
                    raise ValueError(reason)
        encoded = encode_rows(
            self.encoder, examples, ("completion",), self.max_length, assistant=self.assistant_only
        )
        groups, media_tokens = PromptGroups({}, []), self.encoder.named_ids
        # Dialogues on one video go apart early and share what they have in common.
        numbers = [groups.of(row, media_prefix(row, media_tokens)) for row in encoded]
        rows = [(row.prompt.input_ids, row.completions["completion"]) for row in encoded]
        batch: dict[str, Any] = pad_rows(rows, self.pad_token_id, self.max_length, self.pad_to_multiple_of)
        completion_mask, scored = batch.pop("completion_mask"), batch["attention_mask"].clone()
        for number, (example, row) in enumerate(zip(examples, encoded, strict=True)):
            if self.completion_only and not (self.assistant_only and example.get(DIALOGUE)):
                scored[number] &= completion_mask[number]
            if row.assistant is not None:
                mask = torch.tensor(row.assistant)[: scored.size(1)]
                scored[number, : len(mask)] &= mask
        batch["labels"] = batch["input_ids"].masked_fill(scored == 0, -100)
        for token in media_tokens:
            batch["labels"][batch["input_ids"] == token] = -100
        batch["prefix_group"] = torch.tensor(numbers)
        batch["media"] = groups.media
        return batch


@dataclass
class TextPreferenceCollator(DataCollatorForPreference):
    """TRL's collator for tokenised pairs; names the rows that share a prompt."""

    def torch_call(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        batch = super().torch_call(examples)
        batch["prefix_group"] = torch.arange(len(examples)).repeat(2)
        return batch
