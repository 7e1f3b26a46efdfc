"""The towers' output for the media of a batch, computed once for every model that would compute the same."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from vidalign.families.family import Family, Media
from vidalign.families.modules import inside
from vidalign.families.projecting import projected, unprojected_features
from vidalign.prefix.features import join, stripped
from vidalign.prefix.kept import FeatureCache, Kept, SeenTensors

FEATURE_CACHE_GB = 4.0
"""Memory for the outputs of frozen towers, per process."""


class MediaEncoder:
    """Runs towers and projectors, and keeps the output of frozen ones for the next model that asks.

    A policy and its reference see the same tensors, and GRPO's generation, its scorings and its training steps see
    them again and again. If towers and projectors are frozen and the same in both, later forwards take the first one's
    features, which live as long as the media tensors they were computed from. Where towers are frozen and projectors
    learn, the towers' hidden states are kept (in families that name their `projections`). Nothing is kept for a tower
    that learns, that carries adapters, or whose weights are sharded.

    New media of a batch go through the towers together. Media that come again in another batch, because a cache of
    prompts holds them, are kept each by itself from then on, so that whatever batch they are in finds them.

    Args:
        family: of the models.
        cache_gb: memory for what is kept, on the models' device; least recently used first out. Where it is too small for
            what a batch asks for again (the prompts of GRPO's generation batch), towers run again, with the same result.
    """

    def __init__(self, family: Family, *, cache_gb: float = FEATURE_CACHE_GB) -> None:
        self.family = family
        self.runs = 0
        """How often the towers ran: what a test, or a curious user, compares with the number of forwards."""
        self.kept = FeatureCache(int(cache_gb * 2**30))
        self._seen = SeenTensors()
        # Whether two models' towers agree, by owner and asker; with their projectors (True), without (False). With the
        # stamps of both, of when they were compared.
        self._same: weakref.WeakKeyDictionary[
            nn.Module, weakref.WeakKeyDictionary[nn.Module, dict[bool, tuple[tuple[int, int], bool]]]
        ] = weakref.WeakKeyDictionary()

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
        still = self._are_frozen(backbone, self._tower_weights) and self._are_plain(backbone, towers=True)
        frozen = still and self._are_frozen(backbone, self._weights) and self._are_plain(backbone)
        # A reference is frozen by running without gradients, whatever its parameters say.
        passive = not torch.is_grad_enabled()
        if frozen or passive:
            found = self._find(backbone, present)
            if found is not None:
                return found
        if (still or passive) and self.family.projections:
            hidden = self._find(backbone, present, with_projector=False)
            if hidden is not None:
                return projected(self.family, backbone, hidden)
        if frozen:
            return self._encode(backbone, present, with_projector=True)
        if still and self.family.projections:
            hidden = self._encode(backbone, present, with_projector=False)
            return projected(self.family, backbone, hidden)
        return self._run(self.family.media_features, backbone, present)

    def each(self, backbone: Any, media: Sequence[Media]) -> list[dict[str, Any] | None]:
        """Features of each group by itself, so that any selection of the groups finds them again."""
        return [self(backbone, [group]) for group in media]

    def clear(self) -> None:
        """Lets go of the kept features."""
        self.kept.clear()

    def _encode(self, backbone: Any, media: list[Media], *, with_projector: bool) -> dict[str, Any]:
        """Runs a frozen tower and keeps what it gives: of all media together, or of each where some have come before."""
        again = any(next(iter(group.values())) in self._seen for group in media)
        if again and len(media) > 1 and self.kept.capacity:
            return join([self._one(backbone, group, with_projector=with_projector) for group in media])
        run = self.family.media_features if with_projector else partial(unprojected_features, self.family)
        with torch.no_grad():
            features = stripped(self._run(run, backbone, media))
        owner, stamp = weakref.ref(backbone), self._stamp(backbone, with_projector)
        self.kept.put(_tensors(media), Kept(features, owner, stamp), with_projector=with_projector)
        for group in media:
            self._seen.add(next(iter(group.values())))
        return dict(features)

    def _one(self, backbone: Any, group: Media, *, with_projector: bool) -> dict[str, Any]:
        found = self._look_up(backbone, [group], with_projector)
        return found if found is not None else self._encode(backbone, [group], with_projector=with_projector)

    def _run(
        self, features: Callable[[Any, Media], dict[str, Any]], backbone: Any, media: list[Media]
    ) -> Any:
        self.runs += 1
        merged = self.family.merge(media)
        device = next(iter(backbone.parameters())).device
        return features(backbone, {name: tensor.to(device) for name, tensor in merged.items()})

    def _find(
        self, backbone: nn.Module, media: list[Media], *, with_projector: bool = True
    ) -> dict[str, Any] | None:
        """What was kept for this very selection, or for each of its groups."""
        whole = self._look_up(backbone, media, with_projector)
        if whole is not None or len(media) == 1:
            return whole
        parts = []
        for group in media:
            part = self._look_up(backbone, [group], with_projector)
            if part is None:
                return None
            parts.append(part)
        return join(parts)

    def _look_up(
        self, backbone: nn.Module, media: list[Media], with_projector: bool
    ) -> dict[str, Any] | None:
        entry = self.kept.get(_tensors(media), with_projector=with_projector)
        if entry is None:
            return None
        owner = entry.owner()
        if owner is None or entry.stamp != self._stamp(owner, with_projector):
            return None
        if owner is not backbone and not self._agree(owner, backbone, with_projector):
            return None
        return dict(entry.features)

    def _stamp(self, backbone: nn.Module, with_projector: bool) -> int:
        """Changes with the weights: an optimiser's step, `load_state_dict`. A write through `.data` is not seen."""
        weights = self._weights if with_projector else self._tower_weights
        return sum(weight._version for weight in weights(backbone))

    def _agree(self, owner: nn.Module, backbone: nn.Module, with_projector: bool) -> bool:
        known = self._same.setdefault(owner, weakref.WeakKeyDictionary()).setdefault(backbone, {})
        stamps = self._stamp(owner, with_projector), self._stamp(backbone, with_projector)
        if known.get(with_projector, (None, False))[0] != stamps:
            weights = self._weights if with_projector else self._tower_weights
            same = self._are_plain(backbone, towers=not with_projector) and _equal(
                weights(owner), weights(backbone)
            )
            known[with_projector] = stamps, same
        return known[with_projector][1]

    def _towers(self, backbone: nn.Module) -> list[nn.Module]:
        """The modules of the towers that are neither projectors nor hold one."""
        paths = (*self.family.vision_tower, *self.family.audio_tower)
        return [
            module
            for path in paths
            for name, module in backbone.get_submodule(path).named_modules(prefix=path)
            if not inside(name, self.family.projector)
        ]

    def _tower_weights(self, backbone: nn.Module) -> list[nn.Parameter]:
        return [weight for module in self._towers(backbone) for weight in module.parameters(recurse=False)]

    def _weights(self, backbone: nn.Module) -> list[nn.Parameter]:
        bare = [backbone.get_parameter(path) for path in self.family.projector_parameters]
        modules = [backbone.get_submodule(path) for path in self.family.projector]
        learnt = [weight for module in modules for weight in module.parameters()]
        return [*bare, *learnt, *self._tower_weights(backbone)]

    def _are_frozen(self, backbone: nn.Module, weights: Callable[[nn.Module], list[nn.Parameter]]) -> bool:
        return not any(weight.requires_grad for weight in weights(backbone))

    def _are_plain(self, backbone: nn.Module, *, towers: bool = False) -> bool:
        """Whole weights (neither ZeRO-3 nor FSDP shards) and no adapters, of the towers alone or with the projectors."""
        weights, modules = self._tower_weights(backbone), self._towers(backbone)
        if not towers:
            weights = self._weights(backbone)
            for path in self.family.projector:
                modules = [*modules, *backbone.get_submodule(path).modules()]
        sharded = any(hasattr(weight, "ds_id") or hasattr(weight, "placements") for weight in weights)
        # Of PEFT: layers with adapters, and modules of which it holds a copy that learns.
        adapted = any(
            hasattr(module, name) for module in modules for name in ("base_layer", "original_module")
        )
        return not sharded and not adapted


def _equal(ones: list[nn.Parameter], others: list[nn.Parameter]) -> bool:
    return all(
        a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b.to(a.device))
        for a, b in zip(ones, others, strict=True)
    )


def _tensors(media: Sequence[Media]) -> list[torch.Tensor]:
    return [tensor for group in media for tensor in group.values()]
