"""The losses on per-token log-probabilities, and pairs to try them on."""

import pytest
import torch

from vidalign.losses import SYNPO_VARIANTS, cpo_loss, simper_loss, simpo_loss, synpo_loss

# Every loss on per-token log-probabilities, each SynPO variant included.
TOKEN_LOSSES = {
    **{f"synpo-{v}": (lambda *a, v=v, **k: synpo_loss(*a, variant=v, **k)) for v in SYNPO_VARIANTS},
    "simpo": simpo_loss,
    "cpo": cpo_loss,
    "simper": simper_loss,
}
token_losses = pytest.mark.parametrize("loss", TOKEN_LOSSES.values(), ids=TOKEN_LOSSES.keys())


def random_pairs(batch=5, chosen_length=7, rejected_length=11, seed=0, scale=1.0, dtype=torch.float64):
    """Log-probabilities in which every row keeps at least one token and the mask has holes."""
    generator = torch.Generator().manual_seed(seed)
    out = []
    for length in (chosen_length, rejected_length):
        logps = -scale * torch.rand(batch, length, generator=generator, dtype=torch.float64)
        mask = torch.rand(batch, length, generator=generator) < 0.7
        mask[:, length // 2] = True
        out.append((logps.to(dtype), mask))
    (chosen, chosen_mask), (rejected, rejected_mask) = out
    return chosen, rejected, chosen_mask, rejected_mask
