"""The reward functions of one batch of completions: awaitable ones run from the moment that the completions are there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from torch import nn

from vidalign.trainers._trl import is_async_callable

Outcome = list[float | None] | Exception | None
"""What a reward function returned or raised; None for a reward model, which the trainer runs itself."""


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
        """One outcome a function, in their order. Waits for those that run."""
        asked = time.perf_counter()
        outcomes = [self._outcome(index, function) for index, function in enumerate(self._functions)]
        self.waited = time.perf_counter() - asked
        return outcomes

    def _outcome(self, index: int, function: Any) -> Outcome:
        if isinstance(function, nn.Module):
            return None
        try:
            if index in self._running:
                return list(self._running[index].result())
            return list(function(**self._given))
        except Exception as error:
            return error

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
