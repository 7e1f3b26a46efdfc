"""Qwen3-VL: time is written as text before each pair of frames, and deeper features join several layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vidalign.families import qwen_vl
from vidalign.families.family import DecodedVideo, EncodedPrompt, Family
from vidalign.families.merge import concatenate
from vidalign.families.mrope import mrope_positions
from vidalign.families.sampled_clip import checked_times, sampled_metadata
from vidalign.families.tiny_tokenizer import chat_template, tiny_tokenizer, token_id, vocab_size
from vidalign.families.tiny_weights import INITIALIZER_RANGE, initialise, text_fields


@dataclass(frozen=True)
class PaddedClip:
    """The frames of a clip of one frame, repeated: the processor refuses fewer than a temporal patch."""

    frames: Any
    timestamps: Any
    duration: float
    fps: float


def padded(video: DecodedVideo, minimum: int) -> DecodedVideo:
    if (missing := minimum - len(video.frames)) <= 0:
        return video
    frames = np.concatenate([video.frames, np.repeat(video.frames[-1:], missing, axis=0)])
    return PaddedClip(frames, video.timestamps, video.duration, video.fps)


def timed_metadata(video: DecodedVideo) -> Any:
    """Metadata from which the processor reads exactly `video.timestamps`, whatever their spacing.

    It takes index / fps for the time of a frame, so with fps = 1 the indices are seconds. Nothing else reads
    them: the frames are sampled already.
    """
    metadata = sampled_metadata(video)
    metadata.fps = 1.0
    metadata.frames_indices = checked_times(video)
    return metadata


def capped_sides(
    video_processor: Any, frames: int, height: int, width: int, max_pixels: int
) -> tuple[int, int]:
    """(height, width) of the frames. Here the processor's `size` counts the pixels of all frames together.

    The processor's own total stays in force: a cap per frame must not let a long clip grow beyond it.
    """
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import smart_resize

    factor, patch = qwen_vl.token_pixels(video_processor), video_processor.temporal_patch_size
    # The processor counts frames rounded to patches (half to even), but scales by the true number: the
    # smaller of the two keeps each frame within the cap.
    counted = min(frames, round(frames / patch) * patch)
    longest = min(video_processor.size["longest_edge"], max_pixels * counted)
    shortest = min(video_processor.size["shortest_edge"], longest)
    for minimum in (shortest, 1):
        sides = smart_resize(frames, height, width, patch, factor, min_pixels=minimum, max_pixels=longest)
        if (
            sides[0] * sides[1] <= max_pixels
        ):  # small frames are enlarged to `shortest`, and rounded up beyond it
            break
    return sides


def encode(
    processor: Any,
    text: str,
    videos: Sequence[DecodedVideo] = (),
    images: Sequence[Any] = (),
    *,
    max_pixels: int | Sequence[int] | None = None,
) -> EncodedPrompt:
    """Encode one prompt. The times written into it, `<1.5 seconds>`, are means over temporal patches of the
    true timestamps, to 0.1 s. A window of a longer video keeps the times of that video."""
    metadata = [timed_metadata(video) for video in videos]
    clips = [padded(video, processor.video_processor.temporal_patch_size) for video in videos]
    return qwen_vl.encode_grids(processor, text, clips, images, metadata, max_pixels, capped_sides)


def tiny_model(*, seed: int = 0, **overrides: Any) -> Any:
    """A random `Qwen3VLForConditionalGeneration`. overrides: fields of its text config."""
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    fields = text_fields(**{"vocab_size": vocab_size(qwen_vl.TOKENS), **overrides})
    fields.setdefault("head_dim", fields["hidden_size"] // fields["num_attention_heads"])
    half = fields["head_dim"] // 2
    fields.setdefault(
        "rope_parameters",
        {
            "rope_type": "default",
            "rope_theta": 10_000.0,
            "mrope_section": [half - 2 * (half // 4), half // 4, half // 4],
            "mrope_interleaved": True,
        },
    )
    config = Qwen3VLConfig(
        text_config=fields,
        vision_config={
            "depth": 3,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 2,
            "patch_size": 14,
            "num_position_embeddings": 36,
            "deepstack_visual_indexes": [0, 1],
            "out_hidden_size": fields["hidden_size"],
            "initializer_range": INITIALIZER_RANGE,
        },
        image_token_id=token_id(qwen_vl.TOKENS, "<|image_pad|>"),
        video_token_id=token_id(qwen_vl.TOKENS, "<|video_pad|>"),
        vision_start_token_id=token_id(qwen_vl.TOKENS, "<|vision_start|>"),
        vision_end_token_id=token_id(qwen_vl.TOKENS, "<|vision_end|>"),
    )
    return initialise(Qwen3VLForConditionalGeneration, config, seed)


def tiny_processor() -> Any:
    """A real processor: two frames of 56 x 56 pixels give four tokens, and their time as text."""
    from transformers import Qwen2VLImageProcessor, Qwen3VLProcessor, Qwen3VLVideoProcessor

    size = {"shortest_edge": 28 * 28, "longest_edge": 84 * 84}
    total = {"shortest_edge": 28 * 28, "longest_edge": 16 * 84 * 84}
    return Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(size=size, patch_size=14),
        tokenizer=tiny_tokenizer(qwen_vl.TOKENS),
        video_processor=Qwen3VLVideoProcessor(size=total, patch_size=14),
        chat_template=chat_template(video=qwen_vl.VIDEO, image=qwen_vl.IMAGE),
    )


FAMILY = Family(
    name="qwen3_vl",
    vision_tower=("visual",),
    projector=("visual.merger", "visual.deepstack_merger_list"),
    projections={"image": ("visual.merger",), "video": ("visual.merger",)},
    deepstack_projections="visual.deepstack_merger_list",
    language_model="language_model",
    encode=encode,
    video_token_span=qwen_vl.video_token_span,
    media_features=qwen_vl.media_features,
    positions=mrope_positions,
    media_token_ids=qwen_vl.media_token_ids,
    dummy_media=qwen_vl.dummy_media,
    video_placeholder=lambda processor: qwen_vl.VIDEO,
    image_placeholder=lambda processor: qwen_vl.IMAGE,
    tiny_model=tiny_model,
    tiny_processor=tiny_processor,
    merge=concatenate,
)
