"""How sure a number is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """value: the estimate. low, high: ends of its confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap_mean(
    values: Sequence[float], *, confidence: float = 0.95, resamples: int = 9999, seed: int = 0
) -> Interval:
    """The mean of independent values with its interval, by the bias-corrected and accelerated bootstrap (Efron 1987; scipy).

    Args:
        values: one a video, ≥ 1. The interval of fewer than two, or of equal values, is the value itself.
        confidence: of the interval, in (0, 1).
        resamples: ≥ 1.
        seed: equal seeds give equal intervals.

    Raises:
        ValueError: no values.
    """
    from scipy.stats import bootstrap

    if not len(values):
        raise ValueError("no values, so there is no mean; give at least one")
    sample = np.asarray(values, dtype=float)
    mean = float(sample.mean())
    if (sample == sample[0]).all():
        return Interval(mean, mean, mean)
    found = bootstrap(
        (sample,),
        np.mean,
        confidence_level=confidence,
        n_resamples=resamples,
        # Resamples of some hundred values at a time: all at once would take gigabytes for a large benchmark.
        batch=256,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(mean, float(found.low), float(found.high))


@dataclass(frozen=True)
class Difference:
    """mean: of the paired differences. error: their standard error over clips."""

    mean: float
    error: float

    @property
    def errors(self) -> float:
        """How many standard errors the difference is."""
        return (
            self.mean / self.error if self.error else math.copysign(math.inf, self.mean) if self.mean else 0.0
        )


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Mean and sample standard deviation (0 for one value)."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def difference(ours: Sequence[float], theirs: Sequence[float]) -> Difference:
    """Paired over clips. The standard error says how far the mean would move with other test clips; it does not cover
    other checkpoints, data or seeds."""
    gaps = [a - b for a, b in zip(ours, theirs, strict=True)]
    return Difference(statistics.fmean(gaps), statistics.stdev(gaps) / math.sqrt(len(gaps)))
