"""Losses of pairs: values and gradients by hand, an independent implementation, limiting cases."""

import math

import numpy as np
import pytest
import torch
from token_losses import TOKEN_LOSSES, random_pairs, token_losses

from vidalign.losses import (
    SYNPO_VARIANTS,
    cpo_loss,
    dpop_loss,
    mean_logps,
    simper_loss,
    simpo_loss,
    synpo_loss,
)


def rows(*probabilities, dtype=torch.float64):
    """Rows of token probabilities of any lengths -> padded logps [B, T] and mask [B, T]."""
    length = max(len(p) for p in probabilities)
    logps, mask = (
        torch.zeros(len(probabilities), length, dtype=dtype),
        torch.zeros(len(probabilities), length),
    )
    for i, p in enumerate(probabilities):
        logps[i, : len(p)], mask[i, : len(p)] = torch.tensor(p, dtype=dtype).log(), 1
    return logps, mask


# --- values derived by hand ----------------------------------------------------------------------------------------
#
# One pair. Chosen: token probabilities 1/2, 1/8. Rejected: 1/4, 1/4, 1/16, and 1/4.
#   geometric means:  g_w = sqrt(1/2 * 1/8) = 1/4
#                     g_l = (1/4 * 1/4 * 1/16 * 1/4)^(1/4) = (2^-10)^(1/4) = 2^-2.5 = 0.1767766952966369
#   arithmetic means: a_w = (1/2 + 1/8) / 2 = 5/16 = 0.3125
#                     a_l = (1/4 + 1/4 + 1/16 + 1/4) / 4 = 13/64 = 0.203125
#   mean log-probs:   m_w = -2 ln 2, m_l = -2.5 ln 2; sums: -4 ln 2 and -10 ln 2
CHOSEN, REJECTED = [1 / 2, 1 / 8], [1 / 4, 1 / 4, 1 / 16, 1 / 4]
LN2 = math.log(2)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def by_hand(loss, **kwargs):
    chosen, chosen_mask = rows(CHOSEN)
    rejected, rejected_mask = rows(REJECTED)
    return loss(chosen, rejected, chosen_mask, rejected_mask, **kwargs).item()


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        # 30 * (0.25 - 0.1767766952966369) = 2.196699141100893; σ = 0.8999527008; 0.2 * 0.3125 = 0.0625
        ("synpo", -0.8999527008 - 0.0625),
        ("v1", -0.8999527008),
        # -0.2 * (-2 ln 2) = +0.4 ln 2 = 0.2772588722
        ("v2", -0.8999527008 + 0.2772588722),
        # 30 * (0.3125 - 0.203125) = 3.28125; σ = 0.9637799441
        ("v3", -0.9637799441 - 0.0625),
        ("v4", -0.9637799441 + 0.2772588722),
        # no σ: the margin itself
        ("v5", -2.196699141100893 - 0.0625),
    ],
)
def test_synpo_by_hand(variant, expected):
    assert by_hand(synpo_loss, alpha=30.0, beta=0.2, variant=variant) == pytest.approx(expected, abs=1e-9)


def test_synpo_by_hand_at_other_hyperparameters():
    # α = 8: margin 8 * 0.0732233047 = 0.5857864376 (= 2 - √2), σ = 0.6423967; β = 1.6: 1.6 * 5/16 = 1/2
    expected = -sigmoid(2 - math.sqrt(2)) - 0.5
    assert by_hand(synpo_loss, alpha=8.0, beta=1.6) == pytest.approx(expected, abs=1e-12)


def test_synpo_defaults_are_the_released_ones():
    assert by_hand(synpo_loss) == by_hand(synpo_loss, alpha=30.0, beta=0.2, variant="synpo")


@pytest.mark.parametrize("variant", list(SYNPO_VARIANTS))
def test_each_synpo_variant_has_its_own_alpha(variant):
    """Table 8: v5, the margin without a sigmoid, has α = 1."""
    own = 1.0 if variant == "v5" else 30.0
    assert by_hand(synpo_loss, variant=variant) == by_hand(synpo_loss, alpha=own, beta=0.2, variant=variant)
    assert by_hand(synpo_loss, alpha=7.0, variant=variant) != by_hand(synpo_loss, variant=variant)


def test_simpo_by_hand():
    # 2 * (-2 ln 2 + 2.5 ln 2) - 0.5 = ln 2 - 0.5 = 0.1931471806; -log σ = log(1 + e^0.5 / 2)
    assert by_hand(simpo_loss, beta=2.0, gamma=0.5) == pytest.approx(
        math.log(1 + math.exp(0.5) / 2), abs=1e-12
    )


