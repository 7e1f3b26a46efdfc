"""Opening a media file and reading its packets, whatever state the file is in."""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream

from .errors import DamagedVideo, NoAudioStream, NoVideoStream, Source, VideoNotFound, name_of

# A demuxer that fails this often without one packet in between will not recover: give up, never hang.
MAX_FAILURES_IN_A_ROW = 16
_IMAGE_FORMATS = re.compile(r"image2|.*_pipe|ico|apng")
_IMAGE_BRANDS = {"avif", "mif1", "heic", "heix"}
# Formats whose headers (or last packets) state the true duration. FFmpeg guesses the others' from the bit
# rate.
_TIMED_FORMATS = {"mov", "mp4", "matroska", "webm", "avi", "mpegts", "flv", "asf", "ogg", "wav"}


def _check_file(source: Source) -> None:
    name = name_of(source)
    if isinstance(source, bytes):
        size = len(source)
    else:
        try:
            status = os.stat(source)
        except (FileNotFoundError, NotADirectoryError):
            raise VideoNotFound(
                name,
                "there is no such file",
                "Check the path; a relative one starts at the working directory",
            ) from None
        if not stat.S_ISREG(status.st_mode):
            # Opening a FIFO would wait for a writer, perhaps for ever.
            raise VideoNotFound(name, "this is not a regular file", "Give the path of a video file")
        size = status.st_size
    if size == 0:
        raise DamagedVideo(name, "the file is empty (0 bytes)", "Download or write it again")


@contextmanager
def open_media(source: Source) -> Iterator[InputContainer]:
    """Open a file for reading and close it at the end of the block.

    Args:
        source: a path of a regular file, or the contents of one.

    Raises:
        VideoNotFound: no such file, or a directory, FIFO or device.
        DamagedVideo: zero bytes, or nothing that FFmpeg recognises.
    """
    _check_file(source)
    name = name_of(source)
    try:
        if isinstance(source, bytes):
            container = av.open(io.BytesIO(source), mode="r", metadata_errors="replace")
        else:
            # "file:" keeps a colon in a name from being read as a protocol; the whitelist keeps a
            # playlist from reaching out to the network.
            container = av.open(
                "file:" + os.fsdecode(source),
                mode="r",
                metadata_errors="replace",
                container_options={"protocol_whitelist": "file"},
            )
    except FFmpegError as error:
        raise DamagedVideo(
            name,
            f"FFmpeg cannot open it ({error.strerror})",
            "It is not a media file, or it was cut off before its index (an MP4 has its index at the end): "
            "download it again or re-encode it",
        ) from error
    try:
        yield container
    finally:
        container.close()


def video_stream(container: InputContainer, source: Source) -> VideoStream:
    """The stream of moving pictures that a player would choose; all other streams are left unread.

    Raises:
        NoVideoStream: there is none (cover art does not count), or the file is a still image.
    """
    name = name_of(source)
    brand = container.metadata.get("major_brand", "")
    if _IMAGE_FORMATS.fullmatch(container.format.name) or brand in _IMAGE_BRANDS:
        raise NoVideoStream(name, "this is a still image, not a video", "Put images in the `images` column")
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "none"
        raise NoVideoStream(
            name,
            f"there is no video stream (streams: {kinds})",
            "Give a file with moving pictures, or drop the row",
        )
    best = container.streams.best("video")
    stream = best if isinstance(best, VideoStream) and best in streams else streams[0]
    _read_only(container, stream)
    if stream.codec_context is None:
        raise NoVideoStream(
            name, "this build of FFmpeg has no decoder for its video codec", "Re-encode the file as H.264"
        )
    return stream


def audio_stream(container: InputContainer, source: Source) -> AudioStream:
    """The audio track that a player would choose; all other streams are left unread.

    Raises:
        NoAudioStream: there is none.
    """
    stream = container.streams.best("audio")
    if not isinstance(stream, AudioStream) or stream.codec_context is None:
        raise NoAudioStream(
            name_of(source), "there is no audio track", "Drop the row, or read it without audio"
        )
    _read_only(container, stream)
    return stream


def _read_only(container: InputContainer, wanted: Stream) -> None:
    for stream in container.streams:
        stream.discard = Discard.default if stream is wanted else Discard.all


def read_packets(container: InputContainer, *streams: Stream) -> Iterator[Packet | None]:
    """The streams' packets in file order. `None` stands for a stretch that could not be read."""
    failures = 0
    while failures < MAX_FAILURES_IN_A_ROW:
        try:
            # PyAV's generator leaks its read buffer unless it is closed or read to its end.
            with closing(cast("Generator[Packet, None, None]", container.demux(*streams))) as packets:
                for packet in packets:
                    if packet.size == 0 and packet.dts is None:  # PyAV's own end-of-stream marker
                        return
                    failures = 0
                    yield packet
            return
        except FFmpegError:
            failures += 1
            yield None


def declared_duration(container: InputContainer, stream: Stream) -> float | None:
    """The stream's duration in seconds as its file states it, or None where that is absent or a guess."""
    if not _TIMED_FORMATS & set(container.format.name.split(",")):
        return None
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    tag = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", "").strip("\0 "))
    if tag:  # Matroska
        hours, minutes, seconds = tag.groups()
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds) or None
    if container.duration and len(container.streams) == 1:
        return container.duration / av.time_base
    return None
