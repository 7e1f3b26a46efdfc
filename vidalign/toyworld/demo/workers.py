"""Preference runs side by side, one process each, as they need nothing of one another.

Two runs of one thread each take less time than one run of two threads after another: the model is too small to share
out, and threads that wait for each other suffer from everything else that the machine does. Results do not depend on
the number of workers.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vidalign.toyworld import world
from vidalign.toyworld.captioner import encode_clips
from vidalign.toyworld.demo.methods import METHODS, TOWERS
from vidalign.toyworld.demo.progress import Progress
from vidalign.toyworld.demo.quiet import quieten
from vidalign.toyworld.demo.settings import Settings
from vidalign.toyworld.demo.training import Bench, Measured, Schedule, make_bench
from vidalign.toyworld.model import load_model

_POLL = 1.0  # seconds


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


@dataclass(frozen=True)
class Task:
    """What all jobs share."""

    settings: Settings
    world: Path
    work: Path
    checkpoint: Path


class Workers:
    """Runs jobs in the processes of a pool (see `start_workers`)."""

    def __init__(self, pool: ProcessPoolExecutor, progress: Progress) -> None:
        self._pool, self._progress = pool, progress

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        """Starts the jobs at once. Outcomes as they come; raises what a job raised. Shows progress."""
        return self._outcomes({self._pool.submit(_align, job): job for job in jobs})

    def _outcomes(self, running: dict[Future[Outcome], Job]) -> Iterator[tuple[Job, Outcome]]:
        left = set(running)
        while left:
            done, left = wait(left, timeout=_POLL, return_when=FIRST_COMPLETED)
            self._progress.update(len(running) - len(left), len(running))
            for future in done:
                yield running[future], future.result()


@contextmanager
def start_workers(task: Task, progress: Progress) -> Iterator[Workers]:
    """`settings.workers` processes, each with the clips for preferences decoded once for all of its jobs."""
    # Spawned, not forked: PyTorch refuses a backward pass in the fork of a process that has made one.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(task.settings.workers, context, initializer=_prepare, initargs=(task,)) as pool:
        yield Workers(pool, progress)


_desk: tuple[Bench, Task] | None = None
"""A worker's own: set once by `_prepare`."""


def _prepare(task: Task) -> None:
    global _desk
    quieten()
    work = task.work / str(os.getpid())
    silent = Progress(open(os.devnull, "w"))  # noqa: SIM115
    bench = make_bench(task.world, work, silent, threads=task.settings.threads)
    encode_clips(bench.encoder, [video for video, _ in world.read_scenes(task.world, "pairs")])
    _desk = bench, task


def _align(job: Job) -> Outcome:
    assert _desk is not None
    bench, task = _desk
    entry = job.entry
    study = task.settings.pairs if entry.part == "pairs" else task.settings.chains
    model = load_model(str(task.checkpoint))
    measured = bench.train(
        METHODS[entry.part][entry.method],
        model,
        Schedule(study.steps, study.batch_size, job.rate, study.steps // 10, job.seed),
        freeze=TOWERS[entry.tower],
        reference=task.checkpoint,
        probe=bench.rows("probe") if entry.part == "pairs" else None,
    )
    folder = task.work / f"{entry.part}-{entry.method}-{entry.tower}-{job.rate:g}-{job.seed}"
    model.save_pretrained(folder)
    return Outcome(folder, measured)