def test_cpo_by_hand():
    # sums differ by 6 ln 2; with β = 1/2: σ(3 ln 2) = 8/9. NLL per token: 2 ln 2
    assert by_hand(cpo_loss, beta=0.5, nll_weight=1.0) == pytest.approx(math.log(9 / 8) + 2 * LN2, abs=1e-12)
    assert by_hand(cpo_loss, beta=0.5, nll_weight=0.25) == pytest.approx(
        math.log(9 / 8) + 0.5 * LN2, abs=1e-12
    )


def test_simper_by_hand():
    assert by_hand(simper_loss) == pytest.approx(-0.25 + 2**-2.5, abs=1e-12)


def test_dpop_by_hand():
    # Row 0: the chosen fell by 2 (-12 from -10), the rejected by 3. No penalty would give 2 * (-2 + 3) = 2;
    #        λ = 0.25 takes 0.25 * 2 from the reward: 2 * (1 - 0.5) = 1.
    # Row 1: the chosen rose by 1, the rejected fell by 1: no penalty, 2 * (1 + 1) = 4.
    loss = dpop_loss(
        torch.tensor([-12.0, -9.0], dtype=torch.float64),
        torch.tensor([-23.0, -21.0], dtype=torch.float64),
        torch.tensor([-10.0, -10.0], dtype=torch.float64),
        torch.tensor([-20.0, -20.0], dtype=torch.float64),
        beta=2.0,
        lambda_=0.25,
    )
    assert loss.tolist() == pytest.approx([math.log(1 + math.exp(-1)), math.log(1 + math.exp(-4))], abs=1e-12)


def test_mean_logps_by_hand():
    logps, mask = rows(CHOSEN, REJECTED)
    assert mean_logps(logps, mask).tolist() == pytest.approx([-2 * LN2, -2.5 * LN2], abs=1e-12)


# --- an independent implementation: numpy, one pair at a time, products and roots where ours adds logarithms -----------


def numpy_pair(name, chosen, rejected, alpha, beta, gamma, nll_weight):
    """`chosen` and `rejected`: probabilities of the scored tokens only."""
    root_w, root_l = np.prod(chosen) ** (1 / len(chosen)), np.prod(rejected) ** (1 / len(rejected))
    mean_w, mean_l = np.mean(chosen), np.mean(rejected)

    def logistic(x):
        return 0.5 * (1 + np.tanh(x / 2))

    return {
        "synpo-synpo": -(logistic(alpha * (root_w - root_l)) + beta * mean_w),
        "synpo-v1": -logistic(alpha * (root_w - root_l)),
        "synpo-v2": -logistic(alpha * (root_w - root_l)) - beta * np.log(root_w),
        "synpo-v3": -(logistic(alpha * (mean_w - mean_l)) + beta * mean_w),
        "synpo-v4": -logistic(alpha * (mean_w - mean_l)) - beta * np.log(root_w),
        "synpo-v5": alpha * (root_l - root_w) - beta * mean_w,
        # -log σ(log a - log b) = log(1 + b / a)
        "simpo": np.log(1 + np.exp(gamma) * (root_l / root_w) ** beta),
        "cpo": np.log(1 + (np.prod(rejected) / np.prod(chosen)) ** beta) - nll_weight * np.log(root_w),
        "simper": root_l - root_w,
    }[name]


