"""Items of chains as a table, best first, and how well scores agree with that order: pure functions of numbers."""

from __future__ import annotations

import torch
from torch import Tensor


def rank_metrics(scores: Tensor) -> dict[str, float]:
    """Agreement of scores with the order best first.

    Args:
        scores: `[B, K]`; NaN where a chain has no such item. Chains with fewer than two items are left out.

    Returns:
        accuracy: share of all pairs of one chain whose better item has the higher score; a tie is no success.
        top1: share of chains whose best item has a higher score than all others.
        kendall_tau: mean over chains of (concordant - discordant) / pairs, tau-a; -1 to 1.
        Empty if there is no chain to speak of.
    """
    present = ~scores.isnan()
    pairs = (present[:, :, None] & present[:, None, :]).triu(1)  # [B, i, j]: i is better than j
    counts = pairs.sum((1, 2))
    scores, pairs, counts = scores[counts > 0], pairs[counts > 0], counts[counts > 0]
    if not len(scores):
        return {}
    differences = scores[:, :, None] - scores[:, None, :]
    concordant = ((differences > 0) & pairs).sum((1, 2))
    discordant = ((differences < 0) & pairs).sum((1, 2))
    first = pairs.any(2).int().argmax(1)  # the first item that is there
    own = pairs[torch.arange(len(pairs)), first]
    won = ((differences[torch.arange(len(pairs)), first] > 0) | ~own).all(1)
    return {
        "accuracy": float(concordant.sum() / counts.sum()),
        "top1": float(won.float().mean()),
        "kendall_tau": float(((concordant - discordant) / counts).mean()),
    }


def starts(chain: torch.Tensor) -> torch.Tensor:
    """[B] the row of each chain's best item. chain: [M], as the collator numbers them."""
    return torch.cat([chain.new_zeros(1), (chain.diff() != 0).nonzero().flatten() + 1])


def to_table(values: torch.Tensor, chain: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """[M] values of items -> [B, K] with a chain a row and 0 behind its end, and the mask. Differentiable."""
    first = starts(chain)
    number = torch.zeros_like(chain).index_fill(0, first[1:], 1).cumsum(0)
    place = torch.arange(len(chain), device=chain.device) - first[number]
    shape = (len(first), int(place.max()) + 1)
    present = torch.zeros(shape, dtype=torch.bool, device=values.device).index_put(
        (number, place), torch.ones_like(number, dtype=torch.bool)
    )
    return values.new_zeros(shape).index_put((number, place), values), present
