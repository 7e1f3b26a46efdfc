"""Which frames of a video are read, and how large they may be."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from vidalign.families.family import Family
from vidalign.video import Video


@dataclass(frozen=True)
class VideoSampling:
    """Which frames of a video, how large (see `vidalign.video.read_video`), and whether its sound comes with them.

    max_pixels: of a frame. total_pixels: summed over the frames of a video.
    total_tokens: of a video, as the family counts them: its frames are shrunk alike until they fit, none is left out.
    use_audio_in_video: the whole track on the clock of the frames: silence where it is shorter than the video, and the rest
        where it is longer (see `vidalign.video.read_audio`).
    missing_audio: of a video without a track, "error", or "silence" of the video's length.
    """

    fps: float | None = 2.0
    num_frames: int | None = None
    max_frames: int | None = None
    max_pixels: int | None = None
    total_pixels: int | None = None
    total_tokens: int | None = None
    use_audio_in_video: bool = False
    missing_audio: str = "error"

    @property
    def bounds_size(self) -> bool:
        """Whether anything but the processor bounds the size of frames."""
        return any(limit is not None for limit in (self.max_pixels, self.total_pixels, self.total_tokens))


def frame_budget(sampling: VideoSampling, span: tuple[int, int], frames: int) -> int | None:
    """Most pixels of each of so many frames of one video; None for any.

    Args:
        span: (frames, side in pixels) of a token's block of video.

    Raises:
        ValueError: more frames than tokens allow at the smallest size.
    """
    limits = [sampling.max_pixels]
    if sampling.total_pixels is not None:
        limits.append(sampling.total_pixels // frames)
    if sampling.total_tokens is not None:
        together, side = span
        steps = -(-frames // together)  # the last frame stands for those that the last step lacks
        if sampling.total_tokens < steps:
            raise ValueError(
                f"total_tokens={sampling.total_tokens} (video_total_tokens) is below the {steps} tokens that "
                f"{frames} frames have at the smallest size. Raise it, or take fewer frames (video_fps, "
                "video_max_frames)."
            )
        limits.append(sampling.total_tokens // steps * side**2)
    return min((limit for limit in limits if limit is not None), default=None)


def fewer_frames(video: Video) -> Video:
    """(k + 2) // 3 of a video's k frames, evenly spaced from the first to the last: what SynPO's released code contrasts the
    whole video with."""
    count = len(video.frames)
    taken = np.linspace(0, count - 1, (count + 2) // 3).round().astype(int)
    times = video.timestamps[taken]
    rate = (len(taken) - 1) / (times[-1] - times[0]) if len(taken) > 1 else video.fps
    return replace(video, frames=video.frames[taken], timestamps=times, fps=float(rate))


def refuse_fixed_frames(sampling: VideoSampling, family: Family | None) -> None:
    """Raises ValueError where tokens of a video are bounded, and the family's frames have a fixed number of them."""
    if sampling.total_tokens is None or family is None or not family.vision_tower:
        return
    if family.video_token_span is None:
        raise ValueError(
            f"total_tokens={sampling.total_tokens} (video_total_tokens) bounds the tokens of a video by smaller "
            f"frames, but a frame of {family.name} has as many tokens at any size. Bound the number of frames "
            "instead: video_num_frames, or video_max_frames."
        )
