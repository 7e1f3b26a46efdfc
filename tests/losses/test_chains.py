"""The losses of whole chains: by hand, against an independent implementation, and at their limits."""

import itertools
import math

import numpy as np
import pytest
import torch

from vidalign.losses import mpo_loss, plackett_luce_loss, ranking_hinge_loss

CHAIN_LOSSES = {"plackett_luce": plackett_luce_loss, "mpo": mpo_loss, "hinge": ranking_hinge_loss}
chain_losses = pytest.mark.parametrize("loss", CHAIN_LOSSES.values(), ids=CHAIN_LOSSES.keys())


def chain(*values, dtype=torch.float64):
    """Chains of any lengths -> padded values [B, K] and mask [B, K]; the padding is poison."""
    longest = max(map(len, values))
    table = torch.full((len(values), longest), math.nan, dtype=dtype)
    mask = torch.zeros(len(values), longest)
    for row, own in enumerate(values):
        table[row, : len(own)], mask[row, : len(own)] = torch.tensor(own, dtype=dtype), 1
    return table, mask


def independent(name, values):
    """One chain in float64, by loops over the papers' products and sums."""
    values = [np.float64(value) for value in values]
    if name == "hinge":
        return sum(max(0.0, b - a) for a, b in itertools.combinations(values, 2))
    total = np.float64(0)
    for k in range(len(values) if name == "plackett_luce" else 1):
        # Largest first, subtracted: log-sum-exp by hand.
        rest = values[k:]
        total += max(rest) + np.log(sum(np.exp(v - max(rest)) for v in rest)) - values[k]
    return total


def test_plackett_luce_by_hand():
    # exp r = 4, 2, 1: p = 4/7 * 2/3 * 1/1 = 8/21
    rewards, mask = chain([math.log(4), math.log(2), 0.0])
    assert plackett_luce_loss(rewards, mask).item() == pytest.approx(math.log(21 / 8), abs=1e-12)
    # MPO has the first factor alone.
    assert mpo_loss(rewards, mask).item() == pytest.approx(math.log(7 / 4), abs=1e-12)


def test_hinge_by_hand():
    # Inversions of (-3, -1, -2): 1 over 0 by 2, 2 over 0 by 1; 2 is below 1 as it should be.
    logps, mask = chain([-3.0, -1.0, -2.0])
    assert ranking_hinge_loss(logps, mask).item() == pytest.approx(3.0, abs=1e-12)
    assert ranking_hinge_loss(*chain([-1.0, -2.0, -3.0])).item() == 0


def test_plackett_luce_is_a_distribution_over_orders():
    values = [0.3, -1.2, 2.0, 0.0]
    total = sum(
        math.exp(-plackett_luce_loss(*chain(order)).item()) for order in itertools.permutations(values)
    )
    assert total == pytest.approx(1, abs=1e-12)
    losses = {order: plackett_luce_loss(*chain(order)).item() for order in itertools.permutations(values)}
    assert min(losses, key=losses.get) == tuple(sorted(values, reverse=True))


@pytest.mark.parametrize("name", CHAIN_LOSSES)
def test_chains_against_an_independent_implementation(name):
    rng = np.random.default_rng(0)
    chains = [list(rng.normal(0, 3, size)) for size in (1, 2, 3, 5, 8, 32, 64, 2, 7)]
    losses = CHAIN_LOSSES[name](*chain(*chains))
    for own, loss in zip(chains, losses.tolist(), strict=True):
        assert loss == pytest.approx(float(independent(name, own)), rel=1e-12, abs=1e-12)


def test_two_completions_are_dpo():
    rewards = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 4
    rewards.requires_grad_()
    mask = torch.ones(50, 2)
    dpo = -torch.nn.functional.logsigmoid(rewards[:, 0] - rewards[:, 1])
    (expected,) = torch.autograd.grad(dpo.sum(), rewards)
    for loss in (plackett_luce_loss, mpo_loss):
        losses = loss(rewards, mask)
        torch.testing.assert_close(losses, dpo, rtol=0, atol=1e-12)
        (grad,) = torch.autograd.grad(losses.sum(), rewards)
        torch.testing.assert_close(grad, expected, rtol=0, atol=1e-12)


