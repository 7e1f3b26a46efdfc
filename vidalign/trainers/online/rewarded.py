"""A trainer whose rewards are asked as soon as the completions are there, and answer for all processes or for none."""

from __future__ import annotations

from typing import Any

import torch

from vidalign.rows import MediaFolder
from vidalign.trainers.collators import ROW
from vidalign.trainers.online.rewarding import Rewarding
from vidalign.trainers.online.rollouts import IMAGES_SEEN, as_seen
from vidalign.trainers.online.stopping import agree


class RewardedRollouts:
    """Mixed into a trainer of TRL's that rewards completions, before it. TRL's own sums, metrics and reward models stay.

    The trainer sets `_rows` to those of a batch before it generates, and calls `_end_rewards` behind it.
    """

    # Of the trainer.
    model: Any
    state: Any
    accelerator: Any
    environments: Any
    reward_funcs: list[Any]
    reward_func_names: list[str]
    _folder: MediaFolder
    _metrics: Any
    _log_completion_extra: Any
    _log_metric: Any

    _rows: list[dict[str, Any]]
    _rewarding: Rewarding | None = None

    def _generate(self, prompts: list[Any]) -> tuple[Any, ...]:
        output = super()._generate(prompts)  # type: ignore[misc]
        _, completion_ids, _, completions, _, extra_fields, *_ = output
        if not extra_fields:  # which are columns of the rows, but only once the completions have been scored
            self._rewarding = self._start_rewards(prompts, completions, completion_ids)
        return output

    def _start_rewards(
        self, prompts: list[Any], completions: list[Any], completion_ids: list[list[int]]
    ) -> Rewarding:
        given: dict[str, Any] = {
            IMAGES_SEEN.get(name, name): [as_seen(name, row[name], self._folder) for row in self._rows]
            for name in self._rows[0]
            if name not in ("prompt", "completion", "completion_ids", ROW)
        }
        given |= {
            "prompts": prompts,
            "completions": completions,
            "completion_ids": completion_ids,
            "trainer_state": self.state,
            "log_extra": self._log_completion_extra,
            "log_metric": self._log_metric,
            "media_folder": self._folder,
        }
        if self.environments is not None:
            given["environments"] = self.environments
        return Rewarding(self.reward_funcs, getattr(self, "async_loop", None), given)

    def _calculate_rewards(
        self, inputs: list[Any], prompts: list[Any], completions: list[Any], completion_ids_list: list[Any]
    ) -> torch.Tensor:
        self._rows = inputs
        rewarding = self._rewarding or self._start_rewards(prompts, completions, completion_ids_list)
        outcomes = rewarding.collect()
        failed = [
            (f"the reward {name}", outcome)
            for name, outcome in zip(self.reward_func_names, outcomes, strict=True)
            if isinstance(outcome, Exception)
        ]
        agree(self.accelerator, *(failed[0] if failed else ("a reward function", None)))
        metrics = self._metrics["train" if self.model.training else "eval"]
        if rewarding.hidden is not None:
            metrics["reward_time/hidden_share"].append(rewarding.hidden)
            metrics["reward_time/waited"].append(rewarding.waited)
        functions = self.reward_funcs
        self.reward_funcs = [
            _returning(outcome) if isinstance(outcome, list) else function
            for function, outcome in zip(functions, outcomes, strict=True)
        ]
        try:
            return super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)  # type: ignore[misc]
        finally:
            self.reward_funcs = functions

    def _end_rewards(self) -> None:
        if self._rewarding is not None:
            self._rewarding.cancel()
        self._rewarding, self._rows = None, []


def _returning(outcome: list[float | None]) -> Any:
    return lambda **_: outcome
