"""The videos of rows that are built from: checked, written down as paths, and shown to a judge."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from vidalign.llm.background import run_sync
from vidalign.llm.media import Medium, shown
from vidalign.llm.question import Judge
from vidalign.rows import MediaFolder, media_of, refuse_bad
from vidalign.stages.errors import PipelineError, Unfinished
from vidalign.stages.tables import JsonRows, ParquetRows

I = TypeVar("I")
R = TypeVar("R")


class Videos:
    """Where the videos of an input are.

    Args:
        source: the rows.
        media_root: relative paths start there; default the folder of the rows' file, or else the current one.
        media_allow: further folders that paths may lead into.
    """

    def __init__(
        self,
        source: JsonRows | ParquetRows,
        media_root: str | os.PathLike[str] | None = None,
        media_allow: Iterable[str] = (),
    ) -> None:
        self.root = Path(media_root) if media_root is not None else source.folder
        if self.root is not None and not self.root.is_dir():
            raise PipelineError(f"media_root: the folder {str(self.root)!r} does not exist")
        self.folder = MediaFolder(self.root, tuple(media_allow))

    def problem(self, row: Mapping[str, Any]) -> str | None:
        """What keeps a row's media from being written as paths; None if nothing does."""
        if media_of(row, "image"):
            return "images: a build carries videos over and nothing else; take these rows out"
        for medium in media_of(row, "video"):
            if not isinstance(_path_of(medium), str):
                return "videos: bytes, where a build takes the path of a file"
        return None

    def described_problem(self, row: Mapping[str, Any]) -> str | None:
        """What keeps a row from being one whose videos a model describes; None if nothing does. Their files are there."""
        if not media_of(row, "video"):
            return "videos: missing"
        if media_of(row, "audio"):
            return "audios: a model is asked about videos; take this column out"
        if (reason := self.problem(row)) is not None:
            return reason
        for path in self.paths(row):
            try:
                self.folder.locate(path)
            except ValueError as error:
                return f"videos: {error}"
        return None

    def paths(self, row: Mapping[str, Any]) -> list[str]:
        """As the row has them."""
        return [_path_of(medium) for medium in media_of(row, "video")]

    def media(self, paths: Sequence[str]) -> tuple[Medium, ...]:
        """For a question. A judge that does not see is not shown them."""
        return tuple(Medium("video", self.folder.locate(path)) for path in paths)

    def fingerprints(self, item: Mapping[str, Any]) -> list[str]:
        """Hashes of the content of an item's videos, for what has looked into them."""
        return [medium.fingerprint() for medium in self.media(item["videos"])]


def sees(judge: Judge, task: str) -> bool:
    """Whether a judge is shown anything of a video's picture with questions of a task."""
    return shown(Medium("video", b""), run_sync(judge.senses(task))) is not None


def shown_to(judge: Judge, task: str) -> str | None:
    """How a judge is shown videos with questions of a task, for settings; None if not at all."""
    how = shown(Medium("video", b""), run_sync(judge.senses(task)))
    own = judge.of(task)
    frames = [
        str(value) for name in ("max_frames", "max_frame_pixels") if (value := getattr(own, name, None))
    ]
    return f"{how} ({' of '.join(frames)})" if how is not None and how.startswith("frames") else how


def with_readable_videos(work: Callable[[I], Awaitable[R]]) -> Callable[[I], Awaitable[R]]:
    """The work on an item, with `Unfinished` for a video that cannot be decoded: the other rows go on."""

    async def careful(item: I) -> R:
        # Here, not above: a command line that only shows its help must not load a decoder.
        from vidalign.video import VideoError

        try:
            return await work(item)
        except VideoError as error:
            raise Unfinished(f"video: {error}") from error

    return careful


def check_rows(source: JsonRows | ParquetRows, problem: Callable[[Mapping[str, Any]], str | None]) -> None:
    """Looks at every row before the first question.

    Raises:
        PipelineError: no rows.
        BadRows: rows with a problem, "column: reason"; the first ones are named.
    """
    if not refuse_bad(source.name, map(problem, source)):
        raise PipelineError(f"{source.name}: no rows")


def _path_of(medium: Any) -> Any:
    if isinstance(medium, Mapping) and not medium.get("bytes"):
        medium = medium.get("path")
    return os.fspath(medium) if isinstance(medium, os.PathLike) else medium
