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

from vidalign.losses.chains import mpo_loss, plackett_luce_loss, ranking_hinge_loss
from vidalign.losses.pairs import (
    SYNPO_VARIANTS,
    cpo_loss,
    dpop_loss,
    ipo_loss,
    mean_logps,
    simper_loss,
    simpo_loss,
    synpo_loss,
)

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
