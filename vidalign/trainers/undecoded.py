"""Media columns of `datasets` as they are stored, so that nothing is opened but by our own rules."""

from __future__ import annotations

from typing import Any

from datasets import Audio, Image, List, Video

from vidalign.encoding.keys import COLUMNS


def undecoded(dataset: Any) -> Any:
    """The data set, or stream, with `{"path", "bytes"}` in media columns of `datasets.Video`, `Audio` and `Image`.

    Raises:
        ValueError: a column of images that are to be converted.
    """
    for column in COLUMNS:
        whole = (dataset.features or {}).get(column)
        feature = getattr(whole, "feature", whole)
        if not isinstance(feature, (Video, Audio, Image)) or not feature.decode:
            continue
        if isinstance(feature, Image) and feature.mode not in (None, "RGB"):
            raise ValueError(
                f"the column {column} is Image(mode={feature.mode!r}), but models are given RGB; cast it to Image()"
            )
        plain = type(feature)(decode=False)
        dataset = dataset.cast_column(column, plain if whole is feature else List(plain))
    return dataset
