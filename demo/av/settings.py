"""What the demo with sound does, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

REWARDS = ("dialogue_reward", "checklist_reward", "length_reward")
"""R_D, R_C and R_L by their names in the trainer's log. All three are computed in every run, and weighted by its arm."""

CONTINUED = "SFT continued"
FULL = "GRPO, all three"
ARMS: Mapping[str, tuple[float, float, float] | None] = {
    CONTINUED: None,
    "GRPO, R_D": (1.0, 0.0, 0.0),
    "GRPO, R_D + R_C": (1.0, 1.0, 0.0),
    FULL: (1.0, 1.0, 1.0),
}
"""The rows of AVoCaDO's Table 4 below the checkpoint, with the weights of `REWARDS`; None: supervised training."""


@dataclass(frozen=True)
class Settings:
    """One run of the demo. Equal settings on one machine give equal results.

    clips: per split: "train" for the supervised stage, "test" for everything that is reported.
    shared: so many of "train", its first, are what GRPO and continued supervised training learn from, as in the paper.
    seed: of the world, the model and the supervised stage. seeds: runs an arm, from one checkpoint: each has its own order of
        batches and its own samples.
    sft_...: of the supervised stage.
    steps, prompts, group: of each arm: optimiser steps, clips a step, and captions sampled for a clip.
    rate: learning rate of the matrices, the same in every arm.
    temperature, beta: of the samples, and the weight of the divergence from the checkpoint (both the paper's).
    soft_limit, hard_limit: tokens, tau_1 and tau_2 of R_L; a caption is cut at the second, as in the paper.
    samples: of each test clip, beside its greedy caption. examples: test clips in the report. threads: of PyTorch, in each process. workers: runs at a time.
    """

    clips: dict[str, int] = field(default_factory=lambda: {"train": 2400, "test": 300})
    shared: int = 500
    seed: int = 0
    seeds: int = 2
    sft_steps: int = 450
    sft_rate: float = 4e-3
    sft_warmup: int = 45
    sft_batch_size: int = 32
    steps: int = 70
    prompts: int = 8
    group: int = 8
    rate: float = 4e-4
    temperature: float = 1.0
    beta: float = 0.04
    soft_limit: int = 48
    hard_limit: int = 96
    samples: int = 4
    examples: int = 8
    threads: int = 1
    workers: int = 2


def quick(seed: int = 0, seeds: int = 1, workers: int = 2) -> Settings:
    """The same path in about two minutes, too short to learn much: it shows that everything runs."""
    return Settings(
        clips={"train": 120, "test": 30},
        shared=40,
        seed=seed,
        seeds=seeds,
        workers=workers,
        sft_steps=30,
        sft_warmup=5,
        steps=4,
        prompts=4,
        group=4,
        samples=2,
        examples=4,
    )
