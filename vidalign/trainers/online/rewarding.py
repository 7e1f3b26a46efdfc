"""The reward functions of one batch of completions: awaitable ones run from the moment that the completions are there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from torch import nn

from vidalign.llm.question import Judge
from vidalign.rewards.reward import Reward
from vidalign.trainers._trl import is_async_callable

Outcome = list[float | None] | Exception | None
"""What a reward function returned or raised; None for a reward model, which the trainer runs itself."""


def judges_asked(functions: Any) -> list[tuple[str, Judge]]:
    """Who answers the rewards' questions: tasks with their judges, a task again for each further judge of it.

    functions: TRL's `reward_funcs`, one or several.

    Raises:
        ValueError: the environment's settings of a judge cannot be.
    """
    rewards = functions if isinstance(functions, list) else [functions]
    every = [pair for reward in rewards if isinstance(reward, Reward) for pair in reward.judges().items()]
    return list({(task, id(judge)): (task, judge) for task, judge in every}.values())


class Rewarding:
    """Runs the reward functions of one batch.

    Awaitable ones start at once, in `loop`, and go on while the caller scores the completions with the policy and the
    reference. The others run when the results are collected, in the caller's thread.

    Args:
        functions: as TRL's `reward_funcs`.
        loop: where awaitable ones run; may be None if there are none.
        given: keyword arguments of every call (`prompts`, `completions`, `completion_ids`, columns, ...).
    """

    def __init__(
        self, functions: Sequence[Any], loop: asyncio.AbstractEventLoop | None, given: dict[str, Any]
    ) -> None:
        self._functions, self._given = functions, given
        self._started = time.perf_counter()
        self._ended = self._started
        self._running: dict[int, Future[Any]] = {}
        for index, function in enumerate(functions):
            if loop is not None and not isinstance(function, nn.Module) and is_async_callable(function):
                self._running[index] = asyncio.run_coroutine_threadsafe(self._timed(function), loop)

    async def _timed(self, function: Callable[..., Any]) -> Any:
        try:
            return await function(**self._given)
        finally:
            self._ended = max(self._ended, time.perf_counter())

    def collect(self) -> list[Outcome]:
        """One outcome a function, in their order. Runs the blocking ones, and waits for the others."""
        outcomes: list[Outcome] = [None] * len(self._functions)
        for index, function in enumerate(self._functions):
            if index not in self._running and not isinstance(function, nn.Module):
                outcomes[index] = self._outcome(partial(function, **self._given))
        asked = time.perf_counter()
        for index, future in self._running.items():
            outcomes[index] = self._outcome(future.result)
        self.waited = time.perf_counter() - asked
        return outcomes

    def _outcome(self, result: Callable[[], Any]) -> Outcome:
        expected = len(self._given["completions"])
        try:
            rewards = [None if reward is None else float(reward) for reward in result()]
        except Exception as error:
            return error
        if len(rewards) != expected:
            return ValueError(
                f"returned {len(rewards)} rewards for {expected} completions; return one each, None where there is none"
            )
        return rewards

    def cancel(self) -> None:
        """Stops what still runs."""
        for future in self._running.values():
            future.cancel()

    @property
    def hidden(self) -> float | None:
        """After `collect`: the share of the awaitable functions' time in which the caller did something else."""
        total = self._ended - self._started
        if not self._running or total <= 0:
            return None
        return max(0.0, 1 - self.waited / total)
