"""IPO on sums and on means of log-probabilities."""

import numpy as np
import pytest
import torch

from vidalign.losses import ipo_loss


def test_by_hand():
    # Row 0: the chosen rose by 2, the rejected fell by 3: margin 5, of 1/(2 * 0.1) = 5: nothing to pay.
    # Row 1: the chosen fell by 1, the rejected rose by 1: margin -2, 7 short: 49.
    loss = ipo_loss(
        torch.tensor([-8.0, -11.0], dtype=torch.float64),
        torch.tensor([-23.0, -19.0], dtype=torch.float64),
        torch.tensor([-10.0, -10.0], dtype=torch.float64),
        torch.tensor([-20.0, -20.0], dtype=torch.float64),
        tau=0.1,
    )
    assert loss.tolist() == pytest.approx([0.0, 49.0], abs=1e-12)


@pytest.mark.parametrize("tau", [0.01, 0.1, 0.5, 1.0])
def test_against_an_independent_implementation(tau):
    policy_w, policy_l, ref_w, ref_l = np.random.default_rng(0).uniform(0.05, 0.95, size=(4, 16))
    odds = (policy_w * ref_l) / (policy_l * ref_w)
    ours = ipo_loss(*(torch.tensor(np.log(p)) for p in (policy_w, policy_l, ref_w, ref_l)), tau=tau)
    np.testing.assert_allclose(ours.numpy(), (np.log(odds) - 0.5 / tau) ** 2, rtol=1e-12)


def test_sums_are_means_with_tau_of_one_token():
    """Of n tokens each: (n m - 1/(2 tau))^2 = n^2 (m - 1/(2 n tau))^2."""
    means = -3 * torch.rand(4, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(ipo_loss(*(7 * means), tau=0.2), 49 * ipo_loss(*means, tau=1.4))


def test_without_a_target_it_is_the_squared_margin():
    rows = -5 * torch.rand(4, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    margin = (rows[0] - rows[2]) - (rows[1] - rows[3])
    torch.testing.assert_close(ipo_loss(*rows, tau=1e12), margin**2)


def test_gradient_is_opposite_for_chosen_and_rejected():
    rows = [
        (-5 * torch.rand(6, generator=torch.Generator().manual_seed(k), dtype=torch.float64)).requires_grad_()
        for k in range(4)
    ]
    assert torch.autograd.gradcheck(lambda *a: ipo_loss(*a, tau=0.3), rows)
    ipo_loss(*rows, tau=0.3).sum().backward()
    torch.testing.assert_close(rows[0].grad, -rows[1].grad)


def test_bf16_is_computed_in_float32():
    rows = [torch.tensor([-1000.0, -2.0], dtype=torch.bfloat16) for _ in range(4)]
    loss = ipo_loss(*rows, tau=0.1)
    assert loss.dtype == torch.float32
    assert loss.tolist() == [25.0, 25.0]
