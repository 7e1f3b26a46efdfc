"""What the demo found, as data: everything that the table and the report show is read from here."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Evaluation:
    """Greedy captions of held-out clips. recall, precision: of each clip, in [0, 1], in the split's order."""

    captions: list[str]
    recall: list[float]
    precision: list[float]

    @property
    def mean_recall(self) -> float:
        return statistics.fmean(self.recall)

    @property
    def mean_precision(self) -> float:
        return statistics.fmean(self.precision)


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
    """One learning rate tried on the validation clips: mean recall and precision there."""

    rate: float
    recall: float
    precision: float


@dataclass(frozen=True)
class PairCount:
    """clips: fresh clips with candidates. kept: pairs for training, equal for all methods. probes: pairs held out.
    ties: clips whose candidates all score the same. chosen, rejected: mean F1 of the pairs' captions."""

    clips: int
    kept: int
    probes: int
    ties: int
    chosen: float
    rejected: float


@dataclass(frozen=True)
class Example:
    """A test clip. spans: per title ("SFT", "DPO", ...) the caption's pieces, each with whether it is right."""

    video: str
    reference: str
    spans: dict[str, list[tuple[str, bool]]]


@dataclass
class Results:
    """base: the supervised checkpoint that all methods start from; base_validation: its recall on the validation
    clips. runs, trials: per method."""

    settings: dict[str, Any]
    environment: dict[str, str]
    base: Run
    base_validation: float
    pairs: PairCount
    trials: dict[str, list[Trial]]
    runs: dict[str, list[Run]]
    examples: list[Example]
    seconds: dict[str, float] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")


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


def clip_recall(runs: Sequence[Run]) -> list[float]:
    """Each clip's recall, averaged over the runs."""
    return [statistics.fmean(values) for values in zip(*(run.evaluation.recall for run in runs), strict=True)]


def difference(ours: Sequence[float], theirs: Sequence[float]) -> Difference:
    """Paired over clips. The standard error says how far the mean would move with other test clips; it does not cover
    other checkpoints, pairs or seeds."""
    gaps = [a - b for a, b in zip(ours, theirs, strict=True)]
    return Difference(statistics.fmean(gaps), statistics.stdev(gaps) / math.sqrt(len(gaps)))
