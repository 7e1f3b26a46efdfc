"""The formats that are imported, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

from vidalign.data.imports import llava_hound, sharegpt, sharegpt4video
from vidalign.data.imports.row import Converted
from vidalign.stages.errors import PipelineError

Format = Literal["sharegpt", "llava-hound-pairs", "llava-hound-captions", "sharegpt4video"]


@dataclass(frozen=True)
class Reader:
    """convert: a row -> ours; it raises BadRow. columns: those that it looks at. about: whose rows they are, for a card."""

    convert: Callable[[Mapping[str, Any]], Converted]
    columns: tuple[str, ...]
    about: str


def reader_of(format: str, prompt: str | None, video_ending: str) -> Reader:
    """Raises PipelineError: no such format, or a setting that it lacks or has no use for."""
    if format not in get_args(Format):
        raise PipelineError(f"format={format!r}; known are {', '.join(get_args(Format))}")
    if (format == "sharegpt4video") != (prompt is not None):
        raise PipelineError(
            "prompt: captions of sharegpt4video answer no question in their file, so say which it is"
            if prompt is None
            else f"prompt={prompt!r}, and rows of {format} have their own; leave it out"
        )
    if prompt is not None and (not prompt.strip() or "<video>" in prompt):
        raise PipelineError(f"prompt={prompt!r}: give a text without tags; the video stands before it")
    of_hound = format.startswith("llava-hound")
    if video_ending and not (of_hound and video_ending.startswith(".") and len(video_ending) > 1):
        raise PipelineError(
            f"video_ending={video_ending!r}: give one such as .mp4"
            if of_hound
            else f"video_ending={video_ending!r}, and rows of {format} name files with their endings; leave it out"
        )
    if format == "sharegpt":
        return Reader(
            sharegpt.convert, sharegpt.USED, "conversations as LLaMA-Factory and ms-swift have them"
        )
    if format == "sharegpt4video":
        about = "ShareGPT4Video's captions (arXiv:2406.04325)"
        return Reader(partial(sharegpt4video.convert, prompt=prompt or ""), sharegpt4video.COLUMNS, about)
    pairs = format == "llava-hound-pairs"
    return Reader(
        partial(llava_hound.convert_pair if pairs else llava_hound.convert_caption, ending=video_ending),
        llava_hound.PAIR_COLUMNS if pairs else llava_hound.CAPTION_COLUMNS,
        f"LLaVA-Hound's {'pairs' if pairs else 'captions'} (arXiv:2404.01258)",
    )
