"""What can be wrong with a media file, as exceptions that name the file and the remedy."""

from __future__ import annotations

import errno
import os
from typing import Union

Source = Union[str, "os.PathLike[str]", bytes]
"""A path, or the contents of a file."""


def name_of(source: Source) -> str:
    """The name that errors and warnings use for a source; file contents have none but their size."""
    return f"<bytes, {len(source)} B>" if isinstance(source, bytes) else os.fspath(source)


class VideoError(ValueError):
    """A file cannot give what was asked of it.

    Attributes:
        path: the file (`<bytes, N B>` for file contents).
        problem: what is wrong, without the path.
        remedy: what to do about it.
    """

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        super().__init__(path, problem, remedy)
        self.path, self.problem, self.remedy = path, problem, remedy

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}. {self.remedy}"

    def __reduce__(self) -> tuple[type[VideoError], tuple[str, str, str]]:
        # Dataloader workers send exceptions through pickle, and OSError's own reduction drops arguments.
        return type(self), (self.path, self.problem, self.remedy)


class VideoNotFound(VideoError, FileNotFoundError):
    """There is no such file, or it is not a regular file."""

    def __init__(self, path: str, problem: str, remedy: str) -> None:
        super().__init__(path, problem, remedy)
        self.errno, self.filename = errno.ENOENT, path


class NoVideoStream(VideoError):
    """The file has no moving pictures: audio only, a still image, or no media at all."""


class NoAudioStream(VideoError):
    """The file has no audio track."""


class DamagedVideo(VideoError):
    """Too little of the file can be decoded to stand for it."""


class InvalidWindow(VideoError):
    """The time window is empty, or outside the file."""


class DamagedVideoWarning(UserWarning):
    """Part of the file could not be decoded; what is returned is intact, but not all that was asked for."""
