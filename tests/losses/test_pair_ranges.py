"""Losses of pairs whatever the numbers: masks and padding, precision, lengths, empty completions."""

import pytest
import torch
from token_losses import random_pairs, token_losses

from vidalign.losses import (
    dpop_loss,
    synpo_loss,
)

# --- masks and padding -------------------------------------------------------------------------------------------------


@token_losses
@pytest.mark.parametrize("padding", [0.0, -1e30, float("-inf"), float("nan")])
@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_equals_unpadded(loss, padding, side):
    w = torch.log(torch.tensor([[0.3, 0.6, 0.9]], dtype=torch.float64)).requires_grad_()
    l = torch.log(torch.tensor([[0.2, 0.4]], dtype=torch.float64)).requires_grad_()
    plain = loss(w, l, torch.ones(1, 3), torch.ones(1, 2))
    plain_gradients = torch.autograd.grad(plain.sum(), (w, l))

    def pad(x, n, value):
        return torch.nn.functional.pad(x, (n, 0) if side == "left" else (0, n), value=value)

    padded = loss(
        pad(w, 4, padding), pad(l, 3, padding), pad(torch.ones(1, 3), 4, 0), pad(torch.ones(1, 2), 3, 0)
    )
    torch.testing.assert_close(padded, plain, rtol=1e-12, atol=0)
    for gradient, plain_gradient in zip(
        torch.autograd.grad(padded.sum(), (w, l)), plain_gradients, strict=True
    ):
        torch.testing.assert_close(gradient, plain_gradient, rtol=1e-12, atol=0)


@token_losses
def test_padding_gets_no_gradient(loss):
    chosen, rejected, chosen_mask, rejected_mask = random_pairs()
    chosen = chosen.masked_fill(~chosen_mask, float("nan")).requires_grad_()
    rejected = rejected.masked_fill(~rejected_mask, float("-inf")).requires_grad_()
    loss(chosen, rejected, chosen_mask, rejected_mask).sum().backward()
    assert chosen.grad[~chosen_mask].eq(0).all() and rejected.grad[~rejected_mask].eq(0).all()
    assert chosen.grad[chosen_mask].isfinite().all() and rejected.grad[rejected_mask].isfinite().all()
    assert chosen.grad[chosen_mask].ne(0).all()


@token_losses
def test_a_shifted_mask_changes_the_loss(loss):
    chosen, rejected, *_ = random_pairs(batch=1)
    # A prompt of three tokens, the completion, and one token of padding.
    chosen_mask = torch.tensor([[0, 0, 0, 1, 1, 1, 0]])
    rejected_mask = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 0]])
    base = loss(chosen, rejected, chosen_mask, rejected_mask)
    assert not torch.allclose(loss(chosen, rejected, chosen_mask.roll(1, 1), rejected_mask), base, rtol=1e-6)
    assert not torch.allclose(loss(chosen, rejected, chosen_mask, rejected_mask.roll(1, 1)), base, rtol=1e-6)


@token_losses
@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.float32])
def test_any_mask_dtype(loss, dtype):
    chosen, rejected, chosen_mask, rejected_mask = random_pairs()
    torch.testing.assert_close(
        loss(chosen, rejected, chosen_mask.to(dtype), rejected_mask.to(dtype)),
        loss(chosen, rejected, chosen_mask, rejected_mask),
    )


@token_losses
def test_rows_do_not_see_each_other(loss):
    pairs = random_pairs()
    together = loss(*pairs)
    alone = torch.cat([loss(*(x[i : i + 1] for x in pairs)) for i in range(len(together))])
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=0)


@token_losses
def test_unshifted_mask_is_refused(loss):
    chosen, rejected, chosen_mask, rejected_mask = random_pairs()
    with pytest.raises(ValueError, match=r"differ in shape.*mask\[:, 1:\]"):
        loss(chosen[:, 1:], rejected, chosen_mask, rejected_mask)


# --- numerical range ---------------------------------------------------------------------------------------------------


@token_losses
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("length", [1, 2, 257, 4096])
@pytest.mark.parametrize(
    ("chosen_logp", "rejected_logp"), [(-50, -50), (-50, 0), (0, -50), (0, 0), (-1e-3, -2)]
)
def test_finite(loss, dtype, length, chosen_logp, rejected_logp):
    chosen = torch.full((2, length), chosen_logp, dtype=dtype, requires_grad=True)
    rejected = torch.full((2, length), rejected_logp, dtype=dtype, requires_grad=True)
    losses = loss(chosen, rejected, torch.ones(2, length), torch.ones(2, length))
    losses.mean().backward()
    assert losses.dtype == torch.float32 and losses.isfinite().all()
    assert chosen.grad.isfinite().all() and rejected.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_finite_dpop(dtype):
    # Sums of 4,096 tokens at -50, against a reference at 0, and the reverse.
    extremes = torch.tensor([-204_800.0, 0.0, -204_800.0, 0.0], dtype=dtype)
    inputs = [extremes.clone().roll(k).requires_grad_() for k in range(4)]
    losses = dpop_loss(*inputs)
    losses.mean().backward()
    assert losses.dtype == torch.float32 and losses.isfinite().all()
    assert all(x.grad.isfinite().all() for x in inputs)


@token_losses
def test_bf16_is_computed_in_float32(loss):
    # Values that bf16 holds exactly, whose sum over 4,096 tokens it does not.
    chosen = torch.full((1, 4096), -0.0302734375, dtype=torch.bfloat16)
    rejected = torch.full((1, 4096), -0.0306396484375, dtype=torch.bfloat16)
    chosen[0, ::3] = -1.0
    ones = torch.ones(1, 4096)
    exact = loss(chosen.double(), rejected.double(), ones, ones)
    torch.testing.assert_close(loss(chosen, rejected, ones, ones).double(), exact, rtol=2e-6, atol=1e-7)


@token_losses
def test_float64_stays_float64(loss):
    assert loss(*random_pairs()).dtype == torch.float64


@token_losses
@pytest.mark.parametrize("empty", ["chosen", "rejected", "both"])
@pytest.mark.parametrize("padding", [-1.0, float("nan")])
def test_an_empty_completion_contributes_nothing(loss, empty, padding):
    chosen, rejected, chosen_mask, rejected_mask = random_pairs(batch=3)
    expected = loss(chosen, rejected, chosen_mask, rejected_mask)
    for side, logps, mask in (("chosen", chosen, chosen_mask), ("rejected", rejected, rejected_mask)):
        if empty in (side, "both"):
            mask[1], logps[1] = False, padding
    chosen.requires_grad_(), rejected.requires_grad_()
    losses = loss(chosen, rejected, chosen_mask, rejected_mask)
    losses.sum().backward()
    assert losses[1] == 0 and chosen.grad[1].eq(0).all() and rejected.grad[1].eq(0).all()
    # The pairs beside it are as they were.
    torch.testing.assert_close(losses[[0, 2]], expected[[0, 2]], rtol=1e-12, atol=0)
    assert chosen.grad[[0, 2]].isfinite().all() and chosen.grad[[0, 2]].any(-1).all()


def test_unknown_variant():
    with pytest.raises(
        ValueError, match="'v6' is not a SynPO variant; choose one of synpo, v1, v2, v3, v4, v5"
    ):
        synpo_loss(*random_pairs(), variant="v6")
