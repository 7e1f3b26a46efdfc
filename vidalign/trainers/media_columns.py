"""The columns that hold media, under the names that datasets give them and under those that TRL sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vidalign.encoding.sound import AUDIO_COLUMNS
from vidalign.trainers.incoming import columns_of

MEDIA_COLUMNS = ("video", "videos", *AUDIO_COLUMNS, "image", "images")
HIDDEN = {"image": "vidalign_image", "images": "vidalign_images"}
"""Columns that TRL would take for its own vision path, which has neither video nor shared prefixes, and what they are named
before it sees them."""


def hide_images(dataset: Any, columns: Sequence[str]) -> Any:
    """The dataset, of the given columns, with those of `HIDDEN` renamed."""
    for column, hidden in HIDDEN.items():
        if column in columns:
            dataset = dataset.rename_column(column, hidden)
    return dataset


def has_media(dataset: Any) -> bool:
    """Whether it has a column for them, under either name."""
    return any(column in columns_of(dataset) for column in (*MEDIA_COLUMNS, *HIDDEN.values()))


def refuse_unseen(dataset: Any, name: str) -> Any:
    """The dataset, of a training without media."""
    if dataset is not None and has_media(dataset):
        raise ValueError(
            f"the {name} dataset has media, but the training dataset has none, so they would be ignored; give the "
            "training rows a `videos` column (it may be empty), or evaluate on text"
        )
    return dataset
