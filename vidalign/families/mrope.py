"""Three-row positions (time, height, width) of the families that use mRoPE."""

from __future__ import annotations

from typing import Any

import torch

from vidalign.families.family import Media

POSITION_KEYS = ("image_grid_thw", "video_grid_thw", "second_per_grid_ts")


def mrope_positions(backbone: Any, input_ids: torch.Tensor, media: Media) -> torch.Tensor:
    """Positions [3, 1, P] of one prompt [1, P], as the backbone's own forward would compute them.

    `get_rope_index` is a pure function of its arguments: `backbone.rope_deltas`, which generation keeps
    between steps, stays as it was.
    """
    given = {key: media[key].to(input_ids.device) for key in POSITION_KEYS if key in media}
    if not given:
        return torch.arange(input_ids.shape[1], device=input_ids.device).expand(3, 1, -1)
    kinds = torch.zeros_like(input_ids, dtype=torch.int)
    kinds[input_ids == backbone.config.image_token_id] = 1
    kinds[input_ids == backbone.config.video_token_id] = 2
    positions, _ = backbone.get_rope_index(input_ids, mm_token_type_ids=kinds, **given)
    return positions
