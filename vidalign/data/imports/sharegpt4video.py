"""ShareGPT4Video's captions (arXiv:2406.04325)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidalign.data.imports.media import path_of, untagged
from vidalign.data.imports.row import BadRow, Converted, identity, supervised

COLUMNS = ("video_id", "video_path", "captions")
_WHOLE = "-1"


def convert(row: Mapping[str, Any], *, prompt: str) -> Converted:
    """A row of `sharegpt4video_40k.jsonl`: `video_id`, `video_path`, and `captions`, each with `idx` and `content`. That with
    `idx` "-1" describes the whole video, and is taken; the others, of its parts, are not.

    The layout is that which users of the file read; the file itself was not at hand. `zip_folder`, `keyframe` and `timestamp`
    are not carried over.

    Args:
        prompt: what the caption answers, of which the file says nothing.

    Raises:
        BadRow: see there.
    """
    captions = row.get("captions")
    if not isinstance(captions, (list, tuple)) or not all(
        isinstance(caption, Mapping) for caption in captions
    ):
        raise BadRow(f"captions: {type(captions).__name__} instead of a list of objects with idx and content")
    whole = [caption for caption in captions if str(caption.get("idx")) == _WHOLE]
    if len(whole) != 1:
        raise BadRow(
            f"captions: {len(whole)} with idx {_WHOLE}, and that of the whole video is one; take the row out"
        )
    if row.get("video_path") is None:
        raise BadRow("video_path: missing; fill it in, or take the row out")
    messages = [
        {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": prompt}]},
        {
            "role": "assistant",
            "content": [{"type": "text", "text": untagged(whole[0].get("content"), "captions: content")}],
        },
    ]
    return supervised(
        identity(row, "video_id"), messages, {"videos": [path_of(row["video_path"], "video_path")]}
    )
