"""Numbers in words."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from demo.measures import Run, Trial
from vidalign.report.statistics import Difference, spread

VERDICTS = "Differences below one standard error are called within noise, below two a hint, and the others beyond noise."


def verdict(gap: Difference) -> str:
    size = abs(gap.errors)
    word = "within noise" if size < 1 else "a hint" if size < 2 else "beyond noise"
    return f"{signed(gap.mean)} ({size:.1f} standard errors, {word})"


def signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def with_error(gap: Difference) -> str:
    return f"{signed(gap.mean)} ({gap.error:.3f})"


def nats(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def plus_minus(values: Sequence[float]) -> str:
    mean, deviation = spread(values)
    return f"{mean:.3f} ± {deviation:.3f}"


def memory(runs: Sequence[Run]) -> str:
    known = [run.peak_mb for run in runs if run.peak_mb is not None]
    return f"{fmean(known):.0f} MB" if known else "n/a"


def at_the_edge(title: str, trials: Sequence[Trial], rate: float) -> str | None:
    """A confession, where the chosen learning rate is the first or the last of the grid."""
    if len(trials) < 2 or rate not in (trials[0].rate, trials[-1].rate):
        return None
    side = "lowest" if rate == trials[0].rate else "highest"
    return f"{title} chose the {side} learning rate of the grid ({rate:g}): its best may lie outside."
