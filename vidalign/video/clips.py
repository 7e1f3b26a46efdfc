"""A video's time, cut into clips of equal length."""

from __future__ import annotations

import math
from itertools import pairwise

from .errors import Source
from .probe import probe


def clips(
    path: Source, *, seconds: float = 10.0, min_clips: int = 2, max_clips: int = 16
) -> list[tuple[float, float]]:
    """Windows (start, end) in seconds that tile the video, for `read_video` and `read_audio`.

    There are n = floor(duration / seconds) + 1 of them, held between `min_clips` and `max_clips`: SynPO's
    rule (its released code; seconds=10 and 2 to 16 clips). So a clip lasts less than `seconds`, unless
    `max_clips` bounds their number.

    Raises:
        VideoError: as `probe`.
        ValueError: `seconds` not positive, or limits that exclude each other.

    Examples:
        >>> clips("clip.mp4")  # 2 s: the smallest number of clips
        [(0.0, 1.0), (1.0, 2.0)]
    """
    if not seconds > 0:
        raise ValueError(f"seconds={seconds} is not a length: give a positive number")
    if not 1 <= min_clips <= max_clips:
        raise ValueError(f"min_clips={min_clips}, max_clips={max_clips}: give 1 <= min_clips <= max_clips")
    duration = probe(path).duration
    count = min(max(math.floor(duration / seconds) + 1, min_clips), max_clips)
    edges = [duration * i / count for i in range(count + 1)]
    return list(pairwise(edges))
