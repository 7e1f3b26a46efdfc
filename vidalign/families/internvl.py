"""InternVL: a video is written as numbered frames, `Frame1: <img>...</img>`, each an image to the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from vidalign.families.family import DecodedVideo, EncodedPrompt, Family, Media
from vidalign.families.frames import arange_positions, encode_frames
from vidalign.families.merge import concatenate
from vidalign.families.placeholders import check_feature_count
from vidalign.families.tiny_tokenizer import chat_template, tiny_tokenizer, token_id, vocab_size
from vidalign.families.tiny_weights import INITIALIZER_RANGE, initialise, text_fields

TOKENS = ("<img>", "</img>", "<IMG_CONTEXT>", "<video>")
VIDEO, IMAGE = "<video>\n", "<IMG_CONTEXT>\n"


def encode(
    processor: Any,
    text: str,
    videos: Sequence[DecodedVideo] = (),
    images: Sequence[Any] = (),
    *,
    max_pixels: int | Sequence[int] | None = None,
) -> EncodedPrompt:
    """Encode one prompt. max_pixels does not apply: every frame becomes one square of the tower's size.

    Frames and tiles of images come as one `pixel_values` [n, 3, H, W], in the order of the text.
    """
    encoded = encode_frames(processor, text, videos, images)
    pixels = encoded.media.get("pixel_values")
    features = 0 if pixels is None else len(pixels) * processor.image_seq_length
    check_feature_count(encoded.input_ids, {processor.image_token_id}, features, "image or frame")
    return encoded


def media_features(backbone: Any, media: Media) -> dict[str, Any]:
    if "pixel_values" not in media:
        return {}
    return {"image": backbone.get_image_features(pixel_values=media["pixel_values"], return_dict=True)}


def media_token_ids(config: Any) -> frozenset[int]:
    return frozenset({config.image_token_id})


def dummy_media(config: Any) -> Media:
    """One frame."""
    vision = config.vision_config
    return {"pixel_values": torch.zeros(1, vision.num_channels, *vision.image_size)}


def tiny_model(*, seed: int = 0, **overrides: Any) -> Any:
    """A random `InternVLForConditionalGeneration`. overrides: fields of its text config."""
    from transformers import InternVLConfig, InternVLForConditionalGeneration

    fields = text_fields(**{"vocab_size": vocab_size(TOKENS), "model_type": "qwen2", **overrides})
    config = InternVLConfig(
        text_config=fields,
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": [56, 56],
            "patch_size": [14, 14],
            # 0.1 in real configs, which leaves each layer of a random tower little to say.
            "layer_scale_init_value": 1.0,
            "initializer_range": INITIALIZER_RANGE,
        },
        image_token_id=token_id(TOKENS, "<IMG_CONTEXT>"),
        image_seq_length=4,
        tie_word_embeddings=False,
    )
    return initialise(InternVLForConditionalGeneration, config, seed)


def tiny_processor() -> Any:
    """A real processor for frames of 56 x 56: four tokens a frame or tile."""
    from transformers import GotOcr2ImageProcessor, InternVLProcessor, InternVLVideoProcessor

    size = {"height": 56, "width": 56}
    names = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    return InternVLProcessor(
        image_processor=GotOcr2ImageProcessor(size=size, crop_to_patches=True, min_patches=1, max_patches=4),
        tokenizer=tiny_tokenizer(TOKENS, names=names),
        video_processor=InternVLVideoProcessor(size=size),
        image_seq_length=4,
        chat_template=chat_template(video=VIDEO, image=IMAGE),
    )


FAMILY = Family(
    name="internvl",
    vision_tower=("vision_tower",),
    projector=("multi_modal_projector",),
    language_model="language_model",
    encode=encode,
    media_features=media_features,
    positions=arange_positions,
    media_token_ids=media_token_ids,
    dummy_media=dummy_media,
    video_placeholder=lambda processor: f"{processor.video_token}\n",
    image_placeholder=lambda processor: f"{processor.image_token}\n",
    tiny_model=tiny_model,
    tiny_processor=tiny_processor,
    merge=concatenate,
)
