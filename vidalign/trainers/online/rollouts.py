"""From the rows of a generation batch to its prompts, each distinct one once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch

from vidalign.encoding import EncodedRow, RowEncoder
from vidalign.families.family import EncodedPrompt
from vidalign.prefix import HeldMedia
from vidalign.trainers.collators import ROW, encode_rows
from vidalign.trainers.media_columns import HIDDEN
from vidalign.trainers.online.batch import OnlineBatch
from vidalign.trainers.online.engine import request_of
from vidalign.trainers.online.stopping import agreed

PROMPT_COLUMNS = (
    *("prompt", "tools", "chat_template_kwargs"),
    *("videos", "video", "audios", "audio", "images", "image", *HIDDEN.values()),
)
"""What makes a prompt, where a row has no number."""


def begun(trainer: Any, rows: list[dict[str, Any]]) -> OnlineBatch:
    """A generation batch of a trainer that reads its rows itself. All processes must call it together.

    Raises:
        BatchFailure: a file cannot be read, or a prompt has no room, in one of the processes.
    """
    request = partial(request_of, audio_rate=trainer._family.audio_rate) if trainer.use_vllm else None
    encode = partial(
        encode_rollout,
        trainer._encoder,
        rows,
        chat_template_kwargs=trainer.args.chat_template_kwargs or {},
        max_length=trainer.args.max_length,
        max_completion_length=trainer.max_completion_length,
        request=request,
        device=trainer.accelerator.device,
    )
    return agreed(trainer.accelerator, "reading the media of the next batch", encode)


def encode_rollout(
    encoder: RowEncoder,
    rows: list[dict[str, Any]],
    *,
    chat_template_kwargs: Mapping[str, Any],
    max_length: int | None,
    max_completion_length: int,
    request: Callable[[EncodedRow], dict[str, Any]] | None = None,
    device: Any = None,
) -> OnlineBatch:
    """Encodes each distinct row once. TRL repeats a row for each of its completions, one after another.

    request: of a row, to an engine.
    device: of the rows' numbers. Media stay where they are.

    Raises:
        ValueError: naming the row; also where prompt and completion would exceed `max_length`.
    """
    distinct: list[dict[str, Any]] = []
    numbers: list[int] = []
    for row in rows:
        if not distinct or not _same_row(row, distinct[-1]):
            distinct.append(row)
        numbers.append(len(distinct) - 1)
    given: list[Mapping[str, Any]] = [
        {**row, "chat_template_kwargs": {**chat_template_kwargs, **(row.get("chat_template_kwargs") or {})}}
        for row in distinct
    ]
    encoded = encode_rows(encoder, given, (), None)
    for row, own in zip(distinct, encoded, strict=True):
        _check_room(row, len(own.prompt.input_ids), max_completion_length, max_length)
        # Features are kept for as long as these tensors live: the encoder's cache must not hold the very same ones.
        own.prompt = EncodedPrompt(
            own.prompt.input_ids,
            {name: tensor.detach() for name, tensor in own.prompt.media.items()},
            own.prompt.videos,
        )
    requests = []
    if request is not None:
        for row, own in zip(distinct, encoded, strict=True):
            try:
                requests.append(request(own))
            except ValueError as error:
                raise ValueError(f"{_name(row)}: {error}") from error
    prompts = [own.prompt for own in encoded]
    return OnlineBatch(
        rows,
        prompts,
        numbers,
        requests,
        group=torch.tensor(numbers, device=device),
        media=HeldMedia([prompt.media for prompt in prompts]),
    )


def _same_row(row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Rows of one prompt on the same media. A stream's rows have no number."""
    if ROW in row:
        return row[ROW] == other[ROW]
    return all(row.get(name) == other.get(name) for name in PROMPT_COLUMNS)


def _check_room(row: Mapping[str, Any], length: int, completion: int, room: int | None) -> None:
    if room is not None and length + completion > room:
        raise ValueError(
            f"{_name(row)}: the prompt has {length} tokens, media included, and with max_completion_length={completion} exceeds "
            f"max_length={room}; cutting it would cut into the media. Raise max_length, or lower max_completion_length, "
            "video_fps, video_max_frames or video_max_pixels."
        )


def _name(row: Mapping[str, Any]) -> str:
    return f"row {row[ROW]} of the dataset" if ROW in row else "a row of the batch"
