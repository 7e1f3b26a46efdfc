"""What those families share that see a clip as a stack of images of one fixed size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from vidalign.families.family import DecodedVideo, EncodedPrompt, Media
from vidalign.families.placeholders import check_media_count
from vidalign.families.processing import call_processor
from vidalign.families.sampled_clip import sampled_metadata


def encode_frames(
    processor: Any, text: str, videos: Sequence[DecodedVideo], images: Sequence[Any]
) -> EncodedPrompt:
    """Encode one prompt, whose clips the processor resizes and crops to its own size.

    Raises ValueError for clips of unlike length in one prompt, which these processors stack, and for a
    processor that does not know the tower's patch size.
    """
    check_media_count(text, processor.video_token, len(videos), "video")
    check_media_count(text, processor.image_token, len(images), "image")
    lengths = [len(video.frames) for video in videos]
    if len(set(lengths)) > 1:
        raise ValueError(
            f"The videos of one prompt have {lengths} frames, but {type(processor).__name__} stacks them "
            "into one tensor. Sample the same number of frames from each (num_frames)."
        )
    if not getattr(processor, "patch_size", 1):
        raise ValueError(
            f"This {type(processor).__name__} has no patch_size (old checkpoints lack it), so it cannot "
            "count placeholders. Set processor.patch_size = model.config.vision_config.patch_size."
        )
    options = {"video_metadata": [sampled_metadata(video) for video in videos]}
    return call_processor(processor, text, videos, images, options)


def patches(processor: Any, pixels: torch.Tensor) -> tuple[int, int]:
    """(rows, columns) of the tower's patches on frames [..., H, W]."""
    return pixels.shape[-2] // processor.patch_size, pixels.shape[-1] // processor.patch_size


def arange_positions(backbone: Any, input_ids: torch.Tensor, media: Media) -> torch.Tensor:
    """Positions [1, P] of one prompt: one step per token, media or not."""
    return torch.arange(input_ids.shape[1], device=input_ids.device)[None]


def tiny_clip(**overrides: Any) -> dict[str, Any]:
    """Config of a CLIP tower for frames of 56 x 56: 16 patches and a class token."""
    from vidalign.families.tiny_weights import INITIALIZER_RANGE

    return {
        "model_type": "clip_vision_model",
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "image_size": 56,
        "patch_size": 14,
        "projection_dim": 32,
        # CLIP divides by its depth and width in its own initialisation; the factor makes up for it.
        "initializer_factor": 5.0,
        "initializer_range": INITIALIZER_RANGE,
        **overrides,
    }
