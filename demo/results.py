"""What the demo found, as data: everything that the tables and the report show is read from here."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from demo.measures import Run, Trial


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


@dataclass(frozen=True)
class PairStudy:
    """trials, runs: per method."""

    pairs: PairCount
    trials: dict[str, list[Trial]]
    runs: dict[str, list[Run]]
    examples: list[Example]


@dataclass(frozen=True)
class ChainCount:
    """train, test: chains for training, and of test clips. lengths: of the chains for training, how many there are of
    each. errors: how often each type of error stands in them."""

    train: int
    test: int
    lengths: dict[int, int]
    errors: dict[str, int]


@dataclass(frozen=True)
class ChainExample:
    """The chain of a test clip, best first. spans: of each caption, pieces with whether they are as in the reference.
    logps: per title, summed log-prob of each caption, in nats."""

    video: str
    spans: list[list[tuple[str, bool]]]
    logps: dict[str, list[float]]


@dataclass(frozen=True)
class ChainStudy:
    """trials, runs: per vision tower ("trainable", "frozen") and method. base_logps: of the checkpoint, as
    `Evaluation.chain_logps`; base_validation: the share of pairs that it puts in order on the validation clips."""

    chains: ChainCount
    trials: dict[str, dict[str, list[Trial]]]
    runs: dict[str, dict[str, list[Run]]]
    base_logps: list[list[float]]
    base_validation: float
    example: ChainExample


@dataclass
class Results:
    """base: the supervised checkpoint that all methods start from; base_validation: its recall on the validation
    clips. pairs, chains: the parts that were run."""

    settings: dict[str, Any]
    environment: dict[str, str]
    base: Run
    base_validation: float
    pairs: PairStudy | None = None
    chains: ChainStudy | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
