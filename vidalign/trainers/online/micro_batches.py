"""Rows cut into batches so that those of one prompt stay together."""

from __future__ import annotations

from collections.abc import Sequence
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


def scoring_chunks(
    group: torch.Tensor, prompts: Sequence[int], rows: Sequence[int], budget: int
) -> list[list[int]]:
    """Rows to score in one forward each: whole groups while they fit.

    Args:
        group: [B] the group of each row.
        prompts: tokens of each row's prompt, which its group reads once.
        rows: tokens of each row, with its prompt.
        budget: tokens of a forward. A row that exceeds it alone is still scored.

    Returns:
        Row numbers by forward, each row once.
    """
    members: dict[int, list[int]] = {}
    for row, number in enumerate(group.tolist()):
        members.setdefault(number, []).append(row)
    chunks: list[list[int]] = []
    used = budget + 1
    for own in members.values():
        whole = prompts[own[0]] + sum(rows[row] - prompts[row] for row in own)
        fits = whole <= budget
        if fits and used + whole <= budget:
            chunks[-1] += own
            used += whole
            continue
        chunks.append([])
        used = prompts[own[0]]
        for row in own:
            suffix = rows[row] - prompts[row]
            if chunks[-1] and used + suffix > budget:
                chunks.append([])
                used = prompts[row]
            chunks[-1].append(row)
            used += suffix
    return chunks
