"""The vision towers' output for the media of a batch, computed once for every model that would compute the same."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from vidalign.families.family import Family, Media


class MediaEncoder:
    """Runs tower and projector, and keeps a frozen tower's last output for the next model that asks.

    The policy and its reference see the same tensors one after the other. If tower and projector are frozen and the
    same in both, the second forward takes the first one's features. Nothing is kept for a tower that learns, that
    carries adapters, or whose weights are sharded.
    """

    def __init__(self, family: Family) -> None:
        self.family = family
        self.runs = 0
        """How often the towers ran: what a test, or a curious user, compares with the number of forwards."""
        self._inputs: list[torch.Tensor] = []
        self._features: dict[str, Any] | None = None
        self._owner: weakref.ref[nn.Module] | None = None
        self._same: weakref.WeakKeyDictionary[nn.Module, bool] = weakref.WeakKeyDictionary()

    def __call__(self, backbone: Any, media: Sequence[Media]) -> dict[str, Any] | None:
        """Features of the media of all groups, in order; None when there are none.

        Args:
            backbone: the model below the LM head.
            media: one dictionary per group, empty for a group of text.

        Returns:
            What the backbone's forward takes as `mm_encoder_outputs`.
        """
        tensors = [tensor for group in media for tensor in group.values()]
        if not tensors:
            return None
        frozen = self._is_frozen(backbone)
        # A reference is frozen by running without gradients, whatever its parameters say.
        if (frozen or not torch.is_grad_enabled()) and self._holds(backbone, tensors):
            assert self._features is not None
            return dict(self._features)
        self.runs += 1
        merged = self.family.merge([group for group in media if group])
        if not frozen:
            self.clear()
            return self.family.media_features(backbone, merged)
        with torch.no_grad():
            features = self.family.media_features(backbone, merged)
        self._inputs, self._features, self._owner = tensors, features, weakref.ref(backbone)
        return dict(features)

    def clear(self) -> None:
        """Lets go of the kept features."""
        self._inputs, self._features, self._owner = [], None, None

    def _holds(self, backbone: nn.Module, tensors: list[torch.Tensor]) -> bool:
        if self._features is None or len(tensors) != len(self._inputs):
            return False
        # The kept list holds its tensors alive, so identity cannot be fooled by a reused address.
        if any(a is not b for a, b in zip(tensors, self._inputs, strict=True)):
            return False
        owner = self._owner() if self._owner is not None else None
        if owner is None or owner is backbone:
            return owner is not None
        if backbone not in self._same:
            self._same[backbone] = self._is_plain(backbone) and self._same_weights(owner, backbone)
        return self._same[backbone]

    def _modules(self, backbone: nn.Module) -> list[nn.Module]:
        return [backbone.get_submodule(path) for path in (*self.family.vision_tower, *self.family.projector)]

    def _weights(self, backbone: nn.Module) -> list[nn.Parameter]:
        bare = [backbone.get_parameter(path) for path in self.family.projector_parameters]
        return [*bare, *(weight for module in self._modules(backbone) for weight in module.parameters())]

    def _is_frozen(self, backbone: nn.Module) -> bool:
        return not any(weight.requires_grad for weight in self._weights(backbone)) and self._is_plain(
            backbone
        )

    def _is_plain(self, backbone: nn.Module) -> bool:
        """Whole weights (neither ZeRO-3 nor FSDP shards) and no adapters."""
        sharded = any(
            hasattr(weight, "ds_id") or hasattr(weight, "placements") for weight in self._weights(backbone)
        )
        adapted = any(
            hasattr(part, "base_layer") for module in self._modules(backbone) for part in module.modules()
        )
        return not sharded and not adapted

    def _same_weights(self, one: nn.Module, other: nn.Module) -> bool:
        pairs = zip(self._weights(one), self._weights(other), strict=True)
        return all(
            a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b.to(a.device)) for a, b in pairs
        )
