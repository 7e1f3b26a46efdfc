"""The prompts of a generation batch: each distinct one once, and which row has which."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vidalign.encoding import EncodedRow, RowEncoder
from vidalign.encoding.images import read_image
from vidalign.families.family import EncodedPrompt
from vidalign.rows import MediaFolder
from vidalign.trainers.base import IMAGES
from vidalign.trainers.collators import ROW, encode_rows

IMAGES_SEEN = {IMAGES: "images", "vidalign_image": "image"}
"""Columns that were renamed before TRL saw them, by the name that reward functions know."""

PROMPT_COLUMNS = (
    *("prompt", "tools", "chat_template_kwargs"),
    *("videos", "video", "audios", "audio", "images", "image", *IMAGES_SEEN),
)
"""What makes a prompt, where a row has no number."""


def as_seen(column: str, value: Any, folder: MediaFolder) -> Any:
    """What a reward function is given of a column: what the row holds, but pictures in place of the files of a column of
    `datasets.Image`, as from TRL."""
    if column not in IMAGES_SEEN or value is None:
        return value
    if isinstance(value, list):
        return [as_seen(column, item, folder) for item in value]
    return read_image(folder.locate(value)) if isinstance(value, Mapping) else value


@dataclass
class Rollout:
    """A generation batch: the distinct rows, encoded, the number of each row's own, and what an engine is asked for each."""

    rows: list[EncodedRow]
    numbers: list[int]
    requests: list[dict[str, Any]]

    @property
    def prompts(self) -> list[EncodedPrompt]:
        return [row.prompt for row in self.rows]


def encode_rollout(
    encoder: RowEncoder,
    rows: Sequence[Mapping[str, Any]],
    *,
    chat_template_kwargs: Mapping[str, Any],
    max_length: int | None,
    max_completion_length: int,
    request: Callable[[EncodedRow], dict[str, Any]] | None = None,
) -> Rollout:
    """Encodes each distinct row once. TRL repeats a row for each of its completions, one after another.

    request: of a row, to an engine.

    Raises:
        ValueError: naming the row; also where prompt and completion would exceed `max_length`.
    """
    distinct: list[Mapping[str, Any]] = []
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
    return Rollout(encoded, numbers, requests)


def distinct_prompts(prompt_ids: Sequence[Sequence[int]]) -> tuple[list[EncodedPrompt], list[int]]:
    """Prompts of text, each run of equal ones once, and the number of each row's."""
    prompts: list[EncodedPrompt] = []
    numbers = []
    for ids in prompt_ids:
        if not prompts or prompts[-1].input_ids != list(ids):
            prompts.append(EncodedPrompt(list(ids)))
        numbers.append(len(prompts) - 1)
    return prompts, numbers


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
