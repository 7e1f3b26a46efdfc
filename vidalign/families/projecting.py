"""Towers without their projectors, so that a frozen tower's output serves a projector that learns."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from vidalign.families.family import Family, Media


class _Regrouped(nn.Module):
    """Takes a projector's place: `[n * rows, d]` -> `[n, rows * d]`. A row of the result is what one feature is made from."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden.reshape(-1, self.rows * hidden.shape[-1])


def unprojected_features(family: Family, backbone: Any, media: Media) -> dict[str, Any]:
    """As `Family.media_features`, without the projectors: where a feature would stand, the hidden states it is made from."""
    with _without_projectors(family, backbone):
        return family.media_features(backbone, media)


def projected(family: Family, backbone: Any, hidden: dict[str, Any]) -> dict[str, Any]:
    """The features that `media_features` gives, from what `unprojected_features` gave; with gradients in grad mode."""
    return {medium: _output(family, backbone, medium, output) for medium, output in hidden.items()}


def _output(family: Family, backbone: Any, medium: str, output: Any) -> Any:
    fields = dict(output)
    chain = [backbone.get_submodule(path) for path in family.projections[medium]]
    fields["pooler_output"] = _through(chain, output.pooler_output, _rows(family, backbone, medium))
    if fields.get("deepstack_features") is not None:
        mergers = backbone.get_submodule(family.deepstack_projections)
        fields["deepstack_features"] = [
            _through([merger], hidden, _rows(family, backbone, medium))
            for merger, hidden in zip(mergers, fields["deepstack_features"], strict=True)
        ]
    return type(output)(**fields)


def _through(chain: list[nn.Module], hidden: Any, rows: int) -> Any:
    whole = hidden if isinstance(hidden, torch.Tensor) else torch.cat(list(hidden))
    features = whole.reshape(-1, whole.shape[-1] // rows)
    for module in chain:
        features = module(features)
    if isinstance(hidden, torch.Tensor):
        return features
    return torch.split(features, [len(part) for part in hidden])


def _rows(family: Family, backbone: Any, medium: str) -> int:
    """Patches that a projector makes one feature of; sound is projected token by token."""
    if medium == "audio":
        return 1
    return backbone.get_submodule(family.vision_tower[0]).spatial_merge_size ** 2


@contextlib.contextmanager
def _without_projectors(family: Family, backbone: Any) -> Iterator[None]:
    places: dict[str, int] = {
        path: _rows(family, backbone, medium)
        for medium, chain in family.projections.items()
        for path in chain
    }
    if family.deepstack_projections:
        mergers = backbone.get_submodule(family.deepstack_projections)
        places |= {
            f"{family.deepstack_projections}.{k}": places["visual.merger"] for k in range(len(mergers))
        }
    owners = [(backbone.get_submodule(path.rpartition(".")[0]), path.rpartition(".")[2]) for path in places]
    modules = [owner._modules[name] for owner, name in owners]
    try:
        for (owner, name), rows in zip(owners, places.values(), strict=True):
            owner._modules[name] = _Regrouped(rows)
        yield
    finally:
        for (owner, name), module in zip(owners, modules, strict=True):
            owner._modules[name] = module
