"""Clips, images and prompts made in code, and each family's tiny model, built once."""

from __future__ import annotations

import os

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
        """The chat-templated prompt with one placeholder per kind, "video" or "image"."""
        content: Any = words
        if kinds:
            content = [*({"type": kind} for kind in kinds), {"type": "text", "text": words}]
        messages = [{"role": "user", "content": content}]
        return self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)

    def stock_inputs(self, text: str, videos: Sequence[Clip] = (), images: Sequence[Any] = ()) -> Any:
        """What the processor gives to anyone who calls it by the book, for clips of a regular rate."""
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
        if images:
            given["images"] = list(images)
        return self.processor(text=[text], add_special_tokens=False, return_tensors="pt", **given)

    def stock_logits(
        self, text: str, videos: Sequence[Clip] = (), images: Sequence[Any] = ()
    ) -> torch.Tensor:
        with torch.no_grad():
            return self.model(**self.stock_inputs(text, videos, images)).logits

    def logits(
        self, input_ids: torch.Tensor, positions: torch.Tensor, media: Any, **options: Any
    ) -> torch.Tensor:
        """Logits of the backbone called with features and positions, as the shared prefix calls it."""
        with torch.no_grad():
            features = self.family.media_features(self.backbone, media)
            if features:
                options["mm_encoder_outputs"] = features
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
