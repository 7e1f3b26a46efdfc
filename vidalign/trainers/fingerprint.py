"""What cached reference log-probs depend on beside the model and the rows: the media files and how they are read."""

from __future__ import annotations

import os
from typing import Any

from datasets.fingerprint import Hasher

from vidalign.rows import media_of
from vidalign.trainers.sound import AUDIO_COLUMNS


def media_fingerprint(dataset: Any, collator: Any) -> str:
    """Changes with the dataset, how media are read, the processor, the longest row and chain, and each file's size and time.

    Args:
        dataset: a `datasets.Dataset` of rows with media.
        collator: the collator that will read them.
    """
    hasher = Hasher()
    hasher.update(dataset._fingerprint)
    encoder = getattr(collator, "encoder", None)
    if encoder is not None:
        longest = getattr(collator, "chain_length", None)
        hasher.update((encoder.sampling, collator.max_length, longest, repr(encoder.processor)))
        kinds = {"video": ("video", "videos"), "audio": AUDIO_COLUMNS}
        columns = [column for group in kinds.values() for column in group if column in dataset.column_names]
        for row in dataset.select_columns(columns):
            for kind in kinds:
                for medium in media_of(row, kind):
                    located = encoder.folder.locate(medium)
                    hasher.update(kind)
                    if isinstance(located, str):
                        stat = os.stat(located)
                        hasher.update((located, stat.st_size, stat.st_mtime_ns))
                    else:
                        hasher.update(located)
    return hasher.hexdigest()
