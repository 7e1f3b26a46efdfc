"""Preference objectives as pure functions of log-probabilities.

Every function is unreduced: it returns one loss per pair or chain, `[B]`, and the caller takes the mean. For pairs,
`logps [B, T]` are the log-probabilities of the completion's tokens and `mask [B, T]` marks them; chosen and rejected may
have different `T`. For chains, `rewards` or `logps [B, K]` hold one number for each completion, best first, and
`mask [B, K]` marks the completions that there are.

Three rules hold throughout:

- **Precision.** Inputs below float32 are computed in float32, because a bf16 sum over a thousand tokens loses its last
  tokens. The result is float32, or float64 where the inputs are.
- **Padding.** What stands in `logps` where the mask is 0 is never read, so `nan` and `-inf` there reach neither the loss
  nor the gradient.
- **Empty completions.** A mean over no tokens does not exist. A pair in which either completion is fully masked has
  nothing to compare: its loss is 0 and its gradient zero. So is that of a chain with fewer than two completions.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "SYNPO_VARIANTS",
    "cpo_loss",
    "dpop_loss",
    "ipo_loss",
    "mean_logps",
    "mpo_loss",
    "plackett_luce_loss",
    "ranking_hinge_loss",
    "simper_loss",
    "simpo_loss",
    "synpo_loss",
]

SYNPO_VARIANTS = {"synpo": 30.0, "v1": 30.0, "v2": 30.0, "v3": 30.0, "v4": 30.0, "v5": 1.0}
"""The objectives of `synpo_loss`, each with its α where none is given: in v5, which has no sigmoid, α = 1 (Table 8); of
the others' 20, 30, 50 (Table 7 and 8) the released code has 30."""


def _float(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _clean(logps: Tensor, mask: Tensor) -> Tensor:
    """`logps [B, T]` in at least float32, 0 where `mask [B, T]` is 0."""
    if logps.shape != mask.shape:
        raise ValueError(
            f"logps {tuple(logps.shape)} and mask {tuple(mask.shape)} differ in shape; log-probabilities of the next "
            "token go with the mask of that next token, `mask[:, 1:]`"
        )
    # Filled before any exp or sum: 0 * nan is nan, in the backward pass as well.
    return _float(logps).masked_fill(~mask.bool(), 0.0)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask.bool()).sum(-1) / mask.bool().sum(-1).clamp(min=1)


def _drop_empty(losses: Tensor, chosen_mask: Tensor, rejected_mask: Tensor) -> Tensor:
    return losses.masked_fill(~(chosen_mask.bool().any(-1) & rejected_mask.bool().any(-1)), 0.0)


def mean_logps(logps: Tensor, mask: Tensor) -> Tensor:
    """Length-normalised log-probability of each completion, whose `exp` is the geometric mean of its token
    probabilities (the inverse perplexity).

    Args:
        logps: `[B, T]`, log-probability of each token, in nats.
        mask: `[B, T]`, 1 on the completion's tokens.

    Returns:
        `[B]`, in nats per token; 0 for an empty completion.

    Raises:
        ValueError: if the shapes differ.

    Examples:
        >>> logps = torch.tensor([[-1.0, -3.0, 0.0]])  # the last is padding
        >>> mean_logps(logps, torch.tensor([[1, 1, 0]]))
        tensor([-2.])
    """
    return _mean(_clean(logps, mask), mask)


