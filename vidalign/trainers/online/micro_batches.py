"""Rows cut into batches so that those of one prompt stay together."""

from __future__ import annotations

from typing import Any

import torch


def same_prompts(prompt_ids: torch.Tensor, prompt_mask: torch.Tensor) -> torch.Tensor:
    """[B] numbers, equal for rows [B, P] of equal tokens."""
    rows = torch.cat([prompt_ids.masked_fill(prompt_mask == 0, -1), prompt_mask], dim=1)
    return torch.unique(rows, dim=0, return_inverse=True)[1]


def shuffled_groups(group: torch.Tensor) -> torch.Tensor:
    """Order of the rows [B] in which groups come at random and each group's rows stand together.

    Draws one permutation of B, as TRL's shuffle of single rows does, so that the random state goes on alike.
    """
    drawn = group.cpu()[torch.randperm(len(group))]
    order = {number: place for place, number in reversed(list(enumerate(drawn.tolist())))}
    ranks = torch.tensor([order[number] for number in group.tolist()])
    return torch.argsort(ranks, stable=True).to(group.device)


def micro_batches(batch: dict[str, Any], order: torch.Tensor, count: int) -> list[dict[str, Any]]:
    """The rows of a batch in the given order, cut into `count` batches of equal size.

    Tensors with a row in their first dimension are cut; scalars and everything else go to each batch as they are.
    """
    size = len(order) // count
    return [_rows(batch, order[number * size : (number + 1) * size]) for number in range(count)]


def _rows(batch: dict[str, Any], rows: torch.Tensor) -> dict[str, Any]:
    return {
        name: value[rows.to(value.device)] if isinstance(value, torch.Tensor) and value.ndim else value
        for name, value in batch.items()
    }
