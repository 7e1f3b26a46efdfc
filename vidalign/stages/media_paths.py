"""Relative media paths of rows that move from the input's folder to the output's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COLUMNS = ("videos", "video", "audios", "audio", "images", "image")


@dataclass(frozen=True)
class MediaPaths:
    """How paths are written.

    base: the input's folder.
    folder: the output's, if the paths are rewritten to start there; None: they stay as they are.
    relative: whether any path is relative.
    """

    base: Path
    folder: Path | None
    relative: bool

    @property
    def media_root(self) -> Path | None:
        """What a trainer must be told as `media_root`; None if nothing."""
        return self.base if self.relative and self.folder is None else None

    def rewritten(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row with its paths as they are to be written."""
        folder = self.folder
        if folder is None or folder == self.base:
            return dict(row)

        def write(path: str) -> str:
            return os.path.relpath(os.path.normpath(self.base / path), folder)

        return {name: _mapped(value, write) if name in COLUMNS else value for name, value in row.items()}


def media_paths(rows: Iterable[Mapping[str, Any]], base: Path | None, folder: Path) -> MediaPaths:
    """Paths start from `folder` if every medium with a relative path lies in it; else all stay as they are.

    Args:
        rows: gone through once.
        base: the input's folder; None for rows in memory, whose paths start from the current folder.
        folder: the output's.
    """
    base = Path(os.path.realpath(base if base is not None else os.curdir))
    folder = Path(os.path.realpath(folder))
    found: list[bool] = []

    def look(path: str) -> str:
        # normpath, as the trainers have it: a link inside the folder to a data disk is the user's own decision.
        found.append(Path(os.path.normpath(base / path)).is_relative_to(folder))
        return path

    for row in rows:
        for name in COLUMNS:
            _mapped(row.get(name), look)
    return MediaPaths(base, folder if all(found) else None, bool(found))


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """The value with its relative paths changed, in lists and in `{"path", "bytes"}` without bytes."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        plain = value and not os.path.isabs(value) and "://" not in value and not value.startswith("~")
        return change(value) if plain else value
    if isinstance(value, (list, tuple)):
        return [_mapped(item, change) for item in value]
    if isinstance(value, Mapping) and not value.get("bytes"):
        return {**value, "path": _mapped(value.get("path"), change)}
    return value
