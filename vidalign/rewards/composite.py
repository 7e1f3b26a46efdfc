"""AVoCaDO's reward R = R_C + R_D + R_L (Eq. 9), in one function or in three that TRL weights and logs apart.

TRL adds up what the reward functions of a completion return and takes None for 0 there, unless all of them are None. So a
checklist that a judge failed to score would cost the caption its whole R_C. Here an unscored part takes the other parts of
that completion with it: the completion is left out of its group. A part that does not apply (no keypoints in the row)
counts 0 for the whole group and takes nothing with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from vidalign.llm.question import Judge
from vidalign.rewards.checklist import ChecklistReward
from vidalign.rewards.dialogue import DialogueReward
from vidalign.rewards.length import LengthReward
from vidalign.rewards.reward import Batch, Reward, Score, batch_of


def _avocado(judge: Judge | None = None) -> list[Reward]:
    return [ChecklistReward(judge), DialogueReward(judge), LengthReward()]


@dataclass
class SumReward(Reward):
    """The weighted sum of rewards: None where one of them could not be scored, or where none applies.

    The parts are logged under their own names. For trainers that take one function; with TRL's GRPOTrainer `joint_rewards` also
    gives each part its own curve and weight.

    Args:
        rewards: the parts; default AVoCaDO's three, with the environment's judge (Eq. 9).
        weights: one a part; default 1 each.
    """

    rewards: Sequence[Reward] = field(default_factory=_avocado)
    weights: Sequence[float] | None = None
    __name__ = "avocado_reward"

    def __post_init__(self) -> None:
        if self.weights is not None and len(self.weights) != len(self.rewards):
            raise ValueError(f"{len(self.weights)} weights for {len(self.rewards)} rewards")

    def judges(self) -> dict[str, Judge]:
        return {task: judge for reward in self.rewards for task, judge in reward.judges().items()}

    async def scores(self, batch: Batch) -> list[Score]:
        parts = await _all_scores(self.rewards, batch)
        for reward, scores in zip(self.rewards, parts, strict=True):
            batch.mean(f"{self.__name__}/{_name(reward)}", [score.value for score in scores])
        return [self._sum(row) for row in zip(*parts, strict=True)]

    def _sum(self, row: Sequence[Score]) -> Score:
        if reasons := [score.reason for score in row if score.reason is not None]:
            return Score(reason=reasons[0])
        weights = self.weights or [1.0] * len(row)
        there = [weight * s.value for weight, s in zip(weights, row, strict=True) if s.value is not None]
        return Score(sum(there)) if there else Score()


class JointRewards:
    """Rewards of which all or none count for a completion, scored once a batch, whichever of them is called first."""

    def __init__(self, rewards: Sequence[Reward]) -> None:
        self.rewards = list(rewards)
        self._completions: Any = None
        self._scored: asyncio.Task[list[list[float | None]]] | None = None
        self._collected: set[int] = set()

    def __getstate__(self) -> dict[str, Any]:
        return {"rewards": self.rewards}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["rewards"])  # type: ignore[misc]

    async def values(self, index: int, completions: Any, given: Any) -> list[float | None]:
        """Part `index` of a batch. TRL hands the same list of completions to every function of a step, and calls each once."""
        if self._scored is None or self._completions is not completions or index in self._collected:
            self._completions, self._collected = completions, set()
            self._scored = asyncio.ensure_future(self._score(completions, given))
        self._collected.add(index)
        return (await asyncio.shield(self._scored))[index]

    async def _score(self, completions: Any, given: Any) -> list[list[float | None]]:
        parts = await _all_scores(self.rewards, batch_of(None, completions, **given))
        lost = [any(score.reason is not None for score in row) for row in zip(*parts, strict=True)]
        return [[None if gone else s.value for s, gone in zip(part, lost, strict=True)] for part in parts]


@dataclass
class PartReward(Reward):
    """One of the rewards that are scored together."""

    joint: JointRewards
    index: int

    @property
    def __name__(self) -> str:
        return _name(self.joint.rewards[self.index])

    def judges(self) -> dict[str, Judge]:
        return self.joint.rewards[self.index].judges()

    async def __call__(self, prompts: Any = None, completions: Any = (), **given: Any) -> list[float | None]:
        return await self.joint.values(self.index, completions, given)


def joint_rewards(rewards: Sequence[Reward]) -> list[Reward]:
    """The rewards as functions for TRL's `reward_funcs`, each logged under its own name and weighted by `reward_weights`, of
    which all or none count for a completion.

    They belong together: pass all of them to one trainer, and pickle them as one list.
    """
    joint = JointRewards(rewards)
    return [PartReward(joint, index) for index in range(len(rewards))]


def avocado_rewards(judge: Judge | None = None) -> list[Reward]:
    """R_C, R_D and R_L (AVoCaDO Eq. 9) as three reward functions, `checklist_reward`, `dialogue_reward` and
    `length_reward`. `judge`: default the environment's."""
    return joint_rewards(_avocado(judge))


async def _all_scores(rewards: Sequence[Reward], batch: Batch) -> list[list[Score]]:
    results = await asyncio.gather(*(reward.scores(batch) for reward in rewards), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results  # type: ignore[return-value]


def _name(reward: Reward) -> str:
    return getattr(reward, "__name__", type(reward).__name__)
