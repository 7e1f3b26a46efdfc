"""Media of several prompts as one batch of media."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from vidalign.families.family import Media


def concatenate(medias: Sequence[Media]) -> Media:
    """Concatenate each key over the prompts that have it, in the order of the prompts. [] gives {}."""
    keys = dict.fromkeys(key for media in medias for key in media)
    return {key: torch.cat([media[key] for media in medias if key in media]) for key in keys}
