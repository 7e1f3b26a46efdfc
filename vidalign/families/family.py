"""What the rest of the package may know of a model family: one record of paths and functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

Media = dict[str, torch.Tensor]
"""The processor's tensors for the media of ONE prompt, e.g. `pixel_values_videos`. Empty for text."""


@dataclass
class EncodedPrompt:
    """A prompt as the model reads it.

    input_ids: token ids, media placeholders already expanded to one token per feature. No padding.
    media: tensors of its media; each has one leading dimension that `Family.merge` concatenates over prompts.
    """

    input_ids: list[int]
    media: Media = field(default_factory=dict)


class DecodedVideo(Protocol):
    """The part of `vidalign.video.Video` that a family reads.

    frames: uint8 [T, H, W, 3].
    timestamps: [T], seconds, growing. The times of the frames are taken from these.
    duration: seconds.
    fps: frames per second of the clip. Read only where a single frame leaves the rate open.
    """

    @property
    def frames(self) -> Any: ...

    @property
    def timestamps(self) -> Any: ...

    @property
    def duration(self) -> float: ...

    @property
    def fps(self) -> float: ...


def _as_encoder_outputs(backbone: Any, input_ids: torch.Tensor, features: dict[str, Any]) -> dict[str, Any]:
    return {"mm_encoder_outputs": features}


@dataclass(frozen=True)
class Family:
    """One model family of transformers. Dotted paths start at the backbone, `model.base_model` (before PEFT).

    name: the config's `model_type`.
    vision_tower, projector, language_model: module paths (several where a family has several towers). A
        projector may lie inside the tower; freezing the tower alone leaves it trainable. A path of "" is the
        backbone itself.
    projector_parameters: bare parameters of the backbone that belong to the projector, e.g. a learned line
        break.
    audio_tower: module paths, empty for a family that does not hear.
    audio_rate: samples per second that it hears; None for one that does not.
    encode: (processor, text with placeholders, videos, images, *, max_pixels) -> EncodedPrompt. `max_pixels` caps a
        frame: one number, or one for each video. Families that hear
        also take `audios`, mono float32 samples at `audio_rate` for each audio placeholder of the text, and
        `soundtracks`: () for videos without their sound, or for each video its samples (None: it has none), which
        are interleaved with its frames by time.
    video_token_span: (processor) -> (frames, side in pixels) of the block of video that becomes one token, for families
        that take frames of any size; None where the processor makes a square of each, with a fixed number of tokens.
    media_features: (backbone, merged media) -> what the towers give, by medium ("video", "image", "audio"), with
        gradients when grad mode is on. Runs towers and projectors once.
    projections: by medium, the modules between the tower's last hidden states and a feature, in their order; empty
        where what is done between cannot be told apart. deepstack_projections: a list of modules likewise.
    backbone_inputs: (backbone, input_ids [1, N], features) -> the arguments by which the backbone's forward takes
        those features.
    positions: (backbone, input_ids [1, P], media of this prompt) -> position ids [3, 1, P] (mRoPE) or [1, P].
    media_token_ids: (config) -> ids that stand for features, and so may neither be generated nor cut off.
    dummy_media: (config) -> the smallest media that runs every tower, for a rank whose batch has none.
    video_placeholder, image_placeholder, audio_placeholder: (processor) -> what a plain-string prompt writes for
        one video, image or audio.
    tiny_model, tiny_processor: random-initialised real classes, built in code, for tests and self-checks.
    """

    name: str
    vision_tower: tuple[str, ...]
    projector: tuple[str, ...]
    language_model: str
    encode: Callable[..., EncodedPrompt]
    media_features: Callable[[Any, Media], dict[str, Any]]
    positions: Callable[[Any, torch.Tensor, Media], torch.Tensor]
    media_token_ids: Callable[[Any], frozenset[int]]
    dummy_media: Callable[[Any], Media]
    video_placeholder: Callable[[Any], str]
    image_placeholder: Callable[[Any], str]
    tiny_model: Callable[..., Any]
    tiny_processor: Callable[[], Any]
    merge: Callable[[Sequence[Media]], Media]
    video_token_span: Callable[[Any], tuple[int, int]] | None = None
    projector_parameters: tuple[str, ...] = ()
    projections: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    deepstack_projections: str = ""
    audio_tower: tuple[str, ...] = ()
    audio_rate: int | None = None
    backbone_inputs: Callable[[Any, torch.Tensor, dict[str, Any]], dict[str, Any]] = _as_encoder_outputs
    audio_placeholder: Callable[[Any], str] = lambda processor: ""
