"""From the rows of a generation batch to its prompts, each distinct one once, and to the columns that rewards are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from vidalign.encoding import EncodedRow, RowEncoder
from vidalign.encoding.images import read_image
from vidalign.families.family import EncodedPrompt
from vidalign.prefix import HeldMedia
from vidalign.rows import MediaFolder
from vidalign.trainers.base import IMAGES
from vidalign.trainers.collators import ROW, encode_rows
from vidalign.trainers.online.batch import OnlineBatch

IMAGES_SEEN = {IMAGES: "images", "vidalign_image": "image"}
"""Columns that were renamed before TRL saw them, by the name that reward functions know."""

PROMPT_COLUMNS = (
    *("prompt", "tools", "chat_template_kwargs"),
    *("videos", "video", "audios", "audio", "images", "image", *IMAGES_SEEN),
)
"""What makes a prompt, where a row has no number."""


def columns_seen(rows: Sequence[Mapping[str, Any]], folder: MediaFolder) -> dict[str, list[Any]]:
    """The columns that reward functions are given: all of the dataset's but the prompt, which they are given anyway."""
    return {
        IMAGES_SEEN.get(name, name): [_as_seen(name, row[name], folder) for row in rows]
        for name in rows[0]
        if name not in ("prompt", "completion", "completion_ids", ROW)
    }


def _as_seen(column: str, value: Any, folder: MediaFolder) -> Any:
    """What a reward function is given of a column: what the row holds, but pictures in place of the files of a column of
    `datasets.Image`, as from TRL."""
    if column not in IMAGES_SEEN or value is None:
        return value
    if isinstance(value, list):
        return [_as_seen(column, item, folder) for item in value]
    return read_image(folder.locate(value)) if isinstance(value, Mapping) else value


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
