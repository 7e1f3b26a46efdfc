"""Writes the media files that the tests read, with PyAV and numpy alone."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

FPS = 30
CODES = 64  # distinct pictures that `coded_picture` can make


def coded_picture(index: int, height: int = 96, width: int = 128) -> np.ndarray:
    """RGB [H, W, 3] that carries index % 64 in six grey blocks, over a texture that changes with it."""
    image = np.empty((height, width, 3), dtype=np.uint8)
    rng = np.random.default_rng(index)
    image[:] = (
        rng.integers(64, 192, ((height + 7) // 8, (width + 7) // 8, 1))
        .repeat(8, 0)
        .repeat(8, 1)[:height, :width]
    )
    for bit in range(6):
        x = bit * width // 6
        image[: height // 2, x : x + width // 6] = 235 if index >> bit & 1 else 20
    return image


def read_code(image: np.ndarray) -> int:
    """The index (modulo 64) that a picture carries, from the middles of its blocks."""
    height, width = image.shape[:2]
    code = 0
    for bit in range(6):
        x = bit * width // 6
        block = image[height // 8 : 3 * height // 8, x + width // 24 : x + width // 8]
        code |= int(block.mean() > 128) << bit
    return code


def codes(frames: np.ndarray) -> list[int]:
    """[T, H, W, 3] -> the index of each frame."""
    return [read_code(frame) for frame in frames]


def write_video(
    path: str | Path | io.BytesIO,
    frames: int | Sequence[np.ndarray] = 30,
    *,
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, FPS),
    fps: int = FPS,
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    size: tuple[int, int] = (96, 128),
    pix_fmt: str = "yuv420p",
    rotation: float | None = None,
    hflip: bool = False,
    format: str | None = None,
    muxer: dict[str, str] | None = None,
    color: dict[str, int] | None = None,
    tone: tuple[float, float, int] | None = None,
) -> Path:
    """Write a film.

    Args:
        frames: pictures [H, W, 3], or how many coded ones.
        pts: timestamp of each frame in ticks of `time_base`; default 0, 1, 2, ... at `fps`.
        size: height, width of coded pictures.
        rotation: degrees anticlockwise, put into the display matrix.
        muxer: options of the container, such as movflags.
        color: attributes of the codec context, such as color_range.
        tone: frequency in Hz, offset in seconds, channels of an AAC track at 44.1 kHz as long as the film;
            of two channels the second is silent.
    """
    pictures = [coded_picture(i, *size) for i in range(frames)] if isinstance(frames, int) else frames
    target = path if isinstance(path, io.BytesIO) else str(path)
    if isinstance(path, io.BytesIO):
        path.name = "film.mp4"
    with av.open(target, "w", format=format, options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=fps, options=options or {})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = time_base
        for key, value in (color or {}).items():
            setattr(stream.codec_context, key, value)
        if rotation is not None or hflip:
            stream.set_display_rotation(rotation or 0, hflip=hflip)
        audio = container.add_stream("aac", rate=44100) if tone else None
        if audio and tone:
            audio.layout = "stereo" if tone[2] == 2 else "mono"
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            if color:
                frame = frame.reformat(
                    format=pix_fmt,
                    dst_colorspace=color.get("colorspace"),
                    dst_color_range=color.get("color_range"),
                )
            frame.pts, frame.time_base = (pts[index] if pts else index), time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio and tone:
            frequency, offset, channels = tone
            seconds = max(len(pictures) / fps, float(pts[-1] * time_base) if pts else 0.0)
            _mux_tone(container, audio, frequency, offset, channels, seconds)
    return path if isinstance(path, Path) else Path("film.mp4")


def _mux_tone(container, audio, frequency: float, offset: float, channels: int, seconds: float) -> None:
    samples = tone_samples(frequency, seconds, 44100)
    planes = np.stack([samples] + [np.zeros_like(samples)] * (channels - 1))
    for at in range(0, planes.shape[1], 1024):
        block = np.ascontiguousarray(planes[:, at : at + 1024])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="stereo" if channels == 2 else "mono")
        frame.sample_rate, frame.time_base = 44100, Fraction(1, 44100)
        frame.pts = at + round(offset * 44100)
        container.mux(audio.encode(frame))
    container.mux(audio.encode(None))


def tone_samples(frequency: float, seconds: float, rate: int) -> np.ndarray:
    """float32: a sine of amplitude 0.5, on in the first half of each second and off in the second."""
    t = np.arange(round(seconds * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * frequency * t) * (t % 1 < 0.5)).astype(np.float32)


def write_audio(path: Path, samples: np.ndarray, *, rate: int, codec: str = "pcm_s16le") -> Path:
    """Write int16 samples [channels, N] as an audio-only file."""
    layout = {1: "mono", 2: "stereo"}[len(samples)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.layout = layout
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples.T.reshape(1, -1)), format="s16", layout=layout
        )
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def packets(path: Path, kind: str = "video") -> list[tuple[int, int, bool]]:
    """(position, size, is key frame) of a file's packets, in decoding order."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [
            (p.pos, p.size, p.is_keyframe) for p in container.demux(stream) if p.size and p.pos is not None
        ]


def overwrite(path: Path, position: int, size: int, seed: int = 0) -> None:
    """Replace bytes of a file by random ones."""
    noise = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8).tobytes()
    with open(path, "r+b") as file:
        file.seek(position)
        file.write(noise)
