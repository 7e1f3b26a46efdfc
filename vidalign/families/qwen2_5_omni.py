"""Qwen2.5-Omni's thinker: sound in chunks of two seconds among the frames, absolute time in the positions."""

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
    "vision_bos_token": "<|vision_bos|>",
    "vision_eos_token": "<|vision_eos|>",
    "audio_bos_token": "<|audio_bos|>",
    "audio_eos_token": "<|audio_eos|>",
    "image_token": "<|IMAGE|>",
    "video_token": "<|VIDEO|>",
    "audio_token": "<|AUDIO|>",
}
TOKENS = tuple(TOKEN_NAMES.values())
VIDEO = "<|vision_bos|><|VIDEO|><|vision_eos|>"
IMAGE = "<|vision_bos|><|IMAGE|><|vision_eos|>"
AUDIO = "<|audio_bos|><|AUDIO|><|audio_eos|>"


def sound_tokens(processor: Any, frames: int) -> int:
    """Two halvings of the spectrum's frames, the second of which drops an odd one."""
    return (frames + 1) // 2 // 2


def up_to_the_end(processor: Any, longest: int) -> dict[str, Any]:
    """Pads to just behind the longest sound. The extractor would pad to 300 s, at the cost of 300 s of spectrum:
    the frames of the sound itself come out the same."""
    extractor = processor.feature_extractor
    hops = -(-(longest + extractor.n_fft) // extractor.hop_length)
    return {"max_length": min(extractor.n_samples, hops * extractor.hop_length)}


HEARING = omni.Hearing(
    tokens=sound_tokens,
    minimum_samples=2 * 160 + 1,  # three frames
    most_samples=lambda processor: processor.feature_extractor.n_samples,
    audio_kwargs=up_to_the_end,
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
    """Encode one prompt; see `omni.encode`. Sound may last 300 s, as the checkpoints' extractor has it."""
    return omni.encode(processor, text, videos, images, max_pixels, audios, soundtracks, HEARING)


def positions(backbone: Any, input_ids: torch.Tensor, media: Media) -> torch.Tensor:
    return omni_positions(backbone, input_ids, media, dtype=torch.long, shared_border=True)


def tiny_model(*, seed: int = 0, **overrides: Any) -> Any:
    """A random `Qwen2_5OmniThinkerForConditionalGeneration`. overrides: fields of its text config."""
    from transformers import Qwen2_5OmniThinkerConfig, Qwen2_5OmniThinkerForConditionalGeneration

    fields = text_fields(**{"vocab_size": vocab_size(TOKENS), "tie_word_embeddings": False, **overrides})
    section = qwen_vl.tiny_mrope_section(fields["hidden_size"] // fields["num_attention_heads"])
    fields.setdefault(
        "rope_parameters", {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": section}
    )
    config = Qwen2_5OmniThinkerConfig(
        text_config=fields,
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 2,
            "patch_size": 14,
            "window_size": 56,
            "fullatt_block_indexes": [1],
            "out_hidden_size": fields["hidden_size"],
            "initializer_range": INITIALIZER_RANGE,
        },
        audio_config={
            "num_mel_bins": 16,
            "encoder_layers": 2,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 48,
            "d_model": 32,
            "n_window": 20,
            "max_source_positions": 64,
            "output_dim": fields["hidden_size"],
            "initializer_range": INITIALIZER_RANGE,
        },
        image_token_index=token_id(TOKENS, "<|IMAGE|>"),
        video_token_index=token_id(TOKENS, "<|VIDEO|>"),
        audio_token_index=token_id(TOKENS, "<|AUDIO|>"),
        audio_start_token_id=token_id(TOKENS, "<|audio_bos|>"),
        audio_end_token_id=token_id(TOKENS, "<|audio_eos|>"),
        vision_start_token_id=token_id(TOKENS, "<|vision_bos|>"),
        vision_end_token_id=token_id(TOKENS, "<|vision_eos|>"),
        initializer_range=INITIALIZER_RANGE,
    )
    return initialise(Qwen2_5OmniThinkerForConditionalGeneration, config, seed)


def tiny_processor() -> Any:
    """A real processor: two frames of 56 x 56 pixels give four tokens, a second of sound gives 25."""
    from transformers import (
        Qwen2_5OmniProcessor,
        Qwen2VLImageProcessor,
        Qwen2VLVideoProcessor,
        WhisperFeatureExtractor,
    )

    size = {"shortest_edge": 28 * 28, "longest_edge": 84 * 84}
    return Qwen2_5OmniProcessor(
        image_processor=Qwen2VLImageProcessor(size=size),
        video_processor=Qwen2VLVideoProcessor(size=size),
        feature_extractor=WhisperFeatureExtractor(feature_size=16, chunk_length=300),
        # The processor's class has a size of its own for videos. What outranks it and is saved is the tokenizer's.
        tokenizer=tiny_tokenizer(TOKENS, names=TOKEN_NAMES, size=size),
        chat_template=chat_template(video=VIDEO, image=IMAGE, audio=AUDIO),
    )


FAMILY = Family(
    name="qwen2_5_omni_thinker",
    vision_tower=("visual",),
    audio_tower=("audio_tower",),
    audio_rate=16_000,
    projector=("visual.merger", "audio_tower.proj"),
    projections={"image": ("visual.merger",), "video": ("visual.merger",), "audio": ("audio_tower.proj",)},
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
