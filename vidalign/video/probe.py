"""What a media file holds, as far as that is known without decoding it."""

from __future__ import annotations

from dataclasses import dataclass

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from .container import audio_stream, declared_duration, open_media, read_packets, video_stream
from .errors import DamagedVideo, Source, name_of
from .orientation import Orientation, orientation_of
from .timeline import scan


@dataclass(frozen=True)
class VideoInfo:
    """What `probe` found.

    Attributes:
        path: the file's name for messages.
        duration: seconds, of the video stream.
        fps: average frames per second.
        frames: how many, or None where only decoding would tell.
        width, height: pixels, as displayed.
        rotation: degrees anticlockwise by which the stored frames are turned for display: 0, 90, 180 or 270.
        codec: FFmpeg's name for the video codec ("h264").
        has_audio: there is an audio track.
        audio_rate: samples per second, or None.
        audio_channels: how many, or None.
        audio_duration: seconds, or None where there is no track or its file does not say.
    """

    path: str
    duration: float
    fps: float
    frames: int | None
    width: int
    height: int
    rotation: int
    codec: str
    has_audio: bool
    audio_rate: int | None
    audio_channels: int | None
    audio_duration: float | None


def probe(path: Source) -> VideoInfo:
    """Describe a video file. Decodes one frame (for the display rotation), which a recording that was cut within a long
    group of pictures shows late; reads all packets only if the file does not state its duration.

    Raises:
        VideoError: no such file, no video stream, or nothing in it that can be read.

    Examples:
        >>> info = probe("clip.mp4")
        >>> info.duration, info.fps, info.frames, (info.width, info.height), info.audio_rate
        (2.0, 8.0, 16, (96, 64), 16000)
    """
    with open_media(path) as container:
        stream = video_stream(container, path)
        context = stream.codec_context
        duration = declared_duration(container, stream)
        frames = stream.frames or None
        rate = float(stream.average_rate or 0)
        audio = container.streams.best("audio")
        track = audio if isinstance(audio, AudioStream) and audio.codec_context is not None else None
        audio_duration = declared_duration(container, track) if track else None
        codec = context.name
        turn, height, width = _first_frame(container, stream, path)
    if duration is None:
        with open_media(path) as container:
            timeline = scan(container, video_stream(container, path))
        duration = timeline.end
        frames = len(timeline.shown())
        rate = frames / duration if duration else rate
    if turn.transpose:
        height, width = width, height
    return VideoInfo(
        path=name_of(path),
        duration=duration,
        fps=rate or (frames / duration if frames and duration else 0.0),
        frames=frames,
        width=width,
        height=height,
        rotation=turn.rotation,
        codec=codec,
        has_audio=track is not None,
        audio_rate=track.codec_context.sample_rate if track else None,
        audio_channels=track.codec_context.channels if track else None,
        audio_duration=audio_duration,
    )


def check_audio(path: Source) -> None:
    """Decodes the first samples of the audio track.

    Raises:
        NoAudioStream: the file has none.
        VideoError: no such file, or nothing in it that can be read.

    Examples:
        >>> check_audio("clip.mp4")  # nothing is wrong with it
    """
    with open_media(path) as container:
        stream = audio_stream(container, path)
        failed = False
        for packet in read_packets(container, stream):
            try:
                if packet is not None and stream.codec_context.decode(packet):
                    return
            except FFmpegError:
                failed = True
        if failed:
            raise DamagedVideo(name_of(path), "no audio can be decoded", "Download it again or re-encode it")


def _first_frame(
    container: InputContainer, stream: VideoStream, path: Source
) -> tuple[Orientation, int, int]:
    context = stream.codec_context
    context.thread_type = "NONE"  # frame threads would wait for more packets
    for packet in read_packets(container, stream):
        try:
            for frame in context.decode(packet) if packet is not None else ():
                return orientation_of(frame), frame.height, frame.width
        except FFmpegError:
            continue
    try:
        for frame in context.decode(None):
            return orientation_of(frame), frame.height, frame.width
    except FFmpegError:
        pass
    raise DamagedVideo(name_of(path), "no frame can be decoded", "Download it again or re-encode it")
