"""Losses of chains, completions of which each is better than the next. `vidalign.losses` says what holds for all."""

from __future__ import annotations

import torch
from torch import Tensor

from vidalign.losses.precision import at_least_float32


def _differences(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """`[B, K, K]`: values of j minus values of k, in at least float32, and whether both are there and j is behind k."""
    if values.shape != mask.shape:
        raise ValueError(
            f"{tuple(values.shape)} values and a mask of {tuple(mask.shape)}; both have one entry for each completion, [B, K]"
        )
    present = mask.bool()
    clean = at_least_float32(values).masked_fill(~present, 0.0)
    behind = torch.ones(*values.shape, values.size(-1), dtype=torch.bool, device=values.device).triu(1)
    return clean[..., None, :] - clean[..., :, None], behind & present[..., None, :] & present[..., :, None]


def _factors(rewards: Tensor, mask: Tensor) -> Tensor:
    """`[B, K]`: -log of each factor of Plackett-Luce; 0 where there is no completion."""
    # log sum exp of differences, not difference of a log sum exp: at rewards of 1e4 float32 has no third decimal left.
    differences, behind = _differences(rewards, mask)
    itself = torch.eye(rewards.size(-1), dtype=torch.bool, device=rewards.device)
    return differences.masked_fill(~(behind | itself), -torch.inf).logsumexp(-1)


def plackett_luce_loss(rewards: Tensor, mask: Tensor) -> Tensor:
    """Negative log-likelihood of a whole ranking under Plackett-Luce (Learning to Rank Caption Chains, Eq. 2 and 3).

    `-log p(y_1 > ... > y_K) = sum_k [ log sum_{j >= k} exp r_j - r_k ]`, whose last term is 0.

    Limiting cases: K=2 is DPO exactly, `-log σ(r_1 - r_2)`; all rewards equal give `log K!`. Adding a number to all
    rewards of a chain changes nothing.

    Args:
        rewards: `[B, K]`, best first; `beta * log(π/π_ref)` of each completion, in nats.
        mask: `[B, K]`, 1 where there is a completion. Chains of different length are padded; the order of those that
            are there is their order in the row.

    Returns:
        `[B]`, ≥ 0; 0 for chains with fewer than two completions.

    Raises:
        ValueError: if the shapes differ.

    Examples:
        >>> rewards = torch.tensor([[2.0, 1.0, 0.0], [0.5, 0.0, 0.0]])  # best first
        >>> mask = torch.tensor([[1, 1, 1], [1, 1, 0]])  # a chain of three, and one of two
        >>> plackett_luce_loss(rewards, mask)
        tensor([0.7209, 0.4741])
    """
    return _factors(rewards, mask).sum(-1)


def mpo_loss(rewards: Tensor, mask: Tensor) -> Tensor:
    """Multi-preference optimisation: the best completion against all others, which have no order among themselves.

    `-log( exp r_1 / sum_j exp r_j )`, the first factor of Plackett-Luce. Not TRL's "mixed" preference optimisation.
    Source: Gupta et al. 2024, as the baseline of Learning to Rank Caption Chains (§4).

    Limiting cases: K=2 is DPO; permuting all completions but the first changes nothing.

    Args, returns, raises: as `plackett_luce_loss`. The winner is the first completion that is there.

    Examples:
        >>> rewards = torch.tensor([[2.0, 1.0, 0.0], [0.5, 0.0, 0.0]])  # best first
        >>> mask = torch.tensor([[1, 1, 1], [1, 1, 0]])  # a chain of three, and one of two
        >>> mpo_loss(rewards, mask)
        tensor([0.4076, 0.4741])
    """
    first = mask.bool() & (mask.bool().cumsum(-1) == 1)
    return (_factors(rewards, mask) * first).sum(-1)


def ranking_hinge_loss(logps: Tensor, mask: Tensor) -> Tensor:
    """Margin-free pairwise hinge: pays for inversions only (Learning to Rank Caption Chains, Eq. 4); reference-free.

    `sum_{i < j} max(0, log p_j - log p_i)`, over all pairs, so that it grows with the square of the chain's length.
    Pairs that are tied cost nothing and have no gradient.

    Args:
        logps: `[B, K]`, best first; log-probability of each completion, summed over its tokens, in nats.
        mask: `[B, K]`, 1 where there is a completion.

    Returns:
        `[B]`, ≥ 0; 0 for a chain in order and for chains with fewer than two completions.

    Raises:
        ValueError: if the shapes differ.

    Examples:
        >>> logps = torch.tensor([[-1.0, -3.0, -2.0]])  # the last two are in the wrong order
        >>> ranking_hinge_loss(logps, torch.ones(1, 3))
        tensor([1.])
    """
    differences, behind = _differences(logps, mask)
    return torch.relu(differences.masked_fill(~behind, 0.0)).sum((-2, -1))