def test_what_permutations_change():
    values = [1.0, 0.5, -0.5, -2.0]
    mpo = {
        tuple(rest): mpo_loss(*chain([values[0], *rest])).item()
        for rest in itertools.permutations(values[1:])
    }
    assert max(mpo.values()) == pytest.approx(min(mpo.values()), abs=1e-12)
    full = {
        plackett_luce_loss(*chain([values[0], *rest])).item() for rest in itertools.permutations(values[1:])
    }
    assert len({round(value, 9) for value in full}) == 6


def test_ties():
    rewards, mask = chain([2.5] * 5)
    rewards.requires_grad_()
    assert plackett_luce_loss(rewards, mask).item() == pytest.approx(math.log(math.factorial(5)), abs=1e-12)
    assert mpo_loss(rewards, mask).item() == pytest.approx(math.log(5), abs=1e-12)
    loss = ranking_hinge_loss(rewards, mask)
    assert loss.item() == 0
    (grad,) = torch.autograd.grad(loss.sum(), rewards)
    assert not grad.any()


@chain_losses
def test_short_chains_contribute_nothing(loss):
    values = torch.tensor([[3.0, math.nan, math.nan], [math.nan, math.nan, math.nan]], requires_grad=True)
    losses = loss(values, torch.tensor([[1, 0, 0], [0, 0, 0]]))
    assert losses.tolist() == [0, 0]
    (grad,) = torch.autograd.grad(losses.sum(), values)
    assert not grad.any()


@chain_losses
@pytest.mark.parametrize("padding", [math.nan, math.inf, -math.inf, 1e30])
@pytest.mark.parametrize("mask", [[1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1, 0, 1, 0, 1]])
def test_absent_completions_are_never_read(loss, padding, mask):
    mask = torch.tensor([mask])
    values = torch.full((1, 5), padding, dtype=torch.float64)
    values[mask.bool()] = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    values.requires_grad_()
    losses = loss(values, mask)
    torch.testing.assert_close(losses, loss(*chain([0.5, -1.0, 2.0])), rtol=0, atol=1e-12)
    (grad,) = torch.autograd.grad(losses.sum(), values)
    assert grad.isfinite().all()
    assert not grad[~mask.bool()].any()


@pytest.mark.parametrize("scale", [1.0, 1e2, 1e4])
@pytest.mark.parametrize("order", ["sorted", "reversed", "mixed"])
@pytest.mark.parametrize("name", CHAIN_LOSSES)
def test_long_chains_with_large_rewards(name, order, scale):
    values = np.random.default_rng(1).uniform(-scale, scale, 32)
    values = {"sorted": np.sort(values)[::-1], "reversed": np.sort(values), "mixed": values}[order]
    rewards = torch.tensor(values.copy()[None], dtype=torch.float32, requires_grad=True)
    loss = CHAIN_LOSSES[name](rewards, torch.ones(1, 32))
    expected = float(independent(name, rewards[0].tolist()))
    assert loss.item() == pytest.approx(expected, rel=2e-6, abs=1e-6)
    (grad,) = torch.autograd.grad(loss.sum(), rewards)
    exact = rewards.detach().double().requires_grad_()
    (expected_grad,) = torch.autograd.grad(CHAIN_LOSSES[name](exact, torch.ones(1, 32)).sum(), exact)
    torch.testing.assert_close(grad, expected_grad.float(), rtol=2e-3 if scale > 1e3 else 1e-4, atol=1e-4)


@chain_losses
def test_gradients_of_chains(loss):
    values = torch.randn(
        3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3)
    ).requires_grad_()
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]])
    assert torch.autograd.gradcheck(lambda v: loss(v, mask), (values,))


@chain_losses
def test_chains_do_not_see_each_other(loss):
    values, mask = chain([1.0, 0.0, -1.0], [0.0, 3.0], [5.0, 4.0, 3.0])
    together = loss(values, mask)
    alone = torch.cat([loss(values[i : i + 1], mask[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone, rtol=0, atol=0)


@chain_losses
def test_bf16_chains_are_computed_in_float32(loss):
    values, mask = chain([-812.5, -815.0, -811.0], dtype=torch.bfloat16)
    losses = loss(values, mask)
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses, loss(values.float(), mask))


@chain_losses
def test_a_mask_of_another_shape_is_refused(loss):
    with pytest.raises(ValueError, match=r"\(2, 5\) values and a mask of \(2, 4\)"):
        loss(torch.zeros(2, 5), torch.ones(2, 4))
