"""The reward functions of one batch of completions: awaitable ones run from the moment that the completions are there, and
all answer for every process or none does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from torch import nn

from vidalign.encoding.images import read_image
from vidalign.llm.question import Judge
from vidalign.rewards.reward import Reward
from vidalign.rows import MediaFolder
from vidalign.trainers._trl import is_async_callable, reward_arguments
from vidalign.trainers.collators import ROW
from vidalign.trainers.media_columns import HIDDEN
from vidalign.trainers.online.stopping import agree

Outcome = list[float | None] | Exception | None
"""What a reward function returned or raised; None for a reward model, which TRL runs itself."""
SHOWN = {hidden: name for name, hidden in HIDDEN.items()}


class CollectedReward:
    """Stands in TRL's `reward_funcs` for a function that ran beside the scoring: returns what that returned for the batch.

    Args:
        function: as the user gave it.
        outcome: of the function, for the batch that TRL rewards.
    """

    def __init__(self, function: Callable[..., Any], outcome: Callable[[], Outcome]) -> None:
        self.function, self._outcome = function, outcome

    def __call__(self, **_: Any) -> Outcome:
        return self._outcome()


def collected(functions: Sequence[Any], outcomes: Callable[[], Sequence[Outcome]]) -> list[Any]:
    """TRL's `reward_funcs` in their order, reward models as they are, the others as `CollectedReward`.

    outcomes: one a function, of the batch that TRL rewards.
    """

    def outcome(index: int) -> Outcome:
        return outcomes()[index]

    return [
        function if isinstance(function, nn.Module) else CollectedReward(function, partial(outcome, index))
        for index, function in enumerate(functions)
    ]


def judges_asked(functions: Any) -> list[tuple[str, Judge]]:
    """Who answers the rewards' questions: tasks with their judges, a task again for each further judge of it.

    functions: TRL's `reward_funcs`, one or several, given or collected.

    Raises:
        ValueError: the environment's settings of a judge cannot be.
    """
    given = functions if isinstance(functions, list) else [functions]
    rewards = [reward.function if isinstance(reward, CollectedReward) else reward for reward in given]
    every = [pair for reward in rewards if isinstance(reward, Reward) for pair in reward.judges().items()]
    return list({(task, id(judge)): (task, judge) for task, judge in every}.values())


class Rewarding:
    """Runs the reward functions of one batch.

    Awaitable ones start at once, in `loop`, and go on while the caller scores the completions with the policy and the
    reference. The others run when the results are collected, in the caller's thread.

    Args:
        functions: TRL's `reward_funcs`; those that are no `CollectedReward` are left to TRL.
        loop: where awaitable ones run; may be None if there are none.
        given: keyword arguments of every call (`prompts`, `completions`, `completion_ids`, columns, ...).
    """

    def __init__(
        self, functions: Sequence[Any], loop: asyncio.AbstractEventLoop | None, given: dict[str, Any]
    ) -> None:
        self._functions = {
            index: own.function for index, own in enumerate(functions) if isinstance(own, CollectedReward)
        }
        self._number, self._given = len(functions), given
        self._started = time.perf_counter()
        self._ended = self._started
        self._running: dict[int, Future[Any]] = {}
        for index, function in self._functions.items():
            if loop is not None and is_async_callable(function):
                self._running[index] = asyncio.run_coroutine_threadsafe(self._timed(function), loop)

    async def _timed(self, function: Callable[..., Any]) -> Any:
        try:
            return await function(**self._given)
        finally:
            self._ended = max(self._ended, time.perf_counter())

    def collect(self) -> list[Outcome]:
        """One outcome a function, in their order. Runs the blocking ones, and waits for the others."""
        outcomes: list[Outcome] = [None] * self._number
        for index, function in self._functions.items():
            if index not in self._running:
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

    def collect_everywhere(self, accelerator: Any, names: Sequence[str]) -> list[Outcome]:
        """`collect` in all processes, which must call it together.

        names: of the functions.

        Raises:
            BatchFailure: in every process, if a function failed in one.
        """
        outcomes = self.collect()
        failed = [
            (f"the reward {name}", outcome)
            for name, outcome in zip(names, outcomes, strict=True)
            if isinstance(outcome, Exception)
        ]
        agree(accelerator, *(failed[0] if failed else ("a reward function", None)))
        return outcomes

    def cancel(self) -> None:
        """Stops what still runs."""
        for future in self._running.values():
            future.cancel()

    def times(self) -> dict[str, float]:
        """After `collect`, as they are logged: the share of the awaitable functions' time in which the caller did something
        else, and the seconds that it waited for them. Nothing without awaitable functions."""
        total = self._ended - self._started
        if not self._running or total <= 0:
            return {}
        hidden = max(0.0, 1 - self.waited / total)
        return {"reward_time/hidden_share": hidden, "reward_time/waited": self.waited}


def begun_rewards(
    trainer: Any,
    rows: Sequence[Mapping[str, Any]],
    prompts: list[Any],
    completions: list[Any],
    completion_ids: list[list[int]],
) -> Rewarding:
    """The reward functions of a `GRPOTrainer`, begun on its completions of the rows."""
    given = {
        **_columns_seen(rows, trainer._folder),
        **reward_arguments(trainer),
        "prompts": prompts,
        "completions": completions,
        "completion_ids": completion_ids,
        "media_folder": trainer._folder,
    }
    return Rewarding(trainer.reward_funcs, getattr(trainer, "async_loop", None), given)


def _columns_seen(rows: Sequence[Mapping[str, Any]], folder: MediaFolder) -> dict[str, list[Any]]:
    """The columns that reward functions are given: all of the dataset's but the prompt, which they are given anyway."""
    return {
        SHOWN.get(name, name): [_as_seen(name, row[name], folder) for row in rows]
        for name in rows[0]
        if name not in ("prompt", "completion", "completion_ids", ROW)
    }


def _as_seen(column: str, value: Any, folder: MediaFolder) -> Any:
    """What a reward function is given of a column: what the row holds, but pictures in place of the files of a column of
    `datasets.Image`, as from TRL."""
    if column not in SHOWN or value is None:
        return value
    if isinstance(value, list):
        return [_as_seen(column, item, folder) for item in value]
    return read_image(folder.locate(value)) if isinstance(value, Mapping) else value