@pytest.mark.parametrize("name", TOKEN_LOSSES)
@pytest.mark.parametrize(
    ("alpha", "beta", "gamma", "nll_weight"), [(30, 0.2, 0.5, 1.0), (3.0, 1.7, 1.2, 0.3)]
)
def test_against_an_independent_implementation(name, alpha, beta, gamma, nll_weight):
    chosen, rejected, chosen_mask, rejected_mask = random_pairs(batch=8, scale=3.0)
    kwargs = {
        "simpo": {"beta": beta, "gamma": gamma},
        "cpo": {"beta": beta, "nll_weight": nll_weight},
        "simper": {},
    }
    ours = TOKEN_LOSSES[name](
        chosen, rejected, chosen_mask, rejected_mask, **kwargs.get(name, {"alpha": alpha, "beta": beta})
    )
    theirs = [
        numpy_pair(name, chosen[i][chosen_mask[i]].exp().numpy(), rejected[i][rejected_mask[i]].exp().numpy(),
                   alpha, beta, gamma, nll_weight)
        for i in range(len(chosen))
    ]  # fmt: skip
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("beta", "lambda_"), [(0.1, 50.0), (0.3, 5.0), (1.0, 0.0)])
def test_dpop_against_an_independent_implementation(beta, lambda_):
    policy_w, policy_l, ref_w, ref_l = np.random.default_rng(0).uniform(0.05, 0.95, size=(4, 16))
    # The odds that the loss is the negative log-sigmoid of, multiplied out.
    odds = (policy_w / ref_w) / (policy_l / ref_l) * np.minimum(1, policy_w / ref_w) ** lambda_
    ours = dpop_loss(
        *(torch.tensor(np.log(p)) for p in (policy_w, policy_l, ref_w, ref_l)), beta=beta, lambda_=lambda_
    )
    np.testing.assert_allclose(ours.numpy(), np.log(1 + odds**-beta), rtol=1e-12)


# --- gradients -------------------------------------------------------------------------------------------------------


@token_losses
def test_gradcheck(loss):
    chosen, rejected, chosen_mask, rejected_mask = random_pairs(batch=3)
    assert torch.autograd.gradcheck(
        lambda w, l: loss(w, l, chosen_mask, rejected_mask),
        (chosen.requires_grad_(), rejected.requires_grad_()),
    )


def test_gradcheck_dpop():
    generator = torch.Generator().manual_seed(0)
    # Away from the kink of the penalty at log-ratio 0, where no derivative exists.
    inputs = [
        (-5 * torch.rand(6, generator=generator, dtype=torch.float64)).requires_grad_() for _ in range(4)
    ]
    assert (inputs[0] - inputs[2]).abs().min() > 1e-3
    assert torch.autograd.gradcheck(lambda *a: dpop_loss(*a, lambda_=5.0), inputs)


def test_synpo_gradient_by_hand():
    # With margin z = α(g_w - g_l) and s = σ(z), a chosen token t of n gets
    #   dL/dlogp_t = -s(1-s) α g_w / n - β p_t / n,   a rejected one  +s(1-s) α g_l / n.
    chosen, chosen_mask = rows(CHOSEN)
    rejected, rejected_mask = rows(REJECTED)
    chosen.requires_grad_(), rejected.requires_grad_()
    synpo_loss(chosen, rejected, chosen_mask, rejected_mask, alpha=8.0, beta=1.6).sum().backward()
    s = sigmoid(2 - math.sqrt(2))
    slope = s * (1 - s) * 8
    assert chosen.grad[0].tolist() == pytest.approx([-slope / 4 / 2 - 1.6 * p / 2 for p in CHOSEN], abs=1e-12)
    assert rejected.grad[0].tolist() == pytest.approx([slope * 2**-2.5 / 4] * 4, abs=1e-12)


def test_dpop_gradient_where_the_chosen_fell():
    # Below the reference the chosen's gradient grows by 1 + λ; the rejected's does not.
    args = [torch.tensor([x], dtype=torch.float64, requires_grad=True) for x in (-2.0, -3.0, -1.0, -1.0)]
    dpop_loss(*args, beta=1.0, lambda_=4.0).sum().backward()
    slope = sigmoid(3.0)  # -(log σ)'(z) = σ(-z) at z = (-1 + 2) - 4 * 1 = -3
    assert args[0].grad.item() == pytest.approx(-5 * slope, abs=1e-12)
    assert args[1].grad.item() == pytest.approx(slope, abs=1e-12)


# --- limiting cases and relations ------------------------------------------------------------------------------------


def test_synpo_without_the_language_term_is_v1():
    pairs = random_pairs()
    torch.testing.assert_close(synpo_loss(*pairs, beta=0.0), synpo_loss(*pairs, variant="v1"))
    # and v1 ignores beta
    torch.testing.assert_close(synpo_loss(*pairs, variant="v1", beta=9.0), synpo_loss(*pairs, variant="v1"))


def test_synpo_without_the_ranking_term():
    chosen, rejected, chosen_mask, rejected_mask = random_pairs()
    mean_p = (chosen.exp() * chosen_mask).sum(1) / chosen_mask.sum(1)
    loss = synpo_loss(chosen, rejected, chosen_mask, rejected_mask, alpha=0.0, beta=0.3)
    torch.testing.assert_close(loss, -0.5 - 0.3 * mean_p)


