"""Losses of pairs, a chosen completion and a rejected one. `vidalign.losses` says what holds for all."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vidalign.losses.precision import at_least_float32

SYNPO_VARIANTS = {"synpo": 30.0, "v1": 30.0, "v2": 30.0, "v3": 30.0, "v4": 30.0, "v5": 1.0}
"""The objectives of `synpo_loss`, each with its α where none is given: in v5, which has no sigmoid, α = 1 (Table 8); of
the others' 20, 30, 50 (Table 7 and 8) the released code has 30."""


def _clean(logps: Tensor, mask: Tensor) -> Tensor:
    """`logps [B, T]` in at least float32, 0 where `mask [B, T]` is 0."""
    if logps.shape != mask.shape:
        raise ValueError(
            f"logps {tuple(logps.shape)} and mask {tuple(mask.shape)} differ in shape; log-probabilities of the next "
            "token go with the mask of that next token, `mask[:, 1:]`"
        )
    # Filled before any exp or sum: 0 * nan is nan, in the backward pass as well.
    return at_least_float32(logps).masked_fill(~mask.bool(), 0.0)


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
    chosen_logratios = at_least_float32(chosen_logps) - at_least_float32(ref_chosen_logps)
    rejected_logratios = at_least_float32(rejected_logps) - at_least_float32(ref_rejected_logps)
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
    chosen_logratios = at_least_float32(chosen_logps) - at_least_float32(ref_chosen_logps)
    rejected_logratios = at_least_float32(rejected_logps) - at_least_float32(ref_rejected_logps)
    return (chosen_logratios - rejected_logratios - 1 / (2 * tau)) ** 2  # IPO Eq. 17
