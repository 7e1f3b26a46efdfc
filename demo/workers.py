"""The preference runs, as jobs of a pool of processes."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from demo import pool
from demo.methods import METHODS, TOWERS
from demo.pool import Task
from demo.progress import Progress
from demo.quiet import quieten
from demo.training import Measured, Runner, Schedule, make_runner
from vidalign.toyworld import world
from vidalign.toyworld.captioner import encode_clips
from vidalign.toyworld.model import load_model


@dataclass(frozen=True)
class Entry:
    """One line of a comparison. part, method: keys of `METHODS`. tower: a key of `TOWERS`."""

    part: str
    method: str
    tower: str = "trainable"

    @property
    def title(self) -> str:
        return self.method if self.tower == "trainable" else f"{self.method}, tower {self.tower}"


@dataclass(frozen=True)
class Job:
    """One preference run: what, the matrices' learning rate, and the seed of its batches' order."""

    entry: Entry
    rate: float
    seed: int


@dataclass(frozen=True)
class Outcome:
    """folder: the trained model's checkpoint."""

    folder: Path
    measured: Measured


Workers = pool.Workers[Job, Outcome]


def start_workers(task: Task, progress: Progress) -> AbstractContextManager[Workers]:
    """`settings.workers` processes, each with the clips for preferences decoded once for all of its jobs."""
    return pool.start_workers(task.settings.workers, _prepare, task, _align, progress)


_desk: tuple[Runner, Task] | None = None
"""A worker's own: set once by `_prepare`."""


def _prepare(task: Task) -> None:
    global _desk
    quieten()
    work = task.work / str(os.getpid())
    silent = Progress(open(os.devnull, "w"))  # noqa: SIM115
    runner = make_runner(task.world, work, silent, threads=task.settings.threads)
    encode_clips(runner.encoder, [video for video, _ in world.read_scenes(task.world, "pairs")])
    _desk = runner, task


def _align(job: Job) -> Outcome:
    assert _desk is not None
    runner, task = _desk
    entry = job.entry
    study = task.settings.pairs if entry.part == "pairs" else task.settings.chains
    model = load_model(str(task.checkpoint))
    measured = runner.train(
        METHODS[entry.part][entry.method],
        model,
        Schedule(study.steps, study.batch_size, job.rate, study.steps // 10, job.seed),
        freeze=TOWERS[entry.tower],
        reference=task.checkpoint,
        probe=runner.rows("probe") if entry.part == "pairs" else None,
    )
    folder = task.work / f"{entry.part}-{entry.method}-{entry.tower}-{job.rate:g}-{job.seed}"
    model.save_pretrained(folder)
    return Outcome(folder, measured)
