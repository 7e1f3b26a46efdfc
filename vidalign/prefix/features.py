"""What towers give, as plain data: parts put together in order, and what no forward reads left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


def stripped(features: dict[str, Any]) -> dict[str, Any]:
    """Without the hidden states of the towers, several times the size of the features that a backbone takes."""
    for output in features.values():
        if hasattr(output, "keys") and output.get("pooler_output") is not None:
            for name in ("last_hidden_state", "hidden_states", "attentions"):
                if output.get(name) is not None:
                    output[name] = None
    return features


def join(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Features of several prompts as those of one batch of them, by medium."""
    media = dict.fromkeys(name for part in parts for name in part)
    return {name: _joined([part[name] for part in parts if name in part], name) for name in media}


def _joined(values: list[Any], field: str) -> Any:
    first = values[0]
    if first is None:
        return None
    if isinstance(first, torch.Tensor):
        if len({value.shape[1:] for value in values}) == 1:
            return torch.cat(values)
        # Clips of unlike length: backbones scatter features in order, whatever their shape.
        return torch.cat([value.flatten(0, -2) for value in values])[None]
    if hasattr(first, "keys"):
        fields = {name: _joined([value[name] for value in values], name) for name in first}
        return type(first)(**fields)
    if field == "deepstack_features":  # by layer of the tower first
        return type(first)(_joined(list(layer), "") for layer in zip(*values, strict=True))
    return type(first)(tensor for value in values for tensor in value)  # one tensor a medium
