"""The audio track of a file -> mono samples on the video's clock."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from .container import audio_stream, declared_duration, open_media, read_packets, video_stream
from .errors import DamagedVideo, DamagedVideoWarning, InvalidWindow, NoVideoStream, Source, name_of
from .timeline import origin_of, rewind, scan

# Lossy codecs overlap their blocks, so the first samples after a seek are not right yet.
_RUN_IN = 0.5  # seconds
# Encoders jitter their timestamps by less than this; more is a gap, or an overlap, in the recording.
_JITTER = 0.02  # seconds
# The resampler's filter reaches this far, generously, beyond the samples that it returns.
_MARGIN = 0.05  # seconds
_END = Packet()  # stands for the end of the stream, at which a decoder gives up what it holds


def read_audio(
    path: Source, *, rate: int = 16000, start: float = 0.0, end: float | None = None
) -> np.ndarray:
    """Samples of a window of the audio track, as mono: the mean of its channels.

    Time 0 is the first frame of the video stream (of a file without one, the first sample), so that sample n
    sounds at `start + n / rate` on the clock of `read_video`. Where the track has nothing (it begins late,
    has gaps, or is shorter than the video) there is silence. The window is cut at the end of the
    file: of its video or of its audio, whichever is later.

    Args:
        path: a path, or the contents of a file.
        rate: samples per second of the result.
        start, end: seconds; `end=None` for the end of the file.

    Returns:
        float32 [N], within [-1, 1], N = round((end - start) * rate).

    Raises:
        NoAudioStream: the file has no audio track.
        VideoError: missing, empty or unreadable file, or a window outside it.

    Warns:
        DamagedVideoWarning: parts of the track could not be decoded and are silent.

    Examples:
        >>> samples = read_audio("clip.mp4", start=0.5, end=1.5)
        >>> samples.shape, samples.dtype.name
        ((16000,), 'float32')
    """
    name = name_of(path)
    if rate < 1:
        raise ValueError(f"{name}: rate={rate} is impossible: give samples per second, such as 16000")
    origin, video_end = _video_clock(path)
    with open_media(path) as container:
        stream = audio_stream(container, path)
        if origin is None:
            # Not its first packet: an encoder's run-in (MP3's 25 ms) is decoded but not heard.
            origin = float((stream.start_time or 0) * _tick(stream))
        declared = declared_duration(container, stream) or 0.0
        if start < 0 or (end is not None and end <= start):
            window = f"from {start:g} s to " + ("the end" if end is None else f"{end:g} s")
            raise InvalidWindow(
                name,
                f"the window {window} is empty or begins before 0; the file lasts "
                f"{max(video_end, declared):.3f} s",
                "Give 0 <= start < end",
            )
        if start > _RUN_IN:
            rewind(container, stream, int((origin + start - _RUN_IN) / _tick(stream)))
        track = _Track(rate, origin + start, None if end is None else origin + end)
        exhausted = all(track.add(frame) for frame in _frames(container, stream, track))
        track.flush()
    if track.latest is None and track.failures:
        raise DamagedVideo(name, "no audio can be decoded in the window", "Download it again or re-encode it")
    heard = declared if track.latest is None else track.latest - origin
    file_end = max(video_end, heard)
    stop = file_end if end is None else min(end, file_end)
    if start >= stop:
        raise InvalidWindow(
            name,
            f"the window begins at {start:g} s, but the file lasts {file_end:.3f} s",
            "Give a start before the end of the file",
        )
    if track.failures:
        warnings.warn(
            f"{name}: {track.failures} audio packets could not be decoded and are silent. "
            "Download it again or re-encode it",
            DamagedVideoWarning,
            stacklevel=2,
        )
    elif exhausted and declared > heard + 0.5:
        warnings.warn(
            f"{name}: only {heard:.3f} s of {declared:.3f} s of audio could be read; the rest is silent. "
            "Download it again or re-encode it",
            DamagedVideoWarning,
            stacklevel=2,
        )
    return track.samples(round((stop - start) * rate))


def _tick(stream: Stream) -> Fraction:
    return stream.time_base or Fraction(1, 90_000)


def _video_clock(path: Source) -> tuple[float | None, float]:
    """The first video frame's own timestamp and the video's duration, in seconds; (None, 0) without one."""
    with open_media(path) as container:
        audio_stream(container, path)  # the more useful error comes first
        try:
            stream = video_stream(container, path)
        except NoVideoStream:
            return None, 0.0
        duration = declared_duration(container, stream)
        if duration is not None:
            origin = origin_of(container, stream)
            return float((origin or 0) * _tick(stream)), duration
        timeline = scan(container, stream)
        return float(timeline.origin * timeline.tick), timeline.end


def _frames(container: InputContainer, stream: AudioStream, track: _Track) -> Iterator[AudioFrame]:
    context = stream.codec_context
    for packet in chain(read_packets(container, stream), [_END]):
        try:
            if packet is None or packet.is_corrupt:
                track.failures += 1
            else:
                yield from context.decode(None if packet is _END else packet)
        except EOFError:
            return
        except FFmpegError:
            track.failures += 1


@dataclass
class _Run:
    """Contiguous samples of the result, the first at number `at`; `lead` of them are put-in silence."""

    at: int
    lead: int
    pieces: list[np.ndarray] = field(default_factory=list)


def _lead(at: float, source_rate: int, rate: int) -> int:
    """Samples of silence to put before a run, so that the resampled grid meets the window's samples.

    The resampler's first output sample falls on its first input sample, which lies `at` samples of the result into the
    window, as a rule between two points of the window's grid. Silence of this length moves the output onto the grid;
    without it, two windows of one file would differ by up to half a sample.
    """
    steps = np.arange(min(source_rate // math.gcd(source_rate, rate), 4096))
    starts = at - steps * rate / source_rate
    return int(np.argmin(np.round(np.abs(starts - np.round(starts)), 6)))


def _silence(like: AudioFrame, samples: int) -> AudioFrame:
    example = like.to_ndarray()
    width = samples if like.format.is_planar else samples * len(like.layout.channels)
    zero = 128 if example.dtype == np.uint8 else 0
    frame = AudioFrame.from_ndarray(
        np.full((len(example), width), zero, dtype=example.dtype),
        format=like.format.name,
        layout=like.layout.name,
    )
    frame.sample_rate, frame.time_base = like.sample_rate, like.time_base
    return frame


class _Track:
    """Resampled runs of samples and where they belong."""

    def __init__(self, rate: int, begin: float, stop: float | None) -> None:
        self.rate, self.begin, self.stop = rate, begin, stop
        self.latest: float | None = None
        self.failures = 0
        self._runs: list[_Run] = []
        self._resampler: AudioResampler | None = None
        self._kind: tuple[int, str, str] | None = None
        self._expected = 0.0

    def add(self, frame: AudioFrame) -> bool:
        """Take a decoded frame; False once the window is full."""
        begins = self._expected if frame.pts is None else float(frame.pts * (frame.time_base or 0))
        ends = begins + frame.samples / frame.sample_rate
        if self.stop is not None and begins >= self.stop + _MARGIN:
            return False
        self.latest = ends if self.latest is None else max(self.latest, ends)
        if ends <= self.begin - _MARGIN:
            return True
        kind = (frame.sample_rate, frame.layout.name, frame.format.name)
        if self._resampler is None or kind != self._kind or abs(begins - self._expected) > _JITTER:
            self.flush()
            # swresample weights a downmix by loudness and may clip; the mean of the channels is taken below.
            self._resampler = AudioResampler(format="fltp", layout=frame.layout, rate=self.rate)
            self._kind, self._expected = kind, begins
            lead = _lead((begins - self.begin) * self.rate, frame.sample_rate, self.rate)
            self._runs.append(
                _Run(
                    round((begins - self.begin) * self.rate - lead * self.rate / frame.sample_rate),
                    lead * self.rate // frame.sample_rate,
                )
            )
            if lead:
                self._take(_silence(frame, lead))
        self._expected += frame.samples / frame.sample_rate
        self._take(frame)
        return True

    def flush(self) -> None:
        if self._resampler is not None:
            self._take(None)
        self._resampler = None

    def _take(self, frame: AudioFrame | None) -> None:
        assert self._resampler is not None
        if frame is not None:
            # A run is contiguous: the resampler counts samples and does not follow the jitter of their timestamps.
            frame.pts = None
        for piece in self._resampler.resample(frame):
            self._runs[-1].pieces.append(piece.to_ndarray().mean(axis=0, dtype=np.float32))

    def samples(self, count: int) -> np.ndarray:
        """float32 [count], silence where there is no run."""
        mono = np.zeros(count, dtype=np.float32)
        for run in self._runs:
            at = run.at
            for piece in run.pieces:
                lo, hi = max(at, run.at + run.lead, 0), min(at + len(piece), count)
                if lo < hi:
                    mono[lo:hi] = piece[lo - at : hi - at]
                at += len(piece)
        return np.clip(mono, -1.0, 1.0)