def synpo_loss(
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    chosen_mask: Tensor,
    rejected_mask: Tensor,
    *,
    alpha: float | None = None,
    beta: float = 0.2,
    variant: str = "synpo",
) -> Tensor:
    """SynPO (Dang et al. 2025, arXiv:2506.00835, Eq. 4) and its variants (Table 8); reference-free.

    With `S(y)` the vector of token probabilities, an overline the mean over tokens, and `g(y) = exp(mean log S(y))`:

    | variant | objective | α | β |
    |---|---|---|---|
    | `synpo` | `-σ(α g(y_w) - α g(y_l)) - β mean S(y_w)` | 20, 30, 50 | 0.1, 0.2, 0.3 |
    | `v1` | `-σ(α g(y_w) - α g(y_l))` | 20, 30, 50 | |
    | `v2` | `-σ(α g(y_w) - α g(y_l)) - β mean log S(y_w)` | 20, 30, 50 | 0.05, 0.1, 0.2, 0.3 |
    | `v3` | `-σ(α mean S(y_w) - α mean S(y_l)) - β mean S(y_w)` | 10, 20, 30, 50 | 0.1, 0.2, 0.3 |
    | `v4` | `-σ(α mean S(y_w) - α mean S(y_l)) - β mean log S(y_w)` | 10, 20, 30, 50 | 0.05, 0.1, 0.2, 0.3 |
    | `v5` | `-(α g(y_w) - α g(y_l)) - β mean S(y_w)` | 1 | 0.01, 0.02, 0.05, 0.1, 0.15, 0.2 |

    There is no logarithm around the sigmoid. The values are those that the paper searches (Table 7 for `synpo`). Its
    Table 4 lists the same variants but has lost some overlines.

    Limiting cases: `beta=0` gives v1; `alpha=0` leaves `-1/2` and the language term; v5 with `alpha=1, beta=0` is SimPER.

    Args:
        chosen_logps, rejected_logps: `[B, T]`, log-probability of each token, in nats.
        chosen_mask, rejected_mask: `[B, T]`, 1 on the completion's tokens, its EOS included.
        alpha: slope of the ranking term, ≥ 0. None: the variant's own, of `SYNPO_VARIANTS`.
        beta: weight of the language term, ≥ 0. Not read by v1, which has none.
        variant: one of `SYNPO_VARIANTS`.

    Returns:
        `[B]`; for `synpo` between `-1 - beta` and 0.

    Raises:
        ValueError: if the variant is not known, or logps and mask differ in shape.

    Examples:
        >>> chosen, rejected = torch.full((1, 4), -0.5), torch.full((1, 6), -2.0)  # [B, T]
        >>> masks = torch.ones(1, 4), torch.ones(1, 6)
        >>> synpo_loss(chosen, rejected, *masks)  # -(σ(30 (e^-0.5 - e^-2)) + 0.2 e^-0.5)
        tensor([-1.1213])
        >>> synpo_loss(chosen, chosen, masks[0], masks[0], variant="v1")
        tensor([-0.5000])
    """
    if variant not in SYNPO_VARIANTS:
        raise ValueError(
            f"variant={variant!r} is not a SynPO variant; choose one of {', '.join(SYNPO_VARIANTS)}"
        )
    alpha = SYNPO_VARIANTS[variant] if alpha is None else alpha
    chosen, rejected = _clean(chosen_logps, chosen_mask), _clean(rejected_logps, rejected_mask)
    chosen_mean, rejected_mean = _mean(chosen, chosen_mask), _mean(rejected, rejected_mask)  # mean log S(y)
    chosen_mean_p = _mean(chosen.exp(), chosen_mask)  # mean S(y_w)

    if variant in ("v3", "v4"):
        margin = alpha * chosen_mean_p - alpha * _mean(rejected.exp(), rejected_mask)
    else:
        margin = alpha * chosen_mean.exp() - alpha * rejected_mean.exp()
    ranking = margin if variant == "v5" else torch.sigmoid(margin)

    if variant == "v1":
        losses = -ranking
    else:
        language = chosen_mean if variant in ("v2", "v4") else chosen_mean_p
        losses = -(ranking + beta * language)  # SynPO Eq. 4
    return _drop_empty(losses, chosen_mask, rejected_mask)


