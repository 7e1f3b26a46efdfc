"""Towers that have nothing to do on one process, and must run because others wait for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from vidalign.families.family import Family

HEARD = frozenset({"input_features", "feature_attention_mask"})
"""Media that audio towers take; all others are for vision towers."""


def idle_towers(family: Family, backbone: Any, features: dict[str, Any]) -> torch.Tensor | None:
    """A zero that depends on the parameters of every tower that gave none of `features`: added to the loss, it makes the
    tower's collectives run. None if all towers have run."""
    if not family.vision_tower:
        return None
    seeing = not {"image", "video"} & set(features)
    hearing = bool(family.audio_tower) and "audio" not in features
    if not (seeing or hearing):
        return None
    device = next(backbone.parameters()).device
    dummy = {
        name: tensor.to(device)
        for name, tensor in family.dummy_media(backbone.config).items()
        if (
            hearing if name in HEARD else seeing
        )  # a tower that has run must not run again: others would wait for it
    }
    idle = family.media_features(backbone, dummy)
    total = sum(tensor.float().sum() for tensor in _tensors(idle))
    return torch.as_tensor(total, device=device).nan_to_num() * 0


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
