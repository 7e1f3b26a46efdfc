"""The tags of a text that stand for media, and the media of a row that they stand for."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from vidalign.data.imports.row import BadRow, checked_text
from vidalign.rows import MediaFolder, MissingMedium

KINDS = ("video", "audio", "image")
FRAMES = (
    "is a folder, and a video here is a file. Of frames make one at the rate at which they were taken, such as 2 a second: "
    "ffmpeg -framerate 2 -i {folder}/c01_%04d.jpeg -pix_fmt yuv420p {folder}.mp4"
)
_TAG = re.compile("<(video|audio|image)>")


def blocks_of(text: str) -> list[dict[str, Any]]:
    """The text as content blocks, each tag as one of its medium; no letter of the text is lost.

    >>> blocks_of("Before: <video> What happens?")
    [{'type': 'text', 'text': 'Before: '}, {'type': 'video'}, {'type': 'text', 'text': ' What happens?'}]
    """
    blocks: list[dict[str, Any]] = []
    for number, piece in enumerate(_TAG.split(text)):
        if number % 2:
            blocks.append({"type": piece})
        elif piece:
            blocks.append({"type": "text", "text": piece})
    return blocks


def untagged(text: Any, place: str) -> str:
    """A text that may name no media, such as a response. Raises BadRow."""
    text = checked_text(text, place)
    if found := _TAG.search(text):
        raise BadRow(
            f"{place}: holds {found[0]}, and media stand in what the user says; take the tag out, or the row"
        )
    return text


def media_in(row: Mapping[str, Any]) -> dict[str, list[str]]:
    """The paths of a row's media by our columns, from `videos` or `video` and so on. Raises BadRow."""
    found: dict[str, list[str]] = {}
    for kind in KINDS:
        given = {name: row[name] for name in (f"{kind}s", kind) if row.get(name) is not None}
        if len(given) > 1:
            raise BadRow(f"{kind}: given together with {kind}s; leave one of the two")
        for name, value in given.items():
            media = list(value) if isinstance(value, (list, tuple)) else [value]
            if media:
                found[f"{kind}s"] = [path_of(medium, name) for medium in media]
    return found


def path_of(medium: Any, column: str) -> str:
    """Raises BadRow where a medium is not the path of a file."""
    if isinstance(medium, Mapping):
        if medium.get("bytes"):
            raise BadRow(f"{column}: the content of a file, and rows here name files; write it to one")
        medium = medium.get("path")
    if isinstance(medium, (list, tuple)):
        raise BadRow(f"{column}: a list of frames, and a video here is a file; make one of them")
    if not isinstance(medium, str) or not medium.strip():
        raise BadRow(f"{column}: {medium!r:.40} instead of a path")
    return medium


def check_tags(contents: Iterable[list[dict[str, Any]]], media: Mapping[str, list[str]], column: str) -> None:
    """Raises BadRow unless there is a tag for each medium.

    contents: the blocks of each turn. column: which they came from.
    """
    tags = Counter(block["type"] for blocks in contents for block in blocks)
    for kind in KINDS:
        files = len(media.get(f"{kind}s", ()))
        if tags[kind] != files:
            raise BadRow(
                f"{column}: {tags[kind]} <{kind}> in the text, and {files} in {kind}s; each stands for one in order, so give as "
                "many of the one as of the other, or take the row out"
            )


def missing_medium(media: Mapping[str, list[str]], folder: MediaFolder) -> str | None:
    """The first medium of which there is no file, as "column: reason"; None if all are there.

    Raises:
        BadRow: one that no file could be, such as a URL or a folder.
    """
    missing = None
    for column, paths in media.items():
        for path in paths:
            try:
                full = folder.source(path)
                if isinstance(full, str) and os.path.isdir(full):
                    raise BadRow(f"{column}: {path!r} {FRAMES.format(folder=path)}")
                folder.locate(path)
            except MissingMedium as error:
                missing = missing or f"{column}: {error}"
            except BadRow:
                raise
            except ValueError as error:
                raise BadRow(f"{column}: {error}") from None
    return missing