def simpo_loss(
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    chosen_mask: Tensor,
    rejected_mask: Tensor,
    *,
    beta: float = 2.0,
    gamma: float = 0.5,
) -> Tensor:
    """SimPO (Meng et al. 2024, arXiv:2405.14734, Eq. 6): length-normalised and reference-free, with a target margin.

    `gamma` is the paper's γ, as `simpo_gamma` in TRL, not the ratio γ/β that SimPO's released configurations hold.

    Limiting case: `gamma=0` on completions of equal length n is `cpo_loss` with `beta/n` and no NLL term.

    Args:
        chosen_logps, rejected_logps: `[B, T]`, log-probability of each token, in nats.
        chosen_mask, rejected_mask: `[B, T]`, 1 on the completion's tokens.
        beta: scale of the reward `beta * mean logp`, > 0; 2.0 to 2.5 in the paper.
        gamma: target reward margin, ≥ 0; 0.3 to 1.6 in the paper.

    Returns:
        `[B]`, ≥ 0.

    Raises:
        ValueError: if logps and mask differ in shape.

    Examples:
        >>> chosen, rejected = torch.full((1, 4), -0.5), torch.full((1, 6), -2.0)  # [B, T]
        >>> masks = torch.ones(1, 4), torch.ones(1, 6)
        >>> simpo_loss(chosen, rejected, *masks)  # -log σ(2 (-0.5) - 2 (-2) - 0.5)
        tensor([0.0789])
    """
    chosen_rewards = beta * mean_logps(chosen_logps, chosen_mask)
    rejected_rewards = beta * mean_logps(rejected_logps, rejected_mask)
    losses = -F.logsigmoid(chosen_rewards - rejected_rewards - gamma)  # SimPO Eq. 6
    return _drop_empty(losses, chosen_mask, rejected_mask)


def cpo_loss(
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    chosen_mask: Tensor,
    rejected_mask: Tensor,
    *,
    beta: float = 0.1,
    nll_weight: float = 1.0,
) -> Tensor:
    """CPO (Xu et al. 2024, arXiv:2401.08417): reference-free DPO on summed log-probabilities, plus the chosen's NLL.

    The NLL is a mean per token, as in the authors' code and in TRL (`cpo_alpha`), where the paper writes the sequence's
    sum. TRL takes that mean over all tokens of the batch; here each completion has its own, so that the loss of a pair
    does not depend on its neighbours. The two agree where the chosen completions are equally long.

    Limiting cases: `nll_weight=0` is DPO with a uniform reference; `beta=0` leaves `log 2` and the NLL.

    Args:
        chosen_logps, rejected_logps: `[B, T]`, log-probability of each token, in nats.
        chosen_mask, rejected_mask: `[B, T]`, 1 on the completion's tokens.
        beta: scale of the reward `beta * sum logp`, > 0.
        nll_weight: weight of the NLL term, ≥ 0.

    Returns:
        `[B]`, ≥ 0.

    Raises:
        ValueError: if logps and mask differ in shape.

    Examples:
        >>> chosen, rejected = torch.full((1, 4), -0.5), torch.full((1, 6), -2.0)  # [B, T]
        >>> masks = torch.ones(1, 4), torch.ones(1, 6)
        >>> cpo_loss(chosen, rejected, *masks)  # -log σ(0.1 (-2 + 12)) + 0.5
        tensor([0.8133])
    """
    chosen, rejected = _clean(chosen_logps, chosen_mask), _clean(rejected_logps, rejected_mask)
    pi_logratios = chosen.sum(-1) - rejected.sum(-1)
    preference = -F.logsigmoid(beta * pi_logratios)  # CPO, L_prefer
    nll = -_mean(chosen, chosen_mask)  # CPO, L_NLL
    return _drop_empty(preference + nll_weight * nll, chosen_mask, rejected_mask)


def simper_loss(
    chosen_logps: Tensor, rejected_logps: Tensor, chosen_mask: Tensor, rejected_mask: Tensor
) -> Tensor:
    """SimPER (Xiao et al. 2025, arXiv:2502.00883): the difference of inverse perplexities; no hyperparameters.

    Limiting case: `synpo_loss` with `variant="v5", alpha=1, beta=0`.

    Args:
        chosen_logps, rejected_logps: `[B, T]`, log-probability of each token, in nats.
        chosen_mask, rejected_mask: `[B, T]`, 1 on the completion's tokens.

    Returns:
        `[B]`, between -1 and 1.

    Raises:
        ValueError: if logps and mask differ in shape.

    Examples:
        >>> chosen, rejected = torch.full((1, 4), -0.5), torch.full((1, 6), -2.0)  # [B, T]
        >>> masks = torch.ones(1, 4), torch.ones(1, 6)
        >>> simper_loss(chosen, rejected, *masks)  # -e^-0.5 + e^-2
        tensor([-0.4712])
    """
    chosen_mean = mean_logps(chosen_logps, chosen_mask)
    rejected_mean = mean_logps(rejected_logps, rejected_mask)
    losses = -chosen_mean.exp() + rejected_mean.exp()  # SimPER objective
    return _drop_empty(losses, chosen_mask, rejected_mask)


