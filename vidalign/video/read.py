"""A video file -> the frames that a model sees, with their true timestamps."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from .container import open_media, video_stream
from .decode import decode_frames
from .errors import DamagedVideo, DamagedVideoWarning, InvalidWindow, Source, name_of
from .orientation import orientation_of
from .sampling import choose_frames
from .size import fit_size
from .timeline import Timeline, scan

# Each round replaces the frames found damaged in the one before by their neighbours.
_ROUNDS = 8


@dataclass(frozen=True)
class Video:
    """Frames of a video, and when they are shown.

    Attributes:
        frames: uint8 [T, H, W, 3], RGB, turned as they are displayed.
        timestamps: float64 [T], seconds after the stream's first frame, whatever the window.
        duration: seconds, the length of the window that was read; of a whole file, of its video stream.
        fps: frames per second of what was taken, (T - 1) / (last - first timestamp); for one frame, the
            rate asked for, or else the source's.
        source_fps: average frames per second of the file.
        path: the file's name for messages (`<bytes, N B>` for file contents).
    """

    frames: np.ndarray
    timestamps: np.ndarray
    duration: float
    fps: float
    source_fps: float
    path: str


def read_video(
    path: Source,
    *,
    fps: float | None = None,
    num_frames: int | None = None,
    max_frames: int | None = None,
    start: float = 0.0,
    end: float | None = None,
    max_pixels: int | Callable[[int], int | None] | None = None,
    total_pixels: int | None = None,
    multiple: int = 1,
) -> Video:
    """Read the chosen frames of a video.

    Which frames: `vidalign.video.sampling`. How large: `vidalign.video.size`; frames over the budget are
    shrunk by bicubic interpolation during their conversion to RGB. Pixels are taken for square.

    Args:
        path: a path, or the contents of a file.
        fps: frames per second to take; not with `num_frames`. Neither of them: all frames.
        num_frames: how many frames to take, uniformly over the window; fewer only if it has fewer.
        max_frames: most frames; where there would be more, so many are taken uniformly.
        start, end: seconds after the stream's first frame, `start <= t < end`; an `end` past the file's is
            the file's.
        max_pixels: most pixels of a frame: a number, or a function of T, the number of frames taken, that gives one or
            None for any.
        total_pixels: most pixels of all T frames together: each gets `min(max_pixels, total_pixels / T)`.
        multiple: height and width are multiples of this many pixels.

    Raises:
        VideoError: the file cannot give this (its subclasses say why); every message names the file.
        ValueError: arguments that contradict each other, or a budget below one `multiple` x `multiple` frame.

    Warns:
        DamagedVideoWarning: part of the file could not be decoded. Frames beyond the damage are missing,
            frames within it are replaced by the nearest intact ones, under their own timestamps. Altered bits
            inside a frame of VP9 or HEVC can go unnoticed: those codecs carry no checksums and decode almost
            anything.

    Examples:
        >>> video = read_video("clip.mp4", fps=2)  # 2 s of 96 x 64 pixels
        >>> video.frames.shape, video.timestamps.tolist()
        ((4, 64, 96, 3), [0.0, 0.5, 1.0, 1.5])
        >>> read_video("clip.mp4", num_frames=2, max_pixels=1536).frames.shape
        (2, 32, 48, 3)
    """
    name = name_of(path)
    _check_arguments(name, fps, num_frames, max_frames, multiple)
    with open_media(path) as container:
        stream = video_stream(container, path)
        timeline = scan(container, stream, max(start, 0.0), end)
        average = float(stream.average_rate or 0)
    stop = _window_end(name, timeline, start, end)
    # Files without an index state a nominal rate only, so count where all frames were seen.
    source_fps = _rate(timeline) if timeline.complete and timeline.seek is None else average

    def choose() -> np.ndarray:
        packets = timeline.shown()
        picked = choose_frames(
            timeline.seconds(packets),
            start,
            stop,
            fps=fps,
            num_frames=num_frames,
            max_frames=max_frames,
            slack=timeline.slack,
        )
        return packets[picked]

    chosen = choose()
    collected = _CollectedFrames(
        chosen, _frame_budget(name, len(chosen), max_pixels, total_pixels), multiple, name
    )
    planned = set(chosen.tolist())
    damaged: set[int] = set()
    for _ in range(_ROUNDS):
        losses = decode_frames(path, timeline, set(chosen.tolist()) - collected.kept(), collected.keep)
        damaged |= losses.damaged
        if not losses.all():
            break
        lost = np.array(sorted(losses.all()))
        collected.drop(losses.all())
        timeline.usable[lost] = False
        if not timeline.usable.any():
            break
        chosen = choose()
    intact = np.array([n for n in chosen if n in collected.kept()], dtype=np.int64)
    _report_damage(name, timeline, stop, len(planned), len(planned & damaged), len(intact), end)

    timestamps = timeline.seconds(intact)
    span = float(timestamps[-1] - timestamps[0])
    sampled = (len(intact) - 1) / span if span > 0 else fps or source_fps
    return Video(collected.frames(intact), timestamps, stop - start, sampled, source_fps, name)


class _CollectedFrames:
    """The frames kept so far, converted to RGB at their final size."""

    def __init__(self, planned: np.ndarray, budget: float | None, multiple: int, name: str) -> None:
        self._planned, self._budget, self._multiple, self._name = planned, budget, multiple, name
        self._places = {int(n): place for place, n in enumerate(planned)}
        self._array: np.ndarray | None = None
        self._images: dict[int, np.ndarray] = {}
        self._reformatter = VideoReformatter()  # keeps swscale's tables from frame to frame

    def kept(self) -> set[int]:
        return set(self._images)

    def drop(self, packets: set[int]) -> None:
        for packet in packets & set(self._images):
            del self._images[packet]

    def keep(self, packet: int, frame: VideoFrame) -> None:
        turn = orientation_of(frame)
        if self._array is None:
            height, width = (frame.width, frame.height) if turn.transpose else (frame.height, frame.width)
            try:
                size = fit_size(height, width, max_pixels=self._budget, multiple=self._multiple)
            except ValueError as error:
                raise ValueError(f"{self._name}: {error}") from None
            self._array = np.empty((len(self._planned), *size, 3), dtype=np.uint8)
        height, width = self._array.shape[1:3]
        if turn.transpose:
            height, width = width, height
        rgb = self._reformatter.reformat(
            frame, width=width, height=height, format="rgb24", interpolation=Interpolation.BICUBIC, threads=1
        )
        plane = rgb.planes[0]
        rows = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(height, plane.line_size)
        image = turn.apply(rows[:, : 3 * width].reshape(height, width, 3))
        place = self._places.get(packet)
        target = self._array[place] if place is not None else np.empty_like(self._array[0])
        target[:] = image
        self._images[packet] = target

    def frames(self, packets: np.ndarray) -> np.ndarray:
        """[T, H, W, 3], without a copy where all went to plan."""
        assert self._array is not None
        if np.array_equal(packets, self._planned):
            return self._array
        return np.stack([self._images[int(n)] for n in packets])


def _check_arguments(
    name: str, fps: float | None, num_frames: int | None, max_frames: int | None, multiple: int
) -> None:
    if fps is not None and num_frames is not None:
        raise ValueError(
            f"{name}: fps={fps} and num_frames={num_frames} contradict each other: give one of them"
        )
    if fps is not None and not fps > 0:
        raise ValueError(f"{name}: fps={fps} takes no frames: give a positive rate, or None for all frames")
    for key, value in (("num_frames", num_frames), ("max_frames", max_frames), ("multiple", multiple)):
        if value is not None and value < 1:
            raise ValueError(f"{name}: {key}={value} is impossible: give at least 1")


def _frame_budget(
    name: str, frames: int, max_pixels: int | Callable[[int], int | None] | None, total_pixels: int | None
) -> int | None:
    """Most pixels of a frame, None for any."""
    try:
        own = max_pixels(frames) if callable(max_pixels) else max_pixels
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    limits = [own, None if total_pixels is None else total_pixels // frames]
    return min((limit for limit in limits if limit is not None), default=None)


def _rate(timeline: Timeline) -> float:
    """Average frames per second, from the packets."""
    return len(timeline.shown()) / timeline.end if timeline.end > 0 else 0.0


def _window_end(name: str, timeline: Timeline, start: float, end: float | None) -> float:
    """Seconds at which the window ends within the file, or an error that says why there is none."""
    if not timeline.usable.any():
        raise DamagedVideo(name, "no frame can be read", "Download it again or re-encode it")
    total = timeline.end if timeline.complete else max(timeline.end, timeline.declared or 0.0)
    if start < 0 or (end is not None and end <= start):
        raise InvalidWindow(
            name,
            f"the window from {start:g} s to {'the end' if end is None else f'{end:g} s'} is "
            f"empty or begins before 0; the video lasts {total:.3f} s",
            "Give 0 <= start < end",
        )
    if start >= timeline.end:
        if timeline.declared and start < timeline.declared and timeline.complete:
            raise DamagedVideo(
                name,
                f"the window begins at {start:g} s, but of {timeline.declared:.3f} s only "
                f"{total:.3f} s can be read",
                "Download it again, or use an earlier window",
            )
        raise InvalidWindow(
            name,
            f"the window begins at {start:g} s, but the video lasts {total:.3f} s",
            "Give a start before the end of the video",
        )
    return timeline.end if end is None else min(end, timeline.end)


def _report_damage(
    name: str, timeline: Timeline, stop: float, planned: int, replaced: int, intact: int, end: float | None
) -> None:
    if intact == 0 or replaced > planned / 2:
        raise DamagedVideo(
            name,
            f"{replaced} of the {planned} frames to be taken cannot be decoded",
            "Download it again or re-encode it",
        )
    problems = []
    if replaced:
        problems.append(
            f"{replaced} of {planned} frames could not be decoded; intact neighbours stand for them"
        )
    # Files round their durations, and the last frame's length is often unstated: two frames' time says
    # nothing.
    expected = min(timeline.declared or 0.0, end if end is not None else float("inf"))
    if timeline.complete and expected > timeline.end + max(0.2, 2 / max(_rate(timeline), 1e-3)):
        problems.append(f"only {timeline.end:.3f} s of {timeline.declared:.3f} s could be read")
    elif timeline.torn:
        problems.append(f"parts of the file could not be read; frames were taken up to {stop:.3f} s")
    if problems:
        warnings.warn(
            f"{name}: {'; '.join(problems)}. Download it again or re-encode it",
            DamagedVideoWarning,
            stacklevel=3,
        )
