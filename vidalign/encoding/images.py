"""An image of a row -> what processors are given: a PIL image in RGB, upright."""

from __future__ import annotations

import io
import os
import struct
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from vidalign.video.errors import name_of

# What Pillow raises on files that are damaged, or are none.
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError)


def read_image(source: Any) -> Any:
    """A path or the contents of a file -> a PIL image in RGB, turned as its EXIF data say. Arrays pass as they are.

    Transparency is laid on white, as transformers does for PIL images, so that it does not matter how a data set stores
    its pictures. Of 16 bits of grey the upper eight are taken: Pillow's own conversion cuts off what is above 255.

    Raises:
        ValueError: a file that cannot be decoded, by name; or pixels whose white is not known.
    """
    if isinstance(source, Image.Image):
        try:
            return _rgb(ImageOps.exif_transpose(source))
        except ValueError as error:
            raise ValueError(f"an image cannot be used: {error}, or drop the row") from error
    if not isinstance(source, (str, bytes)):
        return source
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            return _rgb(ImageOps.exif_transpose(image))
    except _UNREADABLE as error:
        raise _unreadable(source, error) from error


def check_image(source: str | bytes) -> None:
    """Decodes a file at the smallest scale that its format allows (a JPEG at an eighth), so that a cut one is noticed.

    Raises:
        ValueError: as `read_image`.
    """
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            image.draft("RGB", (1, 1))
            image.load()
            _refuse_unbounded(image)
    except _UNREADABLE as error:
        raise _unreadable(source, error) from error


def _refuse_unbounded(image: Image.Image) -> None:
    if image.mode in ("I", "F"):
        raise ValueError(
            f"mode {image.mode} holds 32-bit numbers and does not say which is white; store 8 bits"
        )


def _rgb(image: Image.Image) -> Image.Image:
    _refuse_unbounded(image)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if "A" not in image.getbands() and image.info.get("transparency") is None:
        return image.convert("RGB")
    picture = image.convert("RGBA")
    white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, picture).convert("RGB")


def _unreadable(source: str | bytes, error: Exception) -> ValueError:
    # Pillow repeats the name of a file that it does not know.
    reason = "it is in no format that Pillow knows" if "cannot identify" in str(error) else str(error)
    if isinstance(error, OSError) and error.errno is not None:
        reason = os.strerror(error.errno)
    return ValueError(
        f"{name_of(source)}: it cannot be read as an image ({reason}). Fetch it again, or drop the row"
    )
