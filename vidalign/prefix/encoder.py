"""The towers' output for the media of a batch, computed once for every model that would compute the same."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from vidalign.families.family import Family, Media
from vidalign.prefix.features import join, stripped


class MediaEncoder:
    """Runs towers and projectors, and keeps the output of frozen ones for the next model that asks.

    A policy and its reference see the same tensors, and GRPO's generation, its scorings and its training steps see
    them again and again. If towers and projectors are frozen and the same in both, later forwards take the first one's
    features, which live as long as the media tensors they were computed from. Nothing is kept for a tower that learns,
    that carries adapters, or whose weights are sharded.
    """

    def __init__(self, family: Family) -> None:
        self.family = family
        self.runs = 0
        """How often the towers ran: what a test, or a curious user, compares with the number of forwards."""
        self._kept: dict[tuple[int, ...], _Kept] = {}
        self._same: weakref.WeakKeyDictionary[nn.Module, weakref.WeakKeyDictionary[nn.Module, bool]] = (
            weakref.WeakKeyDictionary()
        )

    def __call__(self, backbone: Any, media: Sequence[Media]) -> dict[str, Any] | None:
        """Features of the media of all groups, in order; None when there are none.

        Args:
            backbone: the model below the LM head.
            media: one dictionary per group, empty for a group of text. They may lie on another device.

        Returns:
            What `Family.backbone_inputs` takes.
        """
        present = [group for group in media if group]
        if not present:
            return None
        frozen = self._is_frozen(backbone)
        # A reference is frozen by running without gradients, whatever its parameters say.
        if frozen or not torch.is_grad_enabled():
            found = self._find(backbone, present)
            if found is not None:
                return found
        if not frozen:
            return self._run(backbone, present)
        with torch.no_grad():
            features = stripped(self._run(backbone, present))
        self._keep(backbone, present, features)
        return dict(features)

    def each(self, backbone: Any, media: Sequence[Media]) -> list[dict[str, Any] | None]:
        """Features of each group by itself, so that any selection of the groups finds them again."""
        return [self(backbone, [group]) for group in media]

    def clear(self) -> None:
        """Lets go of the kept features."""
        self._kept = {}

    def _run(self, backbone: Any, media: list[Media]) -> dict[str, Any]:
        self.runs += 1
        merged = self.family.merge(media)
        device = next(iter(backbone.parameters())).device
        return self.family.media_features(
            backbone, {name: tensor.to(device) for name, tensor in merged.items()}
        )

    def _keep(self, backbone: nn.Module, media: list[Media], features: dict[str, Any]) -> None:
        tensors = list(_tensors(media))
        key = tuple(map(id, tensors))
        kept = self._kept
        # Features die with any of their media; a dead entry could not be asked for again.
        refs = [weakref.ref(tensor, lambda _: kept.pop(key, None)) for tensor in tensors]
        kept[key] = _Kept(refs, features, weakref.ref(backbone))

    def _find(self, backbone: nn.Module, media: list[Media]) -> dict[str, Any] | None:
        """The kept features of this very selection, or of each of its groups."""
        whole = self._look_up(backbone, media)
        if whole is not None or len(media) == 1:
            return whole
        parts = []
        for group in media:
            part = self._look_up(backbone, [group])
            if part is None:
                return None
            parts.append(part)
        return join(parts)

    def _look_up(self, backbone: nn.Module, media: list[Media]) -> dict[str, Any] | None:
        tensors = list(_tensors(media))
        entry = self._kept.get(tuple(map(id, tensors)))
        # An id may be that of a new tensor in a dead one's place; a reference cannot.
        if entry is None or any(ref() is not tensor for ref, tensor in zip(entry.refs, tensors, strict=True)):
            return None
        owner = entry.owner()
        if owner is None or not (owner is backbone or self._agree(owner, backbone)):
            return None
        return dict(entry.features)

    def _agree(self, owner: nn.Module, backbone: nn.Module) -> bool:
        known = self._same.setdefault(owner, weakref.WeakKeyDictionary())
        if backbone not in known:
            known[backbone] = self._is_plain(backbone) and self._same_weights(owner, backbone)
        return known[backbone]

    def _modules(self, backbone: nn.Module) -> list[nn.Module]:
        paths = (*self.family.vision_tower, *self.family.audio_tower, *self.family.projector)
        return [backbone.get_submodule(path) for path in paths]

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


class _Kept:
    def __init__(
        self,
        refs: list[weakref.ref[torch.Tensor]],
        features: dict[str, Any],
        owner: weakref.ref[nn.Module],
    ) -> None:
        self.refs, self.features, self.owner = refs, features, owner


def _tensors(media: Sequence[Media]) -> Iterator[torch.Tensor]:
    for group in media:
        yield from group.values()
