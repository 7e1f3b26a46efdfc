"""LLaVA-NeXT-Video: frames pooled to a quarter of their patches, images in tiles with learned line ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from vidalign.families.family import DecodedVideo, EncodedPrompt, Family, Media
from vidalign.families.frames import arange_positions, encode_frames, patches, tiny_clip
from vidalign.families.merge import collect, concatenate_frames, concatenate_padded
from vidalign.families.placeholders import check_feature_count
from vidalign.families.tiny_tokenizer import BOS, chat_template, tiny_tokenizer, token_id, vocab_size
from vidalign.families.tiny_weights import initialise, text_fields

TOKENS = ("<video>", "<image>")
VIDEO, IMAGE = "<video>\n", "<image>\n"
POOL = 2


def image_features(processor: Any, height: int, width: int, rows: int, columns: int, tile: int) -> int:
    """Features of one image [height, width]: a thumbnail, then its tiles without their padding, in lines.

    rows, columns: patches of one tile. tile: its side in pixels.
    """
    from transformers.image_processing_utils import select_best_resolution

    canvas = select_best_resolution((height, width), processor.image_processor.image_grid_pinpoints)
    high, wide = canvas[0] // tile * rows, canvas[1] // tile * columns
    if width / height > wide / high:
        high -= 2 * ((high - int(round(height * (wide / width), 7))) // 2)
    else:
        wide -= 2 * ((wide - int(round(width * (high / height), 7))) // 2)
    class_token = processor.vision_feature_select_strategy != "default"
    return rows * columns + class_token + high * (wide + 1)


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
    in_videos = in_images = 0
    if videos:
        pixels = encoded.media["pixel_values_videos"]  # [n, T, 3, H, W]
        rows, columns = patches(processor, pixels)
        in_videos = pixels.shape[0] * pixels.shape[1] * (rows // POOL) * (columns // POOL)
    if images:
        pixels = encoded.media["pixel_values"]  # [n, tiles, 3, H, W]
        rows, columns = patches(processor, pixels)
        in_images = sum(
            image_features(processor, height, width, rows, columns, pixels.shape[-1])
            for height, width in encoded.media["image_sizes"].tolist()
        )
    check_feature_count(encoded.input_ids, {processor.video_token_id}, in_videos, "video")
    check_feature_count(encoded.input_ids, {processor.image_token_id}, in_images, "image")
    return encoded


def media_features(backbone: Any, media: Media) -> dict[str, Any]:
    features: dict[str, Any] = {}
    if "pixel_values" in media:
        features["image"] = backbone.get_image_features(
            media["pixel_values"], media["image_sizes"], return_dict=True
        )
    if "pixel_values_videos" in media:
        features["video"] = backbone.get_video_features(media["pixel_values_videos"], return_dict=True)
    return features


def media_token_ids(config: Any) -> frozenset[int]:
    return frozenset({config.image_token_index, config.video_token_index})


def dummy_media(config: Any) -> Media:
    """One video of one frame. Images go through the same tower; only their line end gets no gradient."""
    side = config.vision_config.image_size
    return {"pixel_values_videos": torch.zeros(1, 1, config.vision_config.num_channels, side, side)}


def merge(medias: Sequence[Media]) -> Media:
    """Concatenate over prompts. Images are padded to the most tiles; the model cuts them by `image_sizes`."""
    by_key = {"pixel_values": concatenate_padded, "pixel_values_videos": concatenate_frames}
    return {
        key: by_key[key](tensors) if key in by_key else torch.cat(tensors)
        for key, tensors in collect(medias).items()
    }


def tiny_model(*, seed: int = 0, **overrides: Any) -> Any:
    """A random `LlavaNextVideoForConditionalGeneration`. overrides: fields of its text config."""
    from transformers import LlavaNextVideoConfig, LlavaNextVideoForConditionalGeneration

    fields = text_fields(**{"vocab_size": vocab_size(TOKENS), "model_type": "llama", **overrides})
    config = LlavaNextVideoConfig(
        text_config=fields,
        vision_config=tiny_clip(),
        image_token_index=token_id(TOKENS, "<image>"),
        video_token_index=token_id(TOKENS, "<video>"),
        image_grid_pinpoints=[[56, 112], [112, 56], [112, 112]],
    )
    return initialise(LlavaNextVideoForConditionalGeneration, config, seed)


def tiny_processor() -> Any:
    """A real processor for frames of 56 x 56: four tokens a frame."""
    from transformers import LlavaNextImageProcessor, LlavaNextVideoProcessor, LlavaNextVideoVideoProcessor

    size = {"size": {"shortest_edge": 56}, "crop_size": {"height": 56, "width": 56}}
    pinpoints = [[56, 112], [112, 56], [112, 112]]
    return LlavaNextVideoProcessor(
        video_processor=LlavaNextVideoVideoProcessor(**size),
        image_processor=LlavaNextImageProcessor(**size, image_grid_pinpoints=pinpoints),
        tokenizer=tiny_tokenizer(TOKENS, adds_bos=True),
        chat_template=chat_template(video=VIDEO, image=IMAGE, bos=BOS),
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )


FAMILY = Family(
    name="llava_next_video",
    vision_tower=("vision_tower",),
    projector=("multi_modal_projector", "vision_resampler"),
    projector_parameters=("image_newline",),
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
