"""The demo's stages, in order."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from vidalign.toyworld.demo import environment
from vidalign.toyworld.demo.chains.data import make_chains
from vidalign.toyworld.demo.chains.study import study_chains
from vidalign.toyworld.demo.ground import prepare
from vidalign.toyworld.demo.pairs.data import make_pairs
from vidalign.toyworld.demo.pairs.study import study_pairs
from vidalign.toyworld.demo.progress import Progress
from vidalign.toyworld.demo.results import Results
from vidalign.toyworld.demo.settings import PARTS, Settings
from vidalign.toyworld.demo.workers import Task, start_workers


def run_demo(settings: Settings, out: Path, progress: Progress, parts: Collection[str] = PARTS) -> Results:
    """Everything, into the folder `out`: the world, the checkpoint, the data, and the clips that the report shows.

    parts: of `PARTS`. Both stand on the same checkpoint, whether they are run together or apart.
    """
    ground = prepare(settings, out, progress)
    results = Results(asdict(settings), environment.describe(), ground.base, ground.base_validation)
    pairs = make_pairs(ground) if "pairs" in parts else None
    chains = make_chains(ground) if "chains" in parts else None
    task = Task(settings, ground.bench.world, ground.bench.work, ground.checkpoint)
    with start_workers(task, progress) as workers:
        if pairs is not None:
            results.pairs = study_pairs(ground, workers, pairs)
        if chains is not None:
            results.chains = study_chains(ground, workers, chains)
    shutil.rmtree(ground.bench.work, ignore_errors=True)
    results.seconds = {**progress.seconds, "total": progress.elapsed()}
    return results
