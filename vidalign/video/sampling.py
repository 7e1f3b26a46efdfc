"""Which frames to take: by rate, by count, or all of them. Timestamps decide, never frame numbers.

All rules are one: at given instants, take the frame that is being shown (the last one whose timestamp is not
later; the first frame, for instants before it). By rate the instants are `start + k / fps`, k = 0, 1, ...; by
count they are `start + i * (end - start) / n`, i = 0 .. n-1. For a constant frame rate the latter are the
frames floor(i * N / n), which is what transformers takes by default. No frame is taken twice.
"""

from __future__ import annotations

import numpy as np


def choose_frames(
    times: np.ndarray,
    start: float,
    end: float,
    *,
    fps: float | None = None,
    num_frames: int | None = None,
    max_frames: int | None = None,
    slack: float = 1e-6,
) -> np.ndarray:
    """Positions of the frames to take.

    Args:
        times: [N] seconds, strictly increasing, N >= 1.
        start, end: seconds, the window `start <= t < end`.
        fps: frames per second. A frame that is shown at several of the instants is taken once, so that a rate
            above the file's own gives all frames.
        num_frames: exactly so many, or all frames of the window where it has fewer. Where the instants fall
            on one frame (variable rate), the frames next to it fill the number.
        max_frames: where the rate (or taking all) would give more, `num_frames=max_frames` is taken instead.
        slack: seconds by which timestamps may have been rounded.

    Returns:
        [T] int64, strictly increasing, 1 <= T <= N.
    """
    # The frame on show at `start` may have begun before it.
    first = max(int(np.searchsorted(times, start + slack, side="right")) - 1, 0)
    stop = max(int(np.searchsorted(times, end - slack, side="left")), first + 1)
    if num_frames is not None:
        return _uniform(times, first, stop, start, end, num_frames, slack)
    if fps is not None:
        # The number of instants that lie before each frame. A frame is taken if one lies in its own interval.
        before = np.ceil((times[first:stop] - slack - start) * fps)
        before[0] = 0
        before = np.append(before, max(np.ceil((end - slack - start) * fps), 1))
        taken = first + np.flatnonzero(before[:-1] < before[1:])
    else:
        begun = int(np.searchsorted(times, start - slack, side="left"))
        taken = np.arange(begun if begun < stop else first, stop)
    if max_frames is not None and len(taken) > max_frames:
        return _uniform(times, first, stop, start, end, max_frames, slack)
    return taken


def _uniform(
    times: np.ndarray, first: int, stop: int, start: float, end: float, count: int, slack: float
) -> np.ndarray:
    count = min(count, stop - first)
    order = np.arange(count)
    instants = start + order * (end - start) / count
    shown = np.searchsorted(times, instants + slack, side="right") - 1
    shown = np.maximum(shown, first)
    # Distinct frames: push repeats forward, then keep the pushed ones from running past the last frame.
    shown = np.maximum.accumulate(shown - order) + order
    return np.minimum(shown, stop - count + order)
