"""Keys of media: when two count as the same, and which key changes when a file does."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from PIL import Image

from vidalign.encoding.images import read_image
from vidalign.rows import MediaFolder, form_problem, is_picture, media_of

KINDS = ("video", "audio", "image")
COLUMNS = ("video", "videos", "audio", "audios", "image", "images", "vidalign_image", "vidalign_images")
"""Of media. The last two hold images under names that TRL does not know."""


def held(row: Mapping[str, Any], kind: str) -> list[Any]:
    """The media of a row in order, by whatever name its column has.

    Raises:
        ValueError: columns that do not hold them as they should (`vidalign.rows.form_problem`).
    """
    if (reason := form_problem(row, kind)) is not None:
        raise ValueError(reason)
    return media_of(row, kind) or media_of(row, f"vidalign_{kind}")


def sources(row: Mapping[str, Any], kind: str, folder: MediaFolder) -> list[Any]:
    """The media of a row, each an existing path or the contents of a file; of images also pictures, as processors get them.

    Raises:
        ValueError: as `held` and `MediaFolder.locate`.
    """
    return [
        read_image(medium) if kind == "image" and is_picture(medium) else folder.locate(medium)
        for medium in held(row, kind)
    ]


def media_key(media: Mapping[str, Sequence[Any]], reading: Any) -> str:
    """Equal for the same media of the same kinds, read in the same way; "" for none. A file that is replaced is another.

    Args:
        media: by kind, as `sources` gives them.
        reading: how they are read; its `repr` counts.
    """
    parts = [part for kind, own in media.items() for source in own for part in _state(kind, source)]
    return digest([repr(reading).encode(), *parts]) if parts else ""


def content_key(kind: str, source: Any) -> str:
    """Equal for the same content, wherever it is stored."""
    if isinstance(source, str):
        status = os.stat(source)
        content = _file_hash(source, status.st_size, status.st_mtime_ns)
        return digest([kind.encode(), b"file", content])
    if isinstance(source, bytes):
        return digest([kind.encode(), b"file", hashlib.sha256(source).digest()])
    return digest([kind.encode(), *_picture(source)])


def digest(parts: Iterable[bytes]) -> str:
    """Hash of a list; each part counts with its length, so that no two lists run together into one."""
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(len(part).to_bytes(8, "little"))
        hasher.update(part)
    return hasher.hexdigest()


def _state(kind: str, source: Any) -> list[bytes]:
    """A path by its state on the disk: its content would have to be read for each batch."""
    if isinstance(source, str):
        status = os.stat(source)
        state = f"{status.st_size} {status.st_mtime_ns}".encode()
        return [kind.encode(), b"path", os.fsencode(source), state]
    if isinstance(source, bytes):
        return [kind.encode(), b"bytes", source]
    return [kind.encode(), *_picture(source)]


def _picture(picture: Any) -> list[bytes]:
    """All that makes a picture: others have the same bytes, and other sides."""
    if isinstance(picture, Image.Image):
        return [b"picture", repr((picture.mode, picture.size)).encode(), picture.tobytes()]
    if isinstance(picture, torch.Tensor):  # numpy has no bfloat16
        header = repr((picture.dtype, tuple(picture.shape))).encode()
        values = picture.detach().cpu().contiguous().flatten().view(torch.uint8)
        return [b"tensor", header, values.numpy().tobytes()]
    return [b"array", repr((picture.dtype.str, picture.shape)).encode(), picture.tobytes()]


@lru_cache(maxsize=65536)
def _file_hash(path: str, size: int, modified: int) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
