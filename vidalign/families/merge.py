"""Media of several prompts as one batch of media."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import pad

from vidalign.families.family import Media


def collect(medias: Sequence[Media]) -> dict[str, list[torch.Tensor]]:
    """Per key, the tensors of the prompts that have it, in the order of the prompts."""
    keys = dict.fromkeys(key for media in medias for key in media)
    return {key: [media[key] for media in medias if key in media] for key in keys}


def concatenate(medias: Sequence[Media]) -> Media:
    """Concatenate each key over the prompts that have it. [] gives {}."""
    return {key: torch.cat(tensors) for key, tensors in collect(medias).items()}


def concatenate_frames(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """Clips [n, T, C, H, W] as one tensor: [sum n, T, C, H, W], or [1, sum n*T, C, H, W] where T differs.

    The towers of these families see each frame (or tile) by itself, and features go to placeholders in order,
    so the border between two clips carries nothing.
    """
    if len({tensor.shape[1] for tensor in tensors}) == 1:
        return torch.cat(list(tensors))
    return torch.cat([tensor.flatten(0, 1) for tensor in tensors])[None]


def concatenate_padded(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """[n, tiles, ...] -> [sum n, most tiles, ...], zeros behind each image's own tiles."""
    most = max(tensor.shape[1] for tensor in tensors)
    return torch.cat(
        [pad(t, (0, 0) * (t.ndim - 2) + (0, most - t.shape[1])) if t.shape[1] < most else t for t in tensors]
    )
