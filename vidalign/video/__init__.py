"""Video and audio files -> frames, samples and windows, with their true times, decoded by PyAV."""

from .audio import read_audio
from .clips import clips
from .errors import (
    DamagedVideo,
    DamagedVideoWarning,
    InvalidWindow,
    NoAudioStream,
    NoVideoStream,
    VideoError,
    VideoNotFound,
)
from .probe import VideoInfo, check_audio, probe
from .read import Video, read_video
from .size import fit_size

__all__ = [
    "DamagedVideo",
    "DamagedVideoWarning",
    "InvalidWindow",
    "NoAudioStream",
    "NoVideoStream",
    "Video",
    "VideoError",
    "VideoInfo",
    "VideoNotFound",
    "check_audio",
    "clips",
    "fit_size",
    "probe",
    "read_audio",
    "read_video",
]
