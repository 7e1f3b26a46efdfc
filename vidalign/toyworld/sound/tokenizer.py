"""A word-level tokenizer for the toy world with sound, with Qwen2.5-Omni's special tokens."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedTokenizerFast

from vidalign.toyworld import tokenizer as words
from vidalign.toyworld.sound.captions import vocabulary

AUDIO_START, AUDIO_END, AUDIO = "<|audio_bos|>", "<|audio_eos|>", "<|AUDIO|>"
VISION_START, VISION_END, IMAGE, VIDEO = "<|vision_bos|>", "<|vision_eos|>", "<|IMAGE|>", "<|VIDEO|>"

CHAT_TEMPLATE = words.chat_template(
    video=f"{VISION_START}{VIDEO}{VISION_END}",
    image=f"{VISION_START}{IMAGE}{VISION_END}",
    audio=f"{AUDIO_START}{AUDIO}{AUDIO_END}",
)


def build_tokenizer(**options: Any) -> PreTrainedTokenizerFast:
    """About 55 tokens. Decoding a caption's ids gives the caption back.

    options: further ones, which are saved with it. Its processor takes `size`, of videos' frames, from here before all else.
    """
    named = {
        "image_token": IMAGE,
        "audio_token": AUDIO,
        "video_token": VIDEO,
        "vision_bos_token": VISION_START,
        "vision_eos_token": VISION_END,
        "audio_bos_token": AUDIO_START,
        "audio_eos_token": AUDIO_END,
    }
    return words.word_tokenizer(vocabulary(), named, CHAT_TEMPLATE, **options)
