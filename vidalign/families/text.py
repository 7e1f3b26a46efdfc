"""Language models without media: Llama, Mistral, Qwen2, Qwen3."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vidalign.families.family import DecodedVideo, EncodedPrompt, Family, Media
from vidalign.families.frames import arange_positions
from vidalign.families.merge import concatenate
from vidalign.families.placeholders import PlaceholderError
from vidalign.families.tiny_tokenizer import BOS, chat_template, tiny_tokenizer, vocab_size
from vidalign.families.tiny_weights import initialise, text_fields

MODEL_TYPES = ("llama", "mistral", "qwen2", "qwen3")


def encode(
    processor: Any,
    text: str,
    videos: Sequence[DecodedVideo] = (),
    images: Sequence[Any] = (),
    *,
    max_pixels: int | Sequence[int] | None = None,
) -> EncodedPrompt:
    """Encode one prompt. processor: a tokenizer."""
    if videos or images:
        raise PlaceholderError(
            f"The prompt has {len(videos)} video(s) and {len(images)} image(s), but this model reads text "
            "only. Use a video model, or remove the media."
        )
    return EncodedPrompt(input_ids=processor(text, add_special_tokens=False, truncation=False)["input_ids"])


def no_features(backbone: Any, media: Media) -> dict[str, Any]:
    return {}


def no_tokens(config: Any) -> frozenset[int]:
    return frozenset()


def no_media(config: Any) -> Media:
    return {}


def no_placeholder(processor: Any) -> str:
    return ""


def tiny_model_of(model_type: str) -> Callable[..., Any]:
    def tiny_model(*, seed: int = 0, **overrides: Any) -> Any:
        """A random `...ForCausalLM`. overrides: fields of its config."""
        from transformers import AutoConfig, AutoModelForCausalLM

        fields = text_fields(**{"vocab_size": vocab_size(), "tie_word_embeddings": False, **overrides})
        if model_type == "qwen3":
            fields.setdefault("head_dim", fields["hidden_size"] // fields["num_attention_heads"])
        if model_type == "mistral":
            fields.setdefault("sliding_window", None)  # as from v0.2 on; v0.1 has a window of 4,096 tokens
        return initialise(AutoModelForCausalLM.from_config, AutoConfig.for_model(model_type, **fields), seed)

    return tiny_model


def tiny_tokenizer_of(model_type: str) -> Callable[[], Any]:
    def tiny_processor() -> Any:
        """A tokenizer with one token per byte."""
        adds_bos = model_type in ("llama", "mistral")
        tokenizer = tiny_tokenizer(adds_bos=adds_bos)
        tokenizer.chat_template = chat_template(bos=BOS if adds_bos else "")
        return tokenizer

    return tiny_processor


FAMILIES = tuple(
    Family(
        name=model_type,
        vision_tower=(),
        projector=(),
        language_model="",
        encode=encode,
        media_features=no_features,
        positions=arange_positions,
        media_token_ids=no_tokens,
        dummy_media=no_media,
        video_placeholder=no_placeholder,
        image_placeholder=no_placeholder,
        tiny_model=tiny_model_of(model_type),
        tiny_processor=tiny_tokenizer_of(model_type),
        merge=concatenate,
    )
    for model_type in MODEL_TYPES
)
