"""Runs side by side, one process each, as they need nothing of one another.

Two runs of one thread each take less time than one run of two threads after another: the model is too small to share
out, and threads that wait for each other suffer from everything else that the machine does. Results do not depend on
the number of workers.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from demo.progress import Progress

Job = TypeVar("Job")
Outcome = TypeVar("Outcome")

_POLL = 1.0  # seconds


@dataclass(frozen=True)
class Task:
    """What all jobs share. settings: of the demo, with `workers` and `threads`. world: folder of the clips. work: for what is
    written on the way."""

    settings: Any
    world: Path
    work: Path
    checkpoint: Path


class Workers(Generic[Job, Outcome]):
    """Runs jobs in the processes of a pool (see `start_workers`)."""

    def __init__(self, pool: ProcessPoolExecutor, work: Callable[[Job], Outcome], progress: Progress) -> None:
        self._pool, self._work, self._progress = pool, work, progress

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
        """Starts the jobs at once. Outcomes as they come; raises what a job raised. Shows progress."""
        return self._outcomes({self._pool.submit(self._work, job): job for job in jobs})

    def _outcomes(self, running: dict[Future[Outcome], Job]) -> Iterator[tuple[Job, Outcome]]:
        left = set(running)
        while left:
            done, left = wait(left, timeout=_POLL, return_when=FIRST_COMPLETED)
            self._progress.update(len(running) - len(left), len(running))
            for future in done:
                yield running[future], future.result()


@contextmanager
def start_workers(
    count: int,
    prepare: Callable[[Any], None],
    task: Any,
    work: Callable[[Job], Outcome],
    progress: Progress,
) -> Iterator[Workers[Job, Outcome]]:
    """`count` processes, each set up by `prepare(task)`, which run `work` on one job after another."""
    # Spawned, not forked: PyTorch refuses a backward pass in the fork of a process that has made one.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, context, initializer=prepare, initargs=(task,)) as pool:
        yield Workers(pool, work, progress)
