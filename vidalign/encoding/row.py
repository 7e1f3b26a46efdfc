"""What a row becomes: what its processor is given, and what the model reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from vidalign.families.family import EncodedPrompt
from vidalign.video import Video


@dataclass
class DecodedPrompt:
    """What the processor is given for a prompt.

    text: the prompt with one placeholder for each medium.
    videos: their frames, at their final size where `max_pixels` is set.
    soundtracks: float32 [N] at `Family.audio_rate` for each video, or none at all without their sound.
    audios: float32 [N] for each audio placeholder.
    images: PIL images in RGB, or the arrays that the row holds.
    max_pixels: most pixels of a frame of each video; None for the processor's own.
    text_ids: the text's tokens, with the tokenizer's own (BOS) where the row gets them, placeholders not expanded.
    """

    text: str
    videos: list[Video]
    soundtracks: list[np.ndarray]
    audios: list[np.ndarray]
    images: list[Any]
    max_pixels: tuple[int, ...] | None
    text_ids: list[int] = field(default_factory=list)


@dataclass
class EncodedRow:
    """prompt: its ids and media. completions: token ids by column. key: equal for rows with the same prompt and media.
    media_key: equal for rows with the same media, "" without any. decoded: what the processor was given, where the encoder
    keeps it. assistant: where asked for, 1 for each token of prompt and completion that the assistant wrote."""

    prompt: EncodedPrompt
    completions: dict[str, list[int]]
    key: str
    media_key: str
    decoded: DecodedPrompt | None = None
    assistant: list[int] | None = None
