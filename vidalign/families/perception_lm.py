"""PerceptionLM: images in tiles and frames alike through one tower, pooled after the projector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from vidalign.families.family import DecodedVideo, EncodedPrompt, Family, Media
from vidalign.families.frames import arange_positions, encode_frames, patches, tiny_clip
from vidalign.families.merge import collect, concatenate_frames
from vidalign.families.placeholders import check_feature_count
from vidalign.families.tiny_tokenizer import BOS, chat_template, tiny_tokenizer, token_id, vocab_size
from vidalign.families.tiny_weights import initialise, text_fields

TOKENS = ("<|image|>", "<|video|>")


def encode(
    processor: Any,
    text: str,
    videos: Sequence[DecodedVideo] = (),
    images: Sequence[Any] = (),
    *,
    max_pixels: int | Sequence[int] | None = None,
) -> EncodedPrompt:
    """Encode one prompt. max_pixels does not apply: every frame becomes one square of the tower's size."""
    encoded = encode_frames(processor, text, videos, images)
    for medium, key, token in (
        ("video", "pixel_values_videos", processor.video_token_id),
        ("image", "pixel_values", processor.image_token_id),
    ):
        features = 0
        if key in encoded.media:
            pixels = encoded.media[key]  # [n, frames or tiles, 3, H, W]
            rows, columns = (side // processor.pooling_ratio for side in patches(processor, pixels))
            features = pixels.shape[0] * pixels.shape[1] * rows * columns
        check_feature_count(encoded.input_ids, {token}, features, medium)
    return encoded


def media_features(backbone: Any, media: Media) -> dict[str, Any]:
    """Frames are images to this backbone: it has no method for videos, and forward calls the same one."""
    keys = {"image": "pixel_values", "video": "pixel_values_videos"}
    return {
        medium: backbone.get_image_features(pixel_values=media[key], return_dict=True)
        for medium, key in keys.items()
        if key in media
    }


def media_token_ids(config: Any) -> frozenset[int]:
    return frozenset({config.image_token_id, config.video_token_id})


def dummy_media(config: Any) -> Media:
    """One video of one frame. Images go through the same tower."""
    return {"pixel_values_videos": torch.zeros(1, 1, 3, *tower_size(config.vision_config))}


def tower_size(vision_config: Any) -> tuple[int, int]:
    """(height, width) that the tower takes. A timm tower keeps it among the arguments that timm is given."""
    arguments = getattr(vision_config, "model_args", None) or {}
    side = arguments.get("img_size", getattr(vision_config, "image_size", None))
    if side is None:
        raise ValueError(
            "The vision config names no image size (model_args['img_size']), so the smallest input of the "
            "tower is unknown. Set it there, or give every rank a row with media."
        )
    return tuple(side) if isinstance(side, (list, tuple)) else (side, side)


def merge(medias: Sequence[Media]) -> Media:
    return {key: concatenate_frames(tensors) for key, tensors in collect(medias).items()}


def tiny_model(*, seed: int = 0, **overrides: Any) -> Any:
    """A random `PerceptionLMForConditionalGeneration`. overrides: fields of its text config.

    Released checkpoints have a tower from timm; a CLIP tower with the same output stands in, so that timm
    need not be installed.
    """
    from transformers import PerceptionLMConfig, PerceptionLMForConditionalGeneration

    fields = text_fields(**{"vocab_size": vocab_size(TOKENS), "model_type": "llama", **overrides})
    config = PerceptionLMConfig(
        text_config=fields,
        vision_config=tiny_clip(model_args={"embed_dim": 32, "img_size": [56, 56]}),
        vision_use_cls_token=True,
        projector_pooling_ratio=2,
        image_token_id=token_id(TOKENS, "<|image|>"),
        video_token_id=token_id(TOKENS, "<|video|>"),
    )
    return initialise(PerceptionLMForConditionalGeneration, config, seed)


def tiny_processor() -> Any:
    """A real processor for frames of 56 x 56: four tokens a frame or tile."""
    from transformers import PerceptionLMImageProcessor, PerceptionLMProcessor, PerceptionLMVideoProcessor

    names = {"image_token": "<|image|>", "video_token": "<|video|>"}
    return PerceptionLMProcessor(
        video_processor=PerceptionLMVideoProcessor(size={"height": 56, "width": 56}),
        image_processor=PerceptionLMImageProcessor(tile_size=56, max_num_tiles=4),
        tokenizer=tiny_tokenizer(TOKENS, adds_bos=True, names=names),
        chat_template=chat_template(video="<|video|>", image="<|image|>", bos=BOS),
        patch_size=14,
        pooling_ratio=2,
    )


FAMILY = Family(
    name="perception_lm",
    vision_tower=("vision_tower",),
    projector=("multi_modal_projector",),
    language_model="language_model",
    encode=encode,
    media_features=media_features,
    positions=arange_positions,
    media_token_ids=media_token_ids,
    dummy_media=dummy_media,
    video_placeholder=lambda processor: processor.video_token,
    image_placeholder=lambda processor: processor.image_token,
    tiny_model=tiny_model,
    tiny_processor=tiny_processor,
    merge=merge,
)
