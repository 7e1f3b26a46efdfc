"""The arms' runs, as jobs of a pool of processes."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass

from demo import pool
from demo.av.checkpoint import evaluated
from demo.av.measures import Run
from demo.av.settings import ARMS
from demo.av.training import continue_supervised, make_runner, reinforce
from demo.pool import Task
from demo.progress import Progress
from demo.quiet import quieten
from demo.training import Runner
from vidalign.toyworld.sound.model import load_model


@dataclass(frozen=True)
class Job:
    """arm: a key of `ARMS`. seed: of the order of batches, and of the samples."""

    arm: str
    seed: int


Workers = pool.Workers[Job, Run]


def start_workers(task: Task, progress: Progress) -> AbstractContextManager[Workers]:
    """`settings.workers` processes."""
    return pool.start_workers(task.settings.workers, _prepare, task, _run, progress)


_desk: tuple[Runner, Task] | None = None
"""A worker's own: set once by `_prepare`."""


def _prepare(task: Task) -> None:
    global _desk
    quieten()
    silent = Progress(open(os.devnull, "w"))  # noqa: SIM115
    runner = make_runner(task.world, task.work / str(os.getpid()), silent, threads=task.settings.threads)
    _desk = runner, task


def _run(job: Job) -> Run:
    assert _desk is not None
    runner, task = _desk
    model, weights = load_model(str(task.checkpoint)), ARMS[job.arm]
    if weights is None:
        measured = continue_supervised(runner, task.settings, model, job.seed)
    else:
        measured = reinforce(runner, task.settings, model, weights, job.seed)
    found = evaluated(runner, model, task.settings, "test")
    return Run(job.seed, measured.log, measured.step_seconds, found)
