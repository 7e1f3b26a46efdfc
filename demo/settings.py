"""What the demo does, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

PARTS = ("pairs", "chains")
CHAIN_LENGTH = 5  # captions


@dataclass(frozen=True)
class PairSettings:
    """candidates, temperature: samples of the checkpoint for each clip, of which the best and the worst are a pair.
    steps, batch_size, rates: of each run, and the learning rates that each method is tried with.
    probes: pairs kept out of training, on which the log-probs of chosen and rejected are followed.
    """

    candidates: int = 6
    temperature: float = 1.0
    steps: int = 120
    batch_size: int = 32
    rates: tuple[float, ...] = (3e-5, 1e-4, 3e-4)
    probes: int = 64


@dataclass(frozen=True)
class ChainSettings:
    """As in `PairSettings`; a batch is counted in chains."""

    steps: int = 60
    batch_size: int = 16
    rates: tuple[float, ...] = (3e-5, 1e-4, 3e-4)


@dataclass(frozen=True)
class Settings:
    """One run of the demo. Equal settings on one machine give equal results.

    clips: per split: "train" for the supervised stage, "pairs" for the preference stages (no clip of "train": on clips
        already learned the candidates are too alike), "validation" for choosing learning rates, "test" for the comparison.
    seed: of the world, the model, the supervised stage and the candidates. seeds: runs a method, on one checkpoint
        and the same data: each has its own order of batches.
    sft_...: of the supervised stage.
    examples: test clips in the report.
    threads: of PyTorch, in each process. Sums depend on their number, and so do results.
    workers: preference runs at a time. Results do not depend on it; seconds a step may.
    """

    clips: dict[str, int] = field(
        default_factory=lambda: {"train": 1500, "pairs": 1000, "validation": 200, "test": 400}
    )
    seed: int = 0
    seeds: int = 3
    sft_steps: int = 400
    sft_rate: float = 4e-3
    sft_warmup: int = 40
    sft_batch_size: int = 32
    pairs: PairSettings = field(default_factory=PairSettings)
    chains: ChainSettings = field(default_factory=ChainSettings)
    examples: int = 9
    threads: int = 1
    workers: int = 2


def quick(seed: int = 0, seeds: int = 1, workers: int = 2) -> Settings:
    """The same path in less than two minutes, too short to learn much: it shows that everything runs."""
    return Settings(
        clips={"train": 160, "pairs": 96, "validation": 40, "test": 60},
        seed=seed,
        seeds=seeds,
        workers=workers,
        sft_steps=60,
        sft_warmup=10,
        pairs=PairSettings(steps=8, rates=(1e-4, 3e-4), probes=16),
        chains=ChainSettings(steps=4, rates=(3e-4,)),
        examples=4,
    )
