"""What a run would cost, before it costs anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Cost:
    """calls: requests. input_tokens, output_tokens: of these. dollars: their price, None where it is not known. seconds: of
    work, one after another."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    dollars: float | None = 0.0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        dollars = None if None in (self.dollars, other.dollars) else self.dollars + other.dollars  # type: ignore[operator]
        return Cost(
            self.calls + other.calls,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            dollars,
            self.seconds + other.seconds,
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
        lines: list[tuple[str, ...]] = [
            ("stage", "rows", "done", "calls", "tokens in", "tokens out", "dollars", "hours")
        ]
        for name, one in [*self.stages.items(), ("total", StageEstimate(0, 0, self.total))]:
            counts = ("", "") if name == "total" else (f"{one.rows:,}", f"{one.done:,}")
            lines.append((name, *counts, *_cells(one.cost)))
        widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
        return "\n".join(
            "  ".join(
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )


def _cells(cost: Cost | None) -> tuple[str, ...]:
    if cost is None:
        return ("unknown",) * len(fields(Cost))
    dollars = "unknown" if cost.dollars is None else f"{cost.dollars:,.2f}"
    return (
        f"{cost.calls:,}",
        f"{cost.input_tokens:,}",
        f"{cost.output_tokens:,}",
        dollars,
        f"{cost.seconds / 3600:.2f}",
    )