def dpop_loss(
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    ref_chosen_logps: Tensor,
    ref_rejected_logps: Tensor,
    *,
    beta: float = 0.1,
    lambda_: float = 50.0,
) -> Tensor:
    """DPO-Positive (Pal et al. 2024, arXiv:2402.13228, Eq. 3): DPO that pays for a falling chosen likelihood.

    Limiting cases: `lambda_=0` is DPO, and so is any `lambda_` for a pair whose chosen is at least as likely as under
    the reference. At the reference itself the penalty's gradient is 0.

    Args:
        chosen_logps, rejected_logps: `[B]`, log-probability of each completion under the policy, summed, in nats.
        ref_chosen_logps, ref_rejected_logps: `[B]`, the same under the reference.
        beta: strength of the tie to the reference, > 0.
        lambda_: weight of the penalty within the reward, ≥ 0; 50 in the paper. It is a multiple of a difference
            between sequences, so that long captions may need less (SynPO Table 7 searches 5, 10, 25, 50).

    Returns:
        `[B]`, ≥ 0.

    Examples:
        >>> reference = torch.tensor([-10.0]), torch.tensor([-20.0])
        >>> dpop_loss(torch.tensor([-9.0]), torch.tensor([-30.0]), *reference)  # as DPO
        tensor([0.2873])
        >>> # The chosen has fallen below the reference.
        >>> dpop_loss(torch.tensor([-11.0]), torch.tensor([-30.0]), *reference, lambda_=5.0)
        tensor([0.5130])
    """
    chosen_logratios = _float(chosen_logps) - _float(ref_chosen_logps)
    rejected_logratios = _float(rejected_logps) - _float(ref_rejected_logps)
    penalty = torch.relu(-chosen_logratios)  # max(0, log π_ref(y_w) / π(y_w))
    return -F.logsigmoid(beta * (chosen_logratios - rejected_logratios - lambda_ * penalty))  # DPOP Eq. 3


def ipo_loss(
    chosen_logps: Tensor,
    rejected_logps: Tensor,
    ref_chosen_logps: Tensor,
    ref_rejected_logps: Tensor,
    *,
    tau: float = 0.1,
) -> Tensor:
    """IPO (Azar et al. 2023, arXiv:2310.12036, Eq. 17; SynPO Table 7): a squared distance of the margin from `1/(2 tau)`.

    Two readings are in use. With *summed* log-probabilities it is the equation as it is printed, in which the margin of a
    long caption reaches `1/(2 tau)` by a small change of each token. With *means* per token it is TRL's `"ipo"`, which
    IPO's authors confirmed as the form behind their results. At equal lengths n, sums with `tau` are `n²` times the means
    with `n * tau`.

    Limiting case: `tau → ∞` leaves the squared margin, which pulls towards the reference.

    Args:
        chosen_logps, rejected_logps: `[B]`, log-probability of each completion under the policy, in nats: of the
            sequence, or its mean per token.
        ref_chosen_logps, ref_rejected_logps: `[B]`, the same under the reference.
        tau: strength of the tie to the reference, > 0; SynPO's Table 7 searches 0.01, 0.1, 0.5, 1.0.

    Returns:
        `[B]`, ≥ 0.

    Examples:
        >>> zero = torch.zeros(1)
        >>> ipo_loss(torch.tensor([2.0]), zero, zero, zero, tau=0.1)  # (2 - 1 / 0.2)²
        tensor([9.])
    """
    chosen_logratios = _float(chosen_logps) - _float(ref_chosen_logps)
    rejected_logratios = _float(rejected_logps) - _float(ref_rejected_logps)
    return (chosen_logratios - rejected_logratios - 1 / (2 * tau)) ** 2  # IPO Eq. 17


def _differences(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """`[B, K, K]`: values of j minus values of k, in at least float32, and whether both are there and j is behind k."""
    if values.shape != mask.shape:
        raise ValueError(
            f"{tuple(values.shape)} values and a mask of {tuple(mask.shape)}; both have one entry for each completion, [B, K]"
        )
    present = mask.bool()
    clean = _float(values).masked_fill(~present, 0.0)
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
