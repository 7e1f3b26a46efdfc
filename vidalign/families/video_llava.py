"""Video-LLaVA: one tower for images, another for frames, one projector for both."""

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

TOKENS = ("<image>", "<video>")
VIDEO, IMAGE = "<video>\n", "<image>\n"


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
    if "pixel_values_images" in encoded.media:  # the name that forward no longer takes
        encoded.media["pixel_values"] = encoded.media.pop("pixel_values_images")
    in_videos = in_images = 0
    if videos:
        pixels = encoded.media["pixel_values_videos"]  # [n, T, 3, H, W]
        rows, columns = patches(processor, pixels)
        in_videos = pixels.shape[0] * pixels.shape[1] * (rows * columns + 1)  # a frame keeps its class token
    if images:
        pixels = encoded.media["pixel_values"]  # [n, 3, H, W]
        rows, columns = patches(processor, pixels)
        in_images = len(pixels) * (rows * columns + (processor.vision_feature_select_strategy != "default"))
    check_feature_count(encoded.input_ids, {processor.video_token_id}, in_videos, "video")
    check_feature_count(encoded.input_ids, {processor.image_token_id}, in_images, "image")
    return encoded


def media_features(backbone: Any, media: Media) -> dict[str, Any]:
    features: dict[str, Any] = {}
    if "pixel_values" in media:
        features["image"] = backbone.get_image_features(media["pixel_values"], return_dict=True)
    if "pixel_values_videos" in media:
        features["video"] = backbone.get_video_features(media["pixel_values_videos"], return_dict=True)
    return features


def media_token_ids(config: Any) -> frozenset[int]:
    return frozenset({config.image_token_index, config.video_token_index})


def dummy_media(config: Any) -> Media:
    """One image and one video of one frame: there are two towers."""
    side, channels = config.vision_config.image_size, config.vision_config.num_channels
    return {
        "pixel_values": torch.zeros(1, channels, side, side),
        "pixel_values_videos": torch.zeros(1, 1, channels, side, side),
    }


def merge(medias: Sequence[Media]) -> Media:
    return {
        key: concatenate_frames(tensors) if key == "pixel_values_videos" else torch.cat(tensors)
        for key, tensors in collect(medias).items()
    }


def tiny_model(*, seed: int = 0, **overrides: Any) -> Any:
    """A random `VideoLlavaForConditionalGeneration`. overrides: fields of its text config."""
    from transformers import VideoLlavaConfig, VideoLlavaForConditionalGeneration

    fields = text_fields(**{"vocab_size": vocab_size(TOKENS), "model_type": "llama", **overrides})
    config = VideoLlavaConfig(
        text_config=fields,
        vision_config=tiny_clip(),
        image_token_index=token_id(TOKENS, "<image>"),
        video_token_index=token_id(TOKENS, "<video>"),
    )
    return initialise(VideoLlavaForConditionalGeneration, config, seed)


def tiny_processor() -> Any:
    """A real processor for frames of 56 x 56: 17 tokens a frame, 16 an image."""
    from transformers import VideoLlavaImageProcessor, VideoLlavaProcessor, VideoLlavaVideoProcessor

    size = {"size": {"shortest_edge": 56}, "crop_size": {"height": 56, "width": 56}}
    return VideoLlavaProcessor(
        image_processor=VideoLlavaImageProcessor(**size),
        video_processor=VideoLlavaVideoProcessor(**size),
        tokenizer=tiny_tokenizer(TOKENS, adds_bos=True),
        chat_template=chat_template(video=VIDEO, image=IMAGE, bos=BOS),
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )


FAMILY = Family(
    name="video_llava",
    vision_tower=("video_tower", "image_tower"),
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
    merge=merge,
)
