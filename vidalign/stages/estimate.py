"""What a run would cost, before it costs anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cost:
    """What is expected. A number that is not known is None, and so is every sum with it.

    calls: requests, or captions that a model on this machine samples. input_tokens, output_tokens: of these. dollars: their
    price. seconds: of work, one after another. most_calls: at most, where answers may have to be asked for again; None: `calls`.
    """

    calls: int = 0
    input_tokens: int | None = 0
    output_tokens: int | None = 0
    dollars: float | None = 0.0
    seconds: float | None = 0.0
    most_calls: int | None = None

    @property
    def at_most(self) -> int:
        return self.calls if self.most_calls is None else self.most_calls

    def __add__(self, other: Cost) -> Cost:
        most = None if self.most_calls is other.most_calls is None else self.at_most + other.at_most
        return Cost(
            self.calls + other.calls,
            _sum(self.input_tokens, other.input_tokens),
            _sum(self.output_tokens, other.output_tokens),
            _sum(self.dollars, other.dollars),
            _sum(self.seconds, other.seconds),
            most,
        )


@dataclass(frozen=True)
class StageEstimate:
    """rows: that reach the stage at most. done: of them, with a result. cost: of the others; None where the stage names none."""

    rows: int
    done: int
    cost: Cost | None


@dataclass(frozen=True)
class Estimate:
    """Of a dry run: each stage's, by name."""

    stages: Mapping[str, StageEstimate]

    @property
    def total(self) -> Cost:
        return sum((one.cost for one in self.stages.values() if one.cost is not None), Cost())

    def __str__(self) -> str:
        costs = [(name, (f"{one.rows:,}", f"{one.done:,}"), one.cost) for name, one in self.stages.items()]
        costs.append(("total", ("", ""), self.total))
        # A column of its own only where it says something.
        most = any(cost is not None and cost.at_most != cost.calls for _, _, cost in costs)
        names = ("calls", *(["at most"] if most else []), "tokens in", "tokens out", "dollars", "hours")
        lines: list[tuple[str, ...]] = [("stage", "rows", "done", *names)]
        lines += [
            (name, *counts, *(("unknown",) * len(names) if cost is None else _cells(cost, most)))
            for name, counts, cost in costs
        ]
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )


def _cells(cost: Cost, most: bool) -> tuple[str, ...]:
    hours = None if cost.seconds is None else cost.seconds / 3600
    return (
        f"{cost.calls:,}",
        *([f"{cost.at_most:,}"] if most else []),
        _shown(cost.input_tokens, ",d"),
        _shown(cost.output_tokens, ",d"),
        _shown(cost.dollars, ",.2f"),
        _shown(hours, ".2f"),
    )


def _shown(value: float | None, form: str) -> str:
    return "unknown" if value is None else format(value, form)


def _sum(one: Any, other: Any) -> Any:
    return None if one is None or other is None else one + other
