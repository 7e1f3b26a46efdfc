"""Qwen3-Omni's thinker: sound among the frames token by token, fractions of time in the positions, experts.

Its audio tower pads the windows of a batch to the longest (one second, if any sound lasts as long) without masking
what its convolutions make of the padding. So the last features of a sound below one second depend, in the third
digit, on whether a longer one stands beside it. All other sounds are the same in any batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from vidalign.families import omni, qwen_vl
from vidalign.families.family import DecodedVideo, EncodedPrompt, Family, Media
from vidalign.families.omni_positions import omni_positions
from vidalign.families.tiny_tokenizer import chat_template, tiny_tokenizer, token_id, vocab_size
from vidalign.families.tiny_weights import INITIALIZER_RANGE, initialise, text_fields

TOKEN_NAMES = {
    "vision_bos_token": "<|vision_start|>",
    "vision_eos_token": "<|vision_end|>",
    "audio_bos_token": "<|audio_start|>",
    "audio_eos_token": "<|audio_end|>",
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "audio_token": "<|audio_pad|>",
}
TOKENS = tuple(TOKEN_NAMES.values())
VIDEO = "<|vision_start|><|video_pad|><|vision_end|>"
IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
AUDIO = "<|audio_start|><|audio_pad|><|audio_end|>"


def sound_tokens(processor: Any, frames: int) -> int:
    """Three halvings, rounded up, of each window of the spectrum's frames."""
    whole, rest = divmod(frames, window := 2 * processor.n_window)
    return whole * -(-window // 8) + -(-rest // 8)


HEARING = omni.Hearing(
    tokens=sound_tokens,
    minimum_samples=201,  # half a Fourier window and one more, by which the spectrum is mirrored at its ends
)


def encode(
    processor: Any,
    text: str,
    videos: Sequence[DecodedVideo] = (),
    images: Sequence[Any] = (),
    *,
    max_pixels: int | Sequence[int] | None = None,
    audios: Sequence[Any] = (),
    soundtracks: Sequence[Any] = (),
) -> EncodedPrompt:
    """Encode one prompt; see `omni.encode`. Sound of any length is taken whole."""
    return omni.encode(processor, text, videos, images, max_pixels, audios, soundtracks, HEARING)


def positions(backbone: Any, input_ids: torch.Tensor, media: Media) -> torch.Tensor:
    return omni_positions(backbone, input_ids, media, dtype=torch.float, shared_border=False)


def tiny_model(*, seed: int = 0, **overrides: Any) -> Any:
    """A random `Qwen3OmniMoeThinkerForConditionalGeneration` with four experts a layer, two of them for a token.

    overrides: fields of its text config.
    """
    from transformers import Qwen3OmniMoeThinkerConfig, Qwen3OmniMoeThinkerForConditionalGeneration

    fields = text_fields(
        **{
            "vocab_size": vocab_size(TOKENS),
            "moe_intermediate_size": 48,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "tie_word_embeddings": False,
            **overrides,
        }
    )
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
    config = Qwen3OmniMoeThinkerConfig(
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
        audio_config={
            "num_mel_bins": 16,
            "encoder_layers": 2,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 48,
            "d_model": 32,
            "n_window": 50,  # the real one: the class counts 13 tokens a window, whatever its length
            "n_window_infer": 100,
            "downsample_hidden_size": 8,
            "max_source_positions": 64,
            "output_dim": fields["hidden_size"],
            "initializer_range": 4
            * INITIALIZER_RANGE,  # or three convolutions would leave nothing of the sound
        },
        image_token_id=token_id(TOKENS, "<|image_pad|>"),
        video_token_id=token_id(TOKENS, "<|video_pad|>"),
        audio_token_id=token_id(TOKENS, "<|audio_pad|>"),
        audio_start_token_id=token_id(TOKENS, "<|audio_start|>"),
        audio_end_token_id=token_id(TOKENS, "<|audio_end|>"),
        vision_start_token_id=token_id(TOKENS, "<|vision_start|>"),
        vision_end_token_id=token_id(TOKENS, "<|vision_end|>"),
        position_id_per_seconds=13,
        initializer_range=INITIALIZER_RANGE,
    )
    return initialise(Qwen3OmniMoeThinkerForConditionalGeneration, config, seed)


def tiny_processor() -> Any:
    """A real processor: two frames of 56 x 56 pixels give four tokens, a second of sound gives 13."""
    from transformers import (
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
        Qwen3OmniMoeProcessor,
        WhisperFeatureExtractor,
    )

    size = {"shortest_edge": 28 * 28, "longest_edge": 84 * 84}
    return Qwen3OmniMoeProcessor(
        image_processor=Qwen2VLImageProcessor(size=size),
        video_processor=Qwen2VLVideoProcessor(size=size),
        feature_extractor=WhisperFeatureExtractor(feature_size=16, chunk_length=300),
        # The processor's class has a size of its own for videos. What outranks it and is saved is the tokenizer's.
        tokenizer=tiny_tokenizer(TOKENS, names=TOKEN_NAMES, size=size),
        chat_template=chat_template(video=VIDEO, image=IMAGE, audio=AUDIO),
    )


FAMILY = Family(
    name="qwen3_omni_moe_thinker",
    vision_tower=("visual",),
    audio_tower=("audio_tower",),
    audio_rate=16_000,
    projector=("visual.merger", "visual.merger_list", "audio_tower.proj1", "audio_tower.proj2"),
    projections={
        "image": ("visual.merger",),
        "video": ("visual.merger",),
        "audio": ("audio_tower.proj1", "audio_tower.act", "audio_tower.proj2"),
    },
    deepstack_projections="visual.merger_list",
    language_model="language_model",
    encode=encode,
    video_token_span=qwen_vl.video_token_span,
    media_features=omni.media_features,
    backbone_inputs=omni.backbone_inputs,
    positions=positions,
    media_token_ids=omni.media_token_ids,
    dummy_media=omni.dummy_media,
    video_placeholder=lambda processor: VIDEO,
    image_placeholder=lambda processor: IMAGE,
    audio_placeholder=lambda processor: AUDIO,
    tiny_model=tiny_model,
    tiny_processor=tiny_processor,
    merge=omni.merge,
)
