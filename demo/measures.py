"""What is measured of runs, and how runs are compared."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Evaluation:
    """Held-out clips. captions: greedy. recall, precision: of each clip, in [0, 1], in the split's order.

    chain_logps: summed log-prob of each caption of each clip's chain, best first, in nats; empty where none were asked.
    """

    captions: list[str]
    recall: list[float]
    precision: list[float]
    chain_logps: list[list[float]] = field(default_factory=list)

    @property
    def mean_recall(self) -> float:
        return statistics.fmean(self.recall)

    @property
    def mean_precision(self) -> float:
        return statistics.fmean(self.precision)

    @property
    def order(self) -> list[float]:
        """Of each chain, the share of its pairs whose better caption has the higher log-prob."""
        return [pairs_in_order(logps) for logps in self.chain_logps]

    @property
    def mean_order(self) -> float:
        return statistics.fmean(self.order)


@dataclass(frozen=True)
class Run:
    """One training run.

    rate: learning rate of the matrices. log: the trainer's own log, one dictionary every few steps.
    probe: (step, chosen, rejected): mean summed log-prob of held-out pairs, in nats. step_seconds: median.
    peak_mb: growth of peak resident memory during training, None where it cannot be measured.
    """

    seed: int
    rate: float
    log: list[dict[str, float]]
    probe: list[tuple[int, float, float]]
    step_seconds: float
    peak_mb: float | None
    evaluation: Evaluation


@dataclass(frozen=True)
class Trial:
    """One learning rate tried on the validation clips: means there. order: of their chains, None where there are none."""

    rate: float
    recall: float
    precision: float
    order: float | None = None


def pairs_in_order(logps: Sequence[float]) -> float:
    """Share of the pairs i < j with the first higher; a tie is not in order."""
    pairs = [better > worse for index, better in enumerate(logps) for worse in logps[index + 1 :]]
    return statistics.fmean(pairs)


def clip_means(runs: Sequence[Run], of: Callable[[Evaluation], Sequence[float]]) -> list[float]:
    """Each clip's value, averaged over the runs."""
    return [statistics.fmean(values) for values in zip(*(of(run.evaluation) for run in runs), strict=True)]
