"""Clips, images and prompts made in code, and each family's tiny model, built once."""

from __future__ import annotations

import os
import re

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vidalign.families import FAMILIES

VIDEO_FAMILIES = [name for name, family in FAMILIES.items() if family.vision_tower]
HEARING_FAMILIES = [name for name, family in FAMILIES.items() if family.audio_tower]


@dataclass
class Clip:
    frames: np.ndarray
    timestamps: np.ndarray
    duration: float
    fps: float


@dataclass
class Built:
    """A family with its tiny model and processor. Tests must leave the weights alone."""

    family: Any
    model: Any
    processor: Any

    @property
    def backbone(self) -> Any:
        return self.model.base_model

    def prompt(self, *kinds: str, words: str = "What happens?") -> str:
        """The chat-templated prompt with one placeholder per kind: "video", "image" or "audio"."""
        content: Any = words
        if kinds:
            content = [*({"type": kind} for kind in kinds), {"type": "text", "text": words}]
        messages = [{"role": "user", "content": content}]
        return self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)

    def stock_inputs(
        self,
        text: str,
        videos: Sequence[Clip] = (),
        images: Sequence[Any] = (),
        audios: Sequence[Any] = (),
        soundtracks: Sequence[Any] = (),
    ) -> Any:
        """What the processor gives to anyone who calls it by the book, for clips of one regular rate."""
        given: dict[str, Any] = {}
        if videos:
            given["videos"] = [clip.frames for clip in videos]
            given["video_metadata"] = [
                {
                    "total_num_frames": len(clip.frames),
                    "fps": clip.fps,
                    "frames_indices": list(range(len(clip.frames))),
                }
                for clip in videos
            ]
            given["do_sample_frames"] = False
            if self.family.audio_tower:
                given["fps"] = videos[0].fps
        if images:
            given["images"] = list(images)
        if audios or any(sound is not None for sound in soundtracks):
            given |= self.stock_sounds(text, audios, soundtracks)
        return self.processor(text=[text], add_special_tokens=False, return_tensors="pt", **given)

    def stock_sounds(self, text: str, audios: Sequence[Any], soundtracks: Sequence[Any]) -> dict[str, Any]:
        """One slot for each sound, in the order of the text: standalone, or that of a video."""
        names = {self.processor.audio_token: "audio", self.processor.video_token: "video"}
        standalone, tracks = iter(audios), iter(enumerate(soundtracks))
        slots: list[tuple[int | None, Any]] = []
        for found in re.findall("|".join(map(re.escape, names)), text):
            if names[found] == "audio":
                slots.append((None, next(standalone)))
            elif (entry := next(tracks, (0, None)))[1] is not None:
                slots.append(entry)
        given: dict[str, Any] = {"audio": [sound for _, sound in slots]}
        if any(sound is not None for sound in soundtracks):
            given["load_audio_from_video"] = True
            given["audio_from_video_indices"] = [number for number, _ in slots]
        return given

    def stock_logits(
        self,
        text: str,
        videos: Sequence[Clip] = (),
        images: Sequence[Any] = (),
        audios: Sequence[Any] = (),
        soundtracks: Sequence[Any] = (),
    ) -> torch.Tensor:
        inputs = self.stock_inputs(text, videos, images, audios, soundtracks)
        if any(sound is not None for sound in soundtracks):
            inputs["use_audio_in_video"] = True
        with torch.no_grad():
            return self.model(**inputs).logits

    def logits(
        self, input_ids: torch.Tensor, positions: torch.Tensor, media: Any, **options: Any
    ) -> torch.Tensor:
        """Logits of the backbone called with features and positions, as the shared prefix calls it."""
        with torch.no_grad():
            features = self.family.media_features(self.backbone, media)
            if features:
                options |= self.family.backbone_inputs(self.backbone, input_ids, features)
            output = self.backbone(input_ids=input_ids, position_ids=positions, use_cache=False, **options)
            return self.model.get_output_embeddings()(output[0])

    def encoded_logits(self, encoded: Any) -> torch.Tensor:
        ids = torch.tensor([encoded.input_ids])
        return self.logits(ids, self.family.positions(self.backbone, ids, encoded.media), encoded.media)


@pytest.fixture(autouse=True)
def one_thread():
    """Tensors this small are slower on several threads, by far where cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


_built: dict[str, Built] = {}


def build(name: str) -> Built:
    if name not in _built:
        family = FAMILIES[name]
        _built[name] = Built(family, family.tiny_model(), family.tiny_processor())
    return _built[name]


@pytest.fixture(params=list(FAMILIES))
def built(request: pytest.FixtureRequest) -> Built:
    """Every family."""
    return build(request.param)


@pytest.fixture(params=VIDEO_FAMILIES)
def video_built(request: pytest.FixtureRequest) -> Built:
    """Every family that takes videos."""
    return build(request.param)


@pytest.fixture(params=HEARING_FAMILIES)
def hearing(request: pytest.FixtureRequest) -> Built:
    """Every family that hears."""
    return build(request.param)


@pytest.fixture
def family_named() -> Callable[[str], Built]:
    return build


@pytest.fixture
def clip() -> Callable[..., Clip]:
    def make(
        frames: int = 5,
        height: int = 60,
        width: int = 84,
        *,
        times: Sequence[float] | None = None,
        fps: float = 2.0,
        seed: int = 0,
    ) -> Clip:
        pixels = np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
        stamps = np.arange(frames) / fps if times is None else np.asarray(times, dtype=np.float64)
        return Clip(pixels, stamps, duration=float(stamps[-1]) + 1 / fps, fps=fps)

    return make


@pytest.fixture
def image() -> Callable[..., Image.Image]:
    def make(height: int = 70, width: int = 120, seed: int = 0) -> Image.Image:
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        return Image.fromarray(pixels)

    return make


@pytest.fixture
def sound() -> Callable[..., np.ndarray]:
    def make(seconds: float = 1.0, seed: int = 0) -> np.ndarray:
        """Noise whose loudness rises and falls, at 16 kHz."""
        times = np.arange(int(seconds * 16_000)) / 16_000
        noise = np.random.default_rng(seed).normal(size=len(times))
        return (0.1 * noise * (1.1 + np.sin(5 * times))).astype(np.float32)

    return make
