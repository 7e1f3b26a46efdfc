"""What the Qwen families of image and video share: patches in a grid of (time, height, width), merged into tokens."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from vidalign.families.family import DecodedVideo, EncodedPrompt, Media
from vidalign.families.placeholders import check_feature_count, check_media_count
from vidalign.families.processing import call_processor

TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
VIDEO = "<|vision_start|><|video_pad|><|vision_end|>"
IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"

CappedSides = Callable[[Any, int, int, int, int], tuple[int, int]]
"""(video processor, frames, height, width, max_pixels) -> (height, width)"""


def token_pixels(video_processor: Any) -> int:
    """Pixels on the side of one token's square."""
    return video_processor.patch_size * video_processor.merge_size


def video_token_span(processor: Any) -> tuple[int, int]:
    tower = processor.video_processor
    return tower.temporal_patch_size, token_pixels(tower)


def frame_shape(video: DecodedVideo) -> tuple[int, int, int]:
    """(frames, height, width)."""
    frames, height, width = video.frames.shape[:3]
    return frames, height, width


def encode_grids(
    processor: Any,
    text: str,
    videos: Sequence[DecodedVideo],
    images: Sequence[Any],
    metadata: Sequence[Any],
    max_pixels: int | Sequence[int] | None,
    capped_sides: CappedSides,
    *,
    videos_kwargs: Mapping[str, Any] | None = None,
    given: Mapping[str, Any] | None = None,
) -> EncodedPrompt:
    """Encode one prompt. max_pixels: cap per frame, for all videos or for each; None keeps the processor's own sizes.

    videos_kwargs, given: what else the video processor is told, and what else the processor is given (sound).
    """
    check_media_count(text, processor.video_token, len(videos), "video")
    check_media_count(text, processor.image_token, len(images), "image")
    tower = processor.video_processor
    options: dict[str, Any] = {"video_metadata": list(metadata), **(videos_kwargs or {})}
    if getattr(tower, "cap_pixels_per_frame", True) is None:
        # Unset means no cap over the clip, a warning, and a change in a version to come: a frame must not
        # change its size with the version.
        options["cap_pixels_per_frame"] = False
    sides = None
    if max_pixels is not None:
        caps = [max_pixels] * len(videos) if isinstance(max_pixels, int) else max_pixels
        if (lowest := min(caps, default=math.inf)) < (minimum := token_pixels(tower) ** 2):
            raise ValueError(
                f"max_pixels={lowest} is below the {minimum} pixels of one token, so no frame fits. Set it "
                f"to at least {minimum}, or to None to keep the processor's own limits."
            )
        sides = [
            capped_sides(tower, *frame_shape(video), cap) for video, cap in zip(videos, caps, strict=True)
        ]
    encoded = call_processor(processor, text, videos, images, options, sides, given)
    for medium, token, merge_size in (
        ("video", processor.video_token_id, tower.merge_size),
        ("image", processor.image_token_id, processor.image_processor.merge_size),
    ):
        grid = encoded.media.get(f"{medium}_grid_thw")
        features = 0 if grid is None else int(grid.prod(-1).sum()) // merge_size**2
        check_feature_count(encoded.input_ids, {token}, features, medium)
    return encoded


def media_features(backbone: Any, media: Media) -> dict[str, Any]:
    """`mm_encoder_outputs`, from pixels [patches, pixels of a patch] and their grids [media, 3]."""
    features: dict[str, Any] = {}
    if "pixel_values" in media:
        features["image"] = backbone.get_image_features(
            media["pixel_values"], media["image_grid_thw"], return_dict=True
        )
    if "pixel_values_videos" in media:
        features["video"] = backbone.get_video_features(
            media["pixel_values_videos"], media["video_grid_thw"], return_dict=True
        )
    return features


def media_token_ids(config: Any) -> frozenset[int]:
    return frozenset({config.image_token_id, config.video_token_id})


def dummy_media(config: Any) -> Media:
    """One video of one token: grid (1, merge, merge). Images go through the same tower."""
    vision = config.vision_config
    side = vision.spatial_merge_size
    patch = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    return {
        "pixel_values_videos": torch.zeros(side**2, patch),
        "video_grid_thw": torch.tensor([[1, side, side]]),
    }


def tiny_mrope_section(head_dim: int) -> list[int]:
    """Frequencies, of head_dim / 2, for time, height and width: about 1 : 1.5 : 1.5, as in Qwen's."""
    space = 3 * (head_dim // 2) // 8
    return [head_dim // 2 - 2 * space, space, space]
