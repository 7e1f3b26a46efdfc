"""The stages of the demo with sound, in order."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

from demo.av.checkpoint import Setup, prepare, said
from demo.av.measures import GREEDY, Run
from demo.av.results import Example, Results
from demo.av.settings import ARMS, Settings
from demo.av.workers import Job, start_workers
from demo.pool import Task
from demo.progress import Progress
from vidalign import provenance
from vidalign.toyworld.sound import world
from vidalign.toyworld.sound.captions import caption, marked

BASE = "SFT"


def run_demo(settings: Settings, out: Path, progress: Progress) -> Results:
    """Everything, into the folder `out`: the world, the checkpoint, and the clips that the report shows."""
    setup = prepare(settings, out, progress)
    task = Task(settings, setup.runner.world, setup.runner.work, setup.checkpoint)
    progress.start("align")
    seeds = range(settings.seed, settings.seed + settings.seeds)
    runs: dict[Job, Run] = {}
    with start_workers(task, progress) as workers:
        # The longest first, so that no worker ends long after the others.
        jobs = [Job(arm, seed) for arm in reversed(list(ARMS)) for seed in seeds]
        for job, run in workers.run(jobs):
            runs[job] = run
            progress.note(f"{job.arm}, seed {job.seed}: {said(run)}")
    progress.done()
    shutil.rmtree(setup.runner.work, ignore_errors=True)
    arms = {arm: [runs[Job(arm, seed)] for seed in seeds] for arm in ARMS}
    return Results(
        settings=asdict(settings),
        environment=provenance.describe(),
        base=setup.base,
        runs=arms,
        examples=_examples(setup, arms),
        seconds={**progress.seconds, "total": progress.elapsed()},
    )


def _examples(setup: Setup, arms: dict[str, list[Run]]) -> list[Example]:
    """The first test clips, not chosen ones; captions of each arm's first seed."""
    target = setup.out / "clips"
    target.mkdir(exist_ok=True)
    first = {BASE: setup.base} | {arm: runs[0] for arm, runs in arms.items()}
    clips = world.read_scenes(setup.runner.world, "test")[: setup.settings.examples]
    examples = []
    for index, (video, scene) in enumerate(clips):
        name = Path(video).name
        shutil.copyfile(setup.runner.world / video, target / name)
        spans = {
            title: marked(run.evaluations[GREEDY].captions[index], scene) for title, run in first.items()
        }
        examples.append(Example(f"{target.name}/{name}", caption(scene), spans))
    return examples
