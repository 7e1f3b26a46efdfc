"""What the rewards share: TRL's calling convention on one side, a batch of texts and their scores on the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from vidalign.llm.question import Judge
from vidalign.rows import MediaFolder, text_of


@dataclass(frozen=True)
class Score:
    """value: the reward, None if there is none. reason: why a reward that applies could not be scored; None where it does
    not apply, such as a checklist without keypoints."""

    value: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Batch:
    """What TRL hands to a reward function, one entry per completion.

    texts: what the model said. ids: its tokens, or None. columns: the data set's other columns.
    log_metric(name, value), log_extra(column, values): TRL's, or nothing.
    media_folder: where the trainer found the media that the model was shown; None if it does not say.
    """

    texts: list[str]
    ids: Sequence[Sequence[int]] | None
    columns: Mapping[str, Sequence[Any]]
    log_metric: Callable[[str, float], None]
    log_extra: Callable[[str, list[Any]], None]
    media_folder: MediaFolder | None = None

    def column(self, name: str, reward: str) -> Sequence[Any]:
        """Raises ValueError where the data set does not have it."""
        if name not in self.columns:
            have = ", ".join(sorted(self.columns)) or "no further columns"
            raise ValueError(
                f"{reward} needs the column {name!r}, and the dataset has {have}. `vidalign build keypoints` makes it from "
                "reference captions; None in a row means that the reward does not apply to it"
            )
        return self.columns[name]

    def mean(self, name: str, values: Sequence[float | None]) -> None:
        """Logs the mean of what is there."""
        there = [value for value in values if value is not None]
        if there:
            self.log_metric(name, sum(there) / len(there))


def text_of_completion(completion: Any) -> str:
    """The text of a completion, plain or conversational: of the assistant's messages, if any message has a role."""
    if isinstance(completion, Mapping):
        completion = [completion]
    if not isinstance(completion, str):
        completion = [m for m in completion or [] if m.get("role", "assistant") == "assistant"]
    return text_of(completion)


def batch_of(
    prompts: Sequence[Any] | None = None,
    completions: Sequence[Any] = (),
    completion_ids: Sequence[Sequence[int]] | None = None,
    log_metric: Callable[[str, float], None] | None = None,
    log_extra: Callable[[str, list[Any]], None] | None = None,
    media_folder: MediaFolder | None = None,
    **columns: Any,
) -> Batch:
    """TRL's arguments of a reward function, and one of `VideoGRPOTrainer`'s.

    Args:
        prompts: not looked at.
        completions: strings, or lists of messages.
        completion_ids: their tokens.
        log_metric, log_extra: TRL's.
        media_folder: where `VideoGRPOTrainer` finds media; columns have their paths as the data set has them.
        **columns: the data set's columns: the arguments that have one entry per completion.
    """
    return Batch(
        texts=[text_of_completion(completion) for completion in completions],
        ids=completion_ids,
        columns={
            name: values
            for name, values in columns.items()
            if isinstance(values, Sequence)
            and not isinstance(values, str)
            and len(values) == len(completions)
        },
        log_metric=log_metric or _nothing,
        log_extra=log_extra or _nothing,
        media_folder=media_folder,
    )


@dataclass
class Reward:
    """A reward function for TRL: awaitable, picklable; one number or None per completion.

    None is "not scored" or "does not apply", never zero. Subclasses give `__name__`, under which TRL logs it, and `scores`.
    """

    def judges(self) -> dict[str, Judge]:
        """Who answers, by task; empty for a reward that asks nobody.

        Raises:
            ValueError: the environment's settings of a judge cannot be.
        """
        return {}

    async def scores(self, batch: Batch) -> list[Score]:
        """One score per completion."""
        raise NotImplementedError

    async def __call__(self, prompts: Any = None, completions: Any = (), **given: Any) -> list[float | None]:
        """One reward per completion; the arguments are those of `batch_of`."""
        return [score.value for score in await self.scores(batch_of(prompts, completions, **given))]


@dataclass
class JudgedReward(Reward):
    """A reward that asks a judge: the given one, or the environment's (`VIDALIGN_JUDGE`, offline by default).

    Class attribute: `tasks`, what it asks.
    """

    judge: Judge | None = None
    tasks: ClassVar[tuple[str, ...]] = ()

    def asked(self) -> Judge:
        if self.judge is not None:
            return self.judge
        # Here, not above: importing rewards must not load an HTTP client.
        from vidalign.judge.environment import default_judge

        return default_judge()

    def judges(self) -> dict[str, Judge]:
        judge = self.asked()
        return {task: judge.of(task) for task in self.tasks}

    def log_judge(self, batch: Batch, scores: Sequence[Score], name: str) -> None:
        """The share that stayed unscored, and what each task's judge has done and cost in this process so far.

        By task, and no total: TRL takes the mean of what several functions log under one name."""
        batch.log_metric(f"{name}/unscored", sum(s.reason is not None for s in scores) / max(len(scores), 1))
        for task, judge in self.judges().items():
            if (counts := judge.ledger.tasks.get(task)) is not None:
                for count in ("calls", "cache_hits", "dollars"):
                    batch.log_metric(f"judge/{task}/{count}", getattr(counts, count))
                batch.log_metric(f"judge/{task}/unscored", counts.unscored.total())


def _nothing(name: str, value: Any) -> None:
    """Stands for TRL's logging where somebody else calls the reward."""
