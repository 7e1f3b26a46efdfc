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
from typing import Any

from datasets import Dataset

from vidalign.toyworld import world
from vidalign.toyworld.captioner import encode_clips
from vidalign.toyworld.demo.progress import Progress
from vidalign.toyworld.demo.quiet import quieten
from vidalign.toyworld.demo.settings import Settings
from vidalign.toyworld.demo.training import Bench, Measured, make_bench
from vidalign.trainers.collators import VideoPreferenceCollator

_POLL = 1.0  # seconds


@dataclass(frozen=True)
class Job:
    """One preference run: a method of `METHODS`, the matrices' learning rate, and the seed of its batches' order."""

    method: str
    rate: float
    seed: int


@dataclass(frozen=True)
class Outcome:
    """folder: the trained model's checkpoint."""

    folder: Path
    measured: Measured


@dataclass(frozen=True)
class Task:
    """What all jobs share. probe: preference rows that no job trains on."""

    settings: Settings
    world: Path
    work: Path
    checkpoint: Path
    probe: list[dict[str, Any]]


class Workers:
    """Runs jobs in the processes of a pool (see `start_workers`)."""

    def __init__(self, pool: ProcessPoolExecutor, progress: Progress) -> None:
        self._pool, self._progress = pool, progress

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        """Outcomes as they come; raises what a job raised. Shows progress."""
        running: dict[Future[Outcome], Job] = {self._pool.submit(_align, job): job for job in jobs}
        left = set(running)
        while left:
            done, left = wait(left, timeout=_POLL, return_when=FIRST_COMPLETED)
            self._progress.update(len(jobs) - len(left), len(jobs))
            for future in done:
                yield running[future], future.result()


@contextmanager
def start_workers(task: Task, progress: Progress) -> Iterator[Workers]:
    """`settings.workers` processes, each with the pairs' clips decoded once for all of its jobs."""
    # Spawned, not forked: PyTorch refuses a backward pass in the fork of a process that has made one.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(task.settings.workers, context, initializer=_prepare, initargs=(task,)) as pool:
        yield Workers(pool, progress)


@dataclass
class _Desk:
    """A worker's own: set once by `_prepare`."""

    bench: Bench
    task: Task
    data: dict[str, Dataset]


_desk: _Desk | None = None


def _prepare(task: Task) -> None:
    global _desk
    quieten()
    work = task.work / str(os.getpid())
    bench = make_bench(task.settings, task.world, work, Progress(open(os.devnull, "w")))  # noqa: SIM115
    data = {
        name: Dataset.from_list(world.read_jsonl(task.world / f"{name}.jsonl"))
        for name in ("preference", "best")
    }
    encode_clips(bench.encoder, [video for row in data["best"] for video in row["videos"]])
    bench.probe = VideoPreferenceCollator(bench.encoder, bench.pad_token_id)([*task.probe])
    _desk = _Desk(bench, task, data)


def _align(job: Job) -> Outcome:
    assert _desk is not None
    trained = _desk.bench.align(
        job.method,
        _desk.task.checkpoint,
        _desk.data,
        steps=_desk.task.settings.preference_steps,
        rate=job.rate,
        seed=job.seed,
    )
    folder = _desk.task.work / f"{job.method}-{job.rate:g}-{job.seed}"
    trained.model.save_pretrained(folder)
    return Outcome(folder, trained.measured)
