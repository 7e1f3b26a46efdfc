"""Qwen2.5-VL: any frame size, and absolute time in the positions (`second_per_grid_ts`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from vidalign.families import qwen_vl
from vidalign.families.family import DecodedVideo, EncodedPrompt, Family, Media
from vidalign.families.merge import concatenate
from vidalign.families.mrope import mrope_positions
from vidalign.families.sampled_clip import sampled_metadata
from vidalign.families.tiny_tokenizer import chat_template, tiny_tokenizer, token_id, vocab_size
from vidalign.families.tiny_weights import INITIALIZER_RANGE, initialise, text_fields


def capped_sides(
    video_processor: Any,
    frames: int,
    height: int,
    width: int,
    max_pixels: int,
    size: Mapping[str, int] | None = None,
) -> tuple[int, int]:
    """(height, width) of the frames. Here the processor's `size` counts the pixels of one frame."""
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import smart_resize

    factor = qwen_vl.token_pixels(video_processor)
    shortest = min((size or video_processor.size)["shortest_edge"], max_pixels)
    sides = smart_resize(height, width, factor, min_pixels=shortest, max_pixels=max_pixels)
    if sides[0] * sides[1] > max_pixels:  # small frames are enlarged to `shortest`, and rounded up beyond it
        sides = smart_resize(height, width, factor, min_pixels=1, max_pixels=max_pixels)
    return sides


def encode(
    processor: Any,
    text: str,
    videos: Sequence[DecodedVideo] = (),
    images: Sequence[Any] = (),
    *,
    max_pixels: int | Sequence[int] | None = None,
) -> EncodedPrompt:
    """Encode one prompt. `second_per_grid_ts` is temporal_patch_size / rate, by the true timestamps."""
    metadata = [sampled_metadata(video) for video in videos]
    return qwen_vl.encode_grids(processor, text, videos, images, metadata, max_pixels, capped_sides)


def dummy_media(config: Any) -> Media:
    return {**qwen_vl.dummy_media(config), "second_per_grid_ts": torch.ones(1)}


def tiny_model(*, seed: int = 0, **overrides: Any) -> Any:
    """A random `Qwen2_5_VLForConditionalGeneration`. overrides: fields of its text config."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    fields = text_fields(**{"vocab_size": vocab_size(qwen_vl.TOKENS), **overrides})
    section = qwen_vl.tiny_mrope_section(fields["hidden_size"] // fields["num_attention_heads"])
    fields.setdefault(
        "rope_parameters", {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": section}
    )
    config = Qwen2_5_VLConfig(
        text_config=fields,
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 2,
            "patch_size": 14,
            "window_size": 56,
            "fullatt_block_indexes": [1],
            "tokens_per_second": 2,
            "out_hidden_size": fields["hidden_size"],
            "initializer_range": INITIALIZER_RANGE,
        },
        image_token_id=token_id(qwen_vl.TOKENS, "<|image_pad|>"),
        video_token_id=token_id(qwen_vl.TOKENS, "<|video_pad|>"),
        vision_start_token_id=token_id(qwen_vl.TOKENS, "<|vision_start|>"),
        vision_end_token_id=token_id(qwen_vl.TOKENS, "<|vision_end|>"),
    )
    return initialise(Qwen2_5_VLForConditionalGeneration, config, seed)


def tiny_processor() -> Any:
    """A real processor for frames of up to 84 x 84 pixels; two frames of 56 x 56 give four tokens."""
    from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    size = {"shortest_edge": 28 * 28, "longest_edge": 84 * 84}
    return Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=size),
        tokenizer=tiny_tokenizer(qwen_vl.TOKENS),
        video_processor=Qwen2VLVideoProcessor(size=size),
        chat_template=chat_template(video=qwen_vl.VIDEO, image=qwen_vl.IMAGE),
    )


FAMILY = Family(
    name="qwen2_5_vl",
    vision_tower=("visual",),
    projector=("visual.merger",),
    projections={"image": ("visual.merger",), "video": ("visual.merger",)},
    language_model="language_model",
    encode=encode,
    video_token_span=qwen_vl.video_token_span,
    media_features=qwen_vl.media_features,
    positions=mrope_positions,
    media_token_ids=qwen_vl.media_token_ids,
    dummy_media=dummy_media,
    video_placeholder=lambda processor: qwen_vl.VIDEO,
    image_placeholder=lambda processor: qwen_vl.IMAGE,
    tiny_model=tiny_model,
    tiny_processor=tiny_processor,
    merge=concatenate,
)
