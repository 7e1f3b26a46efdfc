"""Media for judges that see: a file -> content parts of a chat message."""

from __future__ import annotations

import base64
import hashlib
import io
import mimetypes
import os
import wave
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

SOUND_RATE = 16000  # Hz


@dataclass(frozen=True)
class Medium:
    """kind: "image", "audio" or "video". source: an existing file, or the bytes of one."""

    kind: Literal["image", "audio", "video"]
    source: str | bytes

    def fingerprint(self) -> str:
        """Hash of the content, so that a cached answer belongs to what was seen."""
        if isinstance(self.source, bytes):
            return hashlib.sha256(self.source).hexdigest()
        stat = os.stat(self.source)
        return _file_hash(self.source, stat.st_size, stat.st_mtime_ns)

    def content(self) -> bytes:
        if isinstance(self.source, bytes):
            return self.source
        with open(self.source, "rb") as file:
            return file.read()


def shown(medium: Medium, sees: Collection[str]) -> str | None:
    """How a judge that sees `sees` is shown a medium: "image", "audio", "video", "frames", "frames and sound", or not at all
    (None)."""
    if medium.kind in sees:
        return medium.kind
    if medium.kind == "video" and "image" in sees:
        return "frames and sound" if "audio" in sees else "frames"
    return None


def parts(
    medium: Medium, sees: Collection[str], *, as_file: bool, max_frames: int, max_frame_pixels: int
) -> list[dict[str, Any]]:
    """Content parts of a chat message, [] for a judge that cannot see the medium.

    A judge that takes images only is shown frames of a video, evenly spaced, and its sound where it hears.

    Args:
        medium: what to show.
        sees: of "image", "audio", "video".
        as_file: a video as litellm's `file` part (Gemini and the like) instead of the `video_url` of OpenAI-compatible
            servers.
        max_frames, max_frame_pixels: of a video that is shown as frames.
    """
    how = shown(medium, sees)
    if how == "image":
        return [_image(medium.content(), _type_of(medium, "image/jpeg"))]
    if how == "audio":
        # By its ending: the system's table of types leaves some out, and calls others x-.
        ending = os.path.splitext(medium.source)[1] if isinstance(medium.source, str) else ""
        name = ending.lstrip(".").lower() or "wav"
        return [{"type": "input_audio", "input_audio": {"data": _encoded(medium.content()), "format": name}}]
    if how == "video":
        kind = _type_of(medium, "video/mp4")
        url = f"data:{kind};base64,{_encoded(medium.content())}"
        if as_file:
            return [{"type": "file", "file": {"file_data": url, "format": kind}}]
        return [{"type": "video_url", "video_url": {"url": url}}]
    return _frames(medium, max_frames, max_frame_pixels, sound=how == "frames and sound") if how else []


def _frames(medium: Medium, count: int, pixels: int, *, sound: bool) -> list[dict[str, Any]]:
    # Here, not above: rewards load this file, and must not load a decoder.
    from PIL import Image

    from vidalign.video import probe, read_video

    out = []
    video = read_video(medium.source, num_frames=count, max_pixels=pixels)
    for frame, seconds in zip(video.frames, video.timestamps, strict=True):
        file = io.BytesIO()
        Image.fromarray(frame).save(file, format="JPEG", quality=90)
        out += [{"type": "text", "text": f"Frame at {seconds:.1f} s:"}, _image(file.getvalue(), "image/jpeg")]
    if sound and probe(medium.source).has_audio:
        out += [{"type": "text", "text": "The sound of the video:"}, _sound(medium)]
    return out


def _sound(medium: Medium) -> dict[str, Any]:
    import numpy as np

    from vidalign.video import read_audio

    # A lossy codec overshoots.
    loudness = np.clip(read_audio(medium.source, rate=SOUND_RATE), -1.0, 1.0)
    samples = np.round(loudness * 32767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as track:
        track.setnchannels(1)
        track.setsampwidth(2)
        track.setframerate(SOUND_RATE)
        track.writeframes(samples.tobytes())
    return {"type": "input_audio", "input_audio": {"data": _encoded(file.getvalue()), "format": "wav"}}


def _image(content: bytes, kind: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:{kind};base64,{_encoded(content)}"}}


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _type_of(medium: Medium, default: str) -> str:
    guess = mimetypes.guess_type(medium.source)[0] if isinstance(medium.source, str) else None
    return guess or default


@lru_cache(maxsize=4096)
def _file_hash(path: str, size: int, mtime: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
