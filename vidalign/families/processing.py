"""One call of a real processor, on decoded arrays, split into token ids and media."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from vidalign.families.family import DecodedVideo, EncodedPrompt, GivenVideo

NOT_MEDIA = ("input_ids", "attention_mask", "mm_token_type_ids", "video_metadata")


def resized(video_processor: Any, video: DecodedVideo, sides: tuple[int, int]) -> torch.Tensor:
    """The frames [T, 3, H, W] at `sides` (height, width), by the processor's own interpolation."""
    from transformers.image_utils import SizeDict
    from transformers.video_processing_utils import BaseVideoProcessor

    frames = torch.as_tensor(video.frames).permute(0, 3, 1, 2).contiguous()
    size = SizeDict(height=sides[0], width=sides[1])
    # The base class resizes to given sides; the Qwen subclasses choose the sides themselves.
    return BaseVideoProcessor.resize(video_processor, frames, size, resample=video_processor.resample)


def call_processor(
    processor: Any,
    text: str,
    videos: Sequence[DecodedVideo],
    images: Sequence[Any],
    videos_kwargs: dict[str, Any],
    sides: Sequence[tuple[int, int]] | None = None,
    more: Mapping[str, Any] | None = None,
) -> EncodedPrompt:
    """Run `processor` on one prompt.

    videos_kwargs: what this family's video processor is told, e.g. `video_metadata`.
    sides: (height, width) of each video's frames, where the processor shall not choose them. One call has one
        `size` for all its videos, so videos of unlike length or shape are resized before it.
    more: further arguments of the call, e.g. `audio`.
    Frames are never sampled again, no special token is added (who wrote the text knows whether one is due), nothing is
    truncated.
    """
    given: dict[str, Any] = {"text": [text], **(more or {})}
    if images:
        given["images"] = list(images)
    if videos:
        # The layout is known. Left to infer, transformers takes a clip of 3 or 1 rows of pixels for
        # channels-first.
        given["videos"] = [video.frames for video in videos]
        given["videos_kwargs"] = {
            "do_sample_frames": False,
            "input_data_format": "channels_last",
            **videos_kwargs,
        }
        if sides is not None:
            tower = processor.video_processor
            given["videos"] = [resized(tower, *pair) for pair in zip(videos, sides, strict=True)]
            given["videos_kwargs"] |= {"do_resize": False, "input_data_format": "channels_first"}
    # Before the call: Qwen3-VL's processor lengthens the list of an odd clip.
    metadata = [asdict(known) for known in videos_kwargs.get("video_metadata", ())] if videos else []
    text_kwargs = {"add_special_tokens": False, "padding": False, "truncation": False}
    batch = processor(**given, text_kwargs=text_kwargs, return_tensors="pt")
    media = {key: torch.as_tensor(value) for key, value in batch.items() if key not in NOT_MEDIA}
    shown = [
        GivenVideo(_channels_last(frames), known, resized=sides is not None)
        for frames, known in zip(given.get("videos", ()), metadata, strict=True)
    ]
    return EncodedPrompt(input_ids=batch["input_ids"][0].tolist(), media=media, videos=shown)


def _channels_last(frames: Any) -> Any:
    return np.asarray(frames.permute(0, 2, 3, 1)) if isinstance(frames, torch.Tensor) else frames
