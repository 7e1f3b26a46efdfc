"""The demo's stages, in order."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from demo.chains.data import make_chains
from demo.chains.study import study_chains
from demo.checkpoint import prepare
from demo.pairs.data import make_pairs
from demo.pairs.study import study_pairs
from demo.pool import Task
from demo.progress import Progress
from demo.results import Results
from demo.settings import PARTS, Settings
from demo.workers import start_workers
from vidalign import provenance


def run_demo(settings: Settings, out: Path, progress: Progress, parts: Collection[str] = PARTS) -> Results:
    """Everything, into the folder `out`: the world, the checkpoint, the data, and the clips that the report shows.

    parts: of `PARTS`. Both stand on the same checkpoint, whether they are run together or apart.
    """
    setup = prepare(settings, out, progress)
    results = Results(asdict(settings), provenance.describe(), setup.base, setup.base_validation)
    pairs = make_pairs(setup) if "pairs" in parts else None
    chains = make_chains(setup) if "chains" in parts else None
    task = Task(settings, setup.runner.world, setup.runner.work, setup.checkpoint)
    with start_workers(task, progress) as workers:
        if pairs is not None:
            results.pairs = study_pairs(setup, workers, pairs)
        if chains is not None:
            results.chains = study_chains(setup, workers, chains)
    shutil.rmtree(setup.runner.work, ignore_errors=True)
    results.seconds = {**progress.seconds, "total": progress.elapsed()}
    return results
