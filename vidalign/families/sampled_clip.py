"""What a processor must be told of a clip that was sampled before it came: its true times."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from vidalign.families.family import DecodedVideo

# Of the spacing. A sampler takes the frame that the file shows at each instant, so the times of a regular
# clip stray from its grid by up to one frame of the file: 8 % at 2 fps from a 24 fps file.
JITTER = 0.1


def checked_times(video: DecodedVideo) -> list[float]:
    """The timestamps in seconds, one per frame, growing. Raises ValueError for any others."""
    times = [float(t) for t in video.timestamps]
    if not times or len(times) != len(video.frames):
        raise ValueError(
            f"The video has {len(video.frames)} frames and {len(times)} timestamps. Give at least one frame, "
            "and one timestamp, in seconds, for each."
        )
    if any(later <= earlier for earlier, later in pairwise(times)):
        raise ValueError(
            f"The video's timestamps do not grow: {times[:8]}{' ...' if len(times) > 8 else ''}. Sort its "
            "frames by time and drop duplicates before encoding."
        )
    return times


def effective_fps(video: DecodedVideo) -> float:
    """Frames per second of the sampled clip.

    The mean rate, (T - 1) / (t[T-1] - t[0]), unless a round rate r (a multiple of 1/2, or 1/n) puts every
    frame within 10 % of a spacing of where it is: then r. Positions in time are truncated to integers, and
    the mean of a clip taken at 2 fps from a 25 fps file, 2.03, would turn the positions 0 2 4 6 into 0 1 3 5.
    One frame has no spacing: `video.fps`, or 1.
    """
    times = checked_times(video)
    if len(times) == 1:
        return float(video.fps) if video.fps and video.fps > 0 else 1.0
    mean = (len(times) - 1) / (times[-1] - times[0])
    rate = round(2 * mean) / 2 if mean >= 0.75 else 1 / round(1 / mean)
    on_grid = all(abs((t - times[0]) * rate - k) <= JITTER for k, t in enumerate(times))
    return rate if on_grid else mean


def sampled_metadata(video: DecodedVideo) -> Any:
    """The `VideoMetadata` of the clip as it is, not of the file it came from.

    With `frames_indices` = 0..T-1 and `total_num_frames` = T, transformers' `sampled_fps` is `fps` itself.
    Without metadata it would assume 24 frames per second, silently.
    """
    from transformers.video_utils import VideoMetadata

    frames, height, width = video.frames.shape[:3]
    fps = effective_fps(video)
    return VideoMetadata(
        total_num_frames=frames,
        fps=fps,
        width=width,
        height=height,
        duration=frames / fps,
        frames_indices=list(range(frames)),
    )
