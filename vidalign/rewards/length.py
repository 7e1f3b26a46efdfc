"""AVoCaDO's length-regularised reward R_L (Eq. 8): full up to a soft limit, then falling to nothing at a hard one."""

from __future__ import annotations

from dataclasses import dataclass

from vidalign.rewards.reward import Batch, Reward, Score


def length_ramp(length: int, *, soft_limit: int = 2048, hard_limit: int = 4096) -> float:
    """R_L of a completion of `length` tokens, in [0, 1] (AVoCaDO Eq. 8, tau_1 and tau_2 from §3.2.4).

    Examples:
        >>> length_ramp(2000), length_ramp(3072), length_ramp(4096)
        (1.0, 0.5, 0.0)
    """
    if length < soft_limit:
        return 1.0
    if length < hard_limit:
        return 1.0 - (length - soft_limit) / (hard_limit - soft_limit)
    return 0.0


@dataclass
class LengthReward(Reward):
    """R_L of the completions' tokens, the closing one counted as TRL counts it.

    Args:
        soft_limit: tokens; shorter ones get 1.
        hard_limit: tokens; this many and more get 0. The limits may be equal: a step.

    Raises:
        ValueError: limits below 0 or in the wrong order; at the call, if it gets no `completion_ids`.
    """

    soft_limit: int = 2048
    hard_limit: int = 4096
    __name__ = "length_reward"

    def __post_init__(self) -> None:
        if not 0 <= self.soft_limit <= self.hard_limit:
            raise ValueError(
                f"soft_limit={self.soft_limit} and hard_limit={self.hard_limit}; they must be 0 <= soft_limit <= hard_limit"
            )

    async def scores(self, batch: Batch) -> list[Score]:
        if batch.ids is None:
            raise ValueError("length_reward counts tokens: pass completion_ids, as TRL does")
        if len(batch.ids) != len(batch.texts):
            raise ValueError(f"{len(batch.ids)} completion_ids for {len(batch.texts)} completions")
        lengths = [len(ids) for ids in batch.ids]
        batch.mean("length/over_soft_limit", [float(length >= self.soft_limit) for length in lengths])
        limits = {"soft_limit": self.soft_limit, "hard_limit": self.hard_limit}
        return [Score(length_ramp(length, **limits)) for length in lengths]
