"""Which split a row belongs to, by a hash of its video: the same in every run, and all rows of a video together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from vidalign.stages.errors import PipelineError


def split_of(key: str, shares: Mapping[str, float]) -> str:
    """The split of a video.

    Args:
        key: stands for the video, such as a hash of its content; rows with one key go to one split.
        shares: of each split, > 0, which sum to 1, e.g. {"train": 0.9, "validation": 0.05, "test": 0.05}. A share that
            grows only takes rows from the splits after it.

    Raises:
        PipelineError: shares that do not sum to 1.

    >>> split_of("a video", {"train": 1.0})
    'train'
    """
    if any(not share > 0 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-9:
        raise PipelineError(f"shares of splits {dict(shares)}: each must be above 0, and their sum 1")
    place = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
    end = 0.0
    for name, share in shares.items():
        end += share
        if place < end:
            return name
    return name
