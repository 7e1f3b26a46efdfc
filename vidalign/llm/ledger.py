"""What was asked, answered and spent, and the budget that stops it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any


class JudgeError(RuntimeError):
    """No further question can be answered either: training or a build should stop here. Answers so far are cached."""


class BudgetExceeded(JudgeError):
    """The budget does not allow another call."""


class JudgeDown(JudgeError):
    """`patience` questions in a row had no usable answer."""


@dataclass
class Ledger:
    """Counts of one judge in one process.

    asked: questions. calls: requests sent, retries among them. cache_hits, shared: questions answered by the disk cache
    and by somebody's request for the same thing that was already under way.
    answered: questions with a value. unscored: the others, by reason. retries: by reason.
    input_tokens, output_tokens: as the providers report them. dollars: as litellm or `price` has it.
    unpriced: answered requests of which no price is known.
    tasks: the same by task, as far as the judge books it so.
    """

    asked: int = 0
    calls: int = 0
    cache_hits: int = 0
    shared: int = 0
    answered: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    dollars: float = 0.0
    unpriced: int = 0
    unscored: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    tasks: dict[str, Ledger] = field(default_factory=dict)

    def book(
        self, task: str, *, unscored: str | None = None, retried: str | None = None, **counts: float
    ) -> None:
        """Adds to the total and to the task's counts.

        unscored, retried: reasons, once each. counts: by name of a field.
        """
        for ledger in (self, self.tasks.setdefault(task, Ledger())):
            ledger.unscored.update([] if unscored is None else [unscored])
            ledger.retries.update([] if retried is None else [retried])
            for name, count in counts.items():
                setattr(ledger, name, getattr(ledger, name) + count)

    @classmethod
    def sum(cls, ledgers: Iterable[Ledger]) -> Ledger:
        """What several judges did together, in all and by task."""
        total = cls()
        for ledger in ledgers:
            total._add(ledger)
        return total

    def _add(self, other: Ledger) -> None:
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        # Copies: the judge's thread books while others look.
        self.unscored.update(dict(other.unscored))
        self.retries.update(dict(other.retries))
        for task, counts in list(other.tasks.items()):
            self.tasks.setdefault(task, Ledger())._add(counts)

    def summary(self) -> dict[str, Any]:
        """All counts, as JSON."""
        return {
            **{name: getattr(self, name) for name in _NUMBERS},
            "unscored": dict(self.unscored),
            "retries": dict(self.retries),
            "tasks": {task: counts.summary() for task, counts in self.tasks.items()},
        }

    def __str__(self) -> str:
        lost = ", ".join(f"{reason} {count}" for reason, count in self.unscored.most_common())
        price = "unknown" if self.unpriced and not self.dollars else f"{self.dollars:.4f}"
        return (
            f"{self.asked} questions: {self.answered} answered ({self.cache_hits} from the cache), "
            f"{self.unscored.total()} unscored{f' ({lost})' if lost else ''}; {self.calls} calls, "
            f"{self.input_tokens} + {self.output_tokens} tokens, {price} dollars"
        )


_NUMBERS = [f.name for f in fields(Ledger) if f.name not in ("unscored", "retries", "tasks")]


@dataclass
class Budget:
    """What one process may still spend. A call is allowed only if its worst case still fits.

    max_calls: requests. max_dollars: dollars.
    """

    max_calls: int | None
    max_dollars: float | None
    calls: int = 0
    dollars: float = 0.0
    reserved: float = 0.0
    under_way: int = 0

    def fits(self, worst: float) -> bool:
        """Whether a call that may cost up to `worst` dollars fits, beside those under way."""
        return self.max_dollars is None or self.dollars + self.reserved + worst <= self.max_dollars

    def spent(self) -> str | None:
        """Why no call is left, whatever else is under way; None if one is."""
        if self.max_calls is not None and self.calls >= self.max_calls:
            return f"{self.calls} of {self.max_calls} calls are made (max_calls)"
        return None