def test_simper_is_v5_with_alpha_one():
    pairs = random_pairs()
    torch.testing.assert_close(simper_loss(*pairs), synpo_loss(*pairs, variant="v5", alpha=1.0, beta=0.0))


def test_variants_agree_on_equal_token_probabilities():
    # With one probability throughout, geometric and arithmetic means coincide: synpo = v3 and v2 = v4.
    pairs = (torch.full((2, 5), -0.7), torch.full((2, 6), -1.1), torch.ones(2, 5), torch.ones(2, 6))
    torch.testing.assert_close(synpo_loss(*pairs), synpo_loss(*pairs, variant="v3"))
    torch.testing.assert_close(synpo_loss(*pairs, variant="v2"), synpo_loss(*pairs, variant="v4"))
    assert not torch.allclose(synpo_loss(*pairs), synpo_loss(*pairs, variant="v2"))


def test_simpo_without_margin_is_cpo_with_scaled_beta_on_equal_lengths():
    chosen, rejected, *_ = random_pairs(chosen_length=6, rejected_length=6)
    ones = torch.ones_like(chosen)
    torch.testing.assert_close(
        simpo_loss(chosen, rejected, ones, ones, beta=2.4, gamma=0.0),
        cpo_loss(chosen, rejected, ones, ones, beta=0.4, nll_weight=0.0),
    )


def test_cpo_without_preference_is_nll():
    chosen, rejected, chosen_mask, rejected_mask = random_pairs()
    loss = cpo_loss(chosen, rejected, chosen_mask, rejected_mask, beta=0.0, nll_weight=2.0)
    torch.testing.assert_close(loss, LN2 - 2.0 * mean_logps(chosen, chosen_mask))


def test_dpop_without_penalty_is_dpo():
    policy_w, policy_l, ref_w, ref_l = -10 * torch.rand(4, 32, generator=torch.Generator().manual_seed(1))
    dpo = -torch.nn.functional.logsigmoid(0.3 * ((policy_w - policy_l) - (ref_w - ref_l)))
    torch.testing.assert_close(dpop_loss(policy_w, policy_l, ref_w, ref_l, beta=0.3, lambda_=0.0), dpo)
    # A chosen that did not fall pays nothing, at any λ; one that fell pays.
    with_penalty = dpop_loss(policy_w, policy_l, ref_w, ref_l, beta=0.3, lambda_=7.0)
    rose = policy_w >= ref_w
    assert rose.any() and not rose.all()
    torch.testing.assert_close(with_penalty[rose], dpo[rose])
    assert (with_penalty[~rose] > dpo[~rose]).all()


def test_dpop_at_the_reference_has_the_gradient_of_dpo():
    def gradient(lambda_):
        logps = torch.tensor([-3.0, -4.0], requires_grad=True)
        dpop_loss(
            logps[:1], logps[1:], logps[:1].detach(), logps[1:].detach(), lambda_=lambda_
        ).sum().backward()
        return logps.grad

    torch.testing.assert_close(gradient(50.0), gradient(0.0))
    assert gradient(50.0).abs().min() > 0


def test_swapped_pair():
    w, l, w_mask, l_mask = random_pairs(scale=3.0)
    pair, swapped = (w, l, w_mask, l_mask), (l, w, l_mask, w_mask)
    # σ(z) + σ(-z) = 1
    torch.testing.assert_close(
        synpo_loss(*pair, variant="v1") + synpo_loss(*swapped, variant="v1"),
        -torch.ones(5, dtype=torch.float64),
    )
    torch.testing.assert_close(simper_loss(*pair), -simper_loss(*swapped))
    # -log σ(z) + log σ(-z) = -z
    margin = mean_logps(w, w_mask) - mean_logps(l, l_mask)
    torch.testing.assert_close(
        simpo_loss(*pair, beta=2.0, gamma=0.0) - simpo_loss(*swapped, beta=2.0, gamma=0.0), -2.0 * margin
    )
    # γ is taken from both sides: log σ(z - γ) and log σ(-z - γ)
    torch.testing.assert_close(
        simpo_loss(*swapped, gamma=0.5), -torch.nn.functional.logsigmoid(-2.0 * margin - 0.5)
    )
    sums = (w * w_mask).sum(1) - (l * l_mask).sum(1)
    torch.testing.assert_close(
        cpo_loss(*pair, beta=0.1, nll_weight=0.0) - cpo_loss(*swapped, beta=0.1, nll_weight=0.0), -0.1 * sums
    )
