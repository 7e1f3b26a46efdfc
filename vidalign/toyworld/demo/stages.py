"""The demo's stages, in order, and what each hands on."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from datasets import Dataset

from vidalign.families.family import EncodedPrompt
from vidalign.rows import MediaFolder, validate
from vidalign.toyworld import world
from vidalign.toyworld.captioner import encode_clips, write_captions
from vidalign.toyworld.captions import caption, score, statements
from vidalign.toyworld.demo import environment
from vidalign.toyworld.demo.progress import Progress
from vidalign.toyworld.demo.results import Evaluation, Example, PairCount, Results, Run, Trial
from vidalign.toyworld.demo.settings import METHODS, Settings
from vidalign.toyworld.demo.training import Bench, Measured, make_bench
from vidalign.toyworld.demo.workers import Job, Outcome, Task, Workers, start_workers
from vidalign.toyworld.model import build_model, load_model
from vidalign.toyworld.pairs import best_and_worst
from vidalign.toyworld.scene import Scene


@dataclass
class Split:
    """Clips with their scenes and their encoded prompts, all in one order."""

    clips: list[tuple[str, Scene]]
    prompts: list[EncodedPrompt]


@dataclass
class Candidate:
    """A method's best learning rate so far, and the run that used it."""

    rate: float
    outcome: Outcome


def run_demo(settings: Settings, out: Path, progress: Progress) -> Results:
    """Everything, into the folder `out`: the world, the checkpoint, the pairs, and the clips that the report shows."""
    folder = out / "world"
    progress.start("write the world")
    world.write_world(folder, settings.clips, seed=settings.seed, progress=progress.update)
    progress.done(f"{sum(settings.clips.values())} clips")

    bench = make_bench(settings, folder, out / "work", progress)
    progress.start("decode clips")
    held_out = {name: _split(bench, name) for name in ("validation", "test")}
    fresh = _split(bench, "pairs")
    _split(bench, "train")  # into the encoder's memory, so that no run's figures include decoding
    progress.done()

    checkpoint = out / "checkpoint"
    base, base_validation = _teach(bench, checkpoint, held_out["test"], held_out["validation"])
    count, probe = _pairs(bench, checkpoint, fresh)
    with start_workers(Task(settings, folder, bench.work, checkpoint, probe), progress) as workers:
        trials, best = _search(bench, workers, held_out["validation"])
        runs = _compare(bench, workers, held_out["test"], best)
    examples = _examples(held_out["test"], base, runs, folder, out / "clips", settings.examples)
    shutil.rmtree(bench.work, ignore_errors=True)
    return Results(
        settings=asdict(settings),
        environment=environment.describe(),
        base=base,
        base_validation=base_validation,
        pairs=count,
        trials=trials,
        runs=runs,
        examples=examples,
        seconds={**progress.seconds, "total": progress.elapsed()},
    )


def _split(bench: Bench, name: str) -> Split:
    clips = world.read_scenes(bench.world, name)
    return Split(clips, encode_clips(bench.encoder, [video for video, _ in clips]))


def _teach(bench: Bench, checkpoint: Path, test: Split, validation: Split) -> tuple[Run, float]:
    """From random weights to a captioner, and its recall on the validation clips."""
    settings = bench.settings
    rows = world.read_jsonl(bench.world / "train.jsonl")
    bench.progress.start("teach the captioner")
    trained = bench.teach(
        build_model(bench.processor, seed=settings.seed),
        Dataset.from_list([{key: row[key] for key in ("videos", "prompt", "completion")} for row in rows]),
        steps=settings.sft_steps,
        rate=settings.sft_rate,
        warmup=settings.sft_warmup,
        seed=settings.seed,
    )
    trained.model.save_pretrained(checkpoint)
    bench.processor.save_pretrained(checkpoint)
    run = _run(bench, trained.model, trained.measured, settings.seed, settings.sft_rate, test)
    validated = _evaluate(bench, trained.model, validation).mean_recall
    bench.progress.done(
        f"recall {run.evaluation.mean_recall:.3f} on test clips, {validated:.3f} on validation clips"
    )
    return run, validated


def _pairs(bench: Bench, checkpoint: Path, fresh: Split) -> tuple[PairCount, list[dict[str, Any]]]:
    """Candidates of the fresh clips -> preference.jsonl and best.jsonl, and rows that no method trains on."""
    settings = bench.settings
    bench.progress.start("sample candidates")
    candidates = write_captions(
        load_model(str(checkpoint)),
        bench.processor,
        fresh.prompts,
        samples=settings.candidates,
        temperature=settings.temperature,
        seed=settings.seed,
        progress=bench.progress.update,
    )
    pairs, ties = best_and_worst(fresh.clips, candidates)
    probes, kept = pairs[: settings.probes], pairs[settings.probes :]
    preferences = [world.preference_row(pair.video, pair.chosen, pair.rejected) for pair in pairs]
    best = [world.supervised_row(pair.video, pair.chosen[0]) for pair in kept]
    folder = MediaFolder(bench.world)
    validate(preferences[len(probes) :], "preference", folder, name="preference.jsonl")
    validate(best, "supervised", folder, name="best.jsonl")
    world.write_jsonl(bench.world / "preference.jsonl", preferences[len(probes) :])
    world.write_jsonl(bench.world / "best.jsonl", best)
    count = PairCount(
        clips=len(fresh.clips),
        kept=len(kept),
        probes=len(probes),
        ties=ties,
        chosen=fmean(pair.chosen[1] for pair in kept),
        rejected=fmean(pair.rejected[1] for pair in kept),
    )
    bench.progress.done(f"{len(pairs)} pairs of {len(fresh.clips)} clips; {ties} clips had no best and worst")
    return count, preferences[: len(probes)]


def _search(
    bench: Bench, workers: Workers, validation: Split
) -> tuple[dict[str, list[Trial]], dict[str, Candidate]]:
    """Each method's learning rate: the one with the best recall on the validation clips, among equals the smallest.

    A trial is a whole run with the first seed: a rate that does well in half the steps may ruin a model in all.
    """
    settings, progress = bench.settings, bench.progress
    jobs = [Job(method, rate, settings.seed) for method in METHODS for rate in settings.rates]
    progress.start("try learning rates")
    outcomes: dict[Job, Outcome] = {}
    found: dict[Job, Trial] = {}
    for job, outcome in workers.run(jobs):
        evaluation = _evaluate(bench, load_model(str(outcome.folder)), validation)
        outcomes[job] = outcome
        found[job] = Trial(job.rate, evaluation.mean_recall, evaluation.mean_precision)
        progress.note(
            f"{job.method} at {job.rate:g}: recall {evaluation.mean_recall:.3f} on validation clips"
        )
    trials = {method: [found[job] for job in jobs if job.method == method] for method in METHODS}
    best = {}
    for method, tried in trials.items():
        rate = max(tried, key=lambda trial: (trial.recall, -trial.rate)).rate
        best[method] = Candidate(rate, outcomes[Job(method, rate, settings.seed)])
    progress.done(", ".join(f"{method} {candidate.rate:g}" for method, candidate in best.items()))
    return trials, best


def _compare(bench: Bench, workers: Workers, test: Split, best: dict[str, Candidate]) -> dict[str, list[Run]]:
    """Each method at its rate with every seed, on the test clips. The first seed's run is that of the search."""
    settings, progress = bench.settings, bench.progress
    seeds = range(settings.seed, settings.seed + settings.seeds)
    progress.start("train with every seed")
    runs: dict[Job, Run] = {}

    def keep(job: Job, outcome: Outcome) -> None:
        run = _run(bench, load_model(str(outcome.folder)), outcome.measured, job.seed, job.rate, test)
        runs[job] = run
        progress.note(f"{job.method}, seed {job.seed}: recall {run.evaluation.mean_recall:.3f} on test clips")

    for method, candidate in best.items():
        keep(Job(method, candidate.rate, settings.seed), candidate.outcome)
    jobs = [Job(method, candidate.rate, seed) for seed in seeds[1:] for method, candidate in best.items()]
    for job, outcome in workers.run(jobs):
        keep(job, outcome)
    progress.done()
    return {method: [runs[Job(method, best[method].rate, seed)] for seed in seeds] for method in METHODS}


def _run(bench: Bench, model: Any, measured: Measured, seed: int, rate: float, test: Split) -> Run:
    evaluation = _evaluate(bench, model, test)
    return Run(seed, rate, measured.log, measured.probe, measured.step_seconds, measured.peak_mb, evaluation)


def _evaluate(bench: Bench, model: Any, split: Split) -> Evaluation:
    captions = [texts[0] for texts in write_captions(model, bench.processor, split.prompts)]
    scores = [score(text, scene) for text, (_, scene) in zip(captions, split.clips, strict=True)]
    return Evaluation(captions, [one.recall for one in scores], [one.precision for one in scores])


def _examples(
    test: Split, base: Run, runs: dict[str, list[Run]], folder: Path, target: Path, count: int
) -> list[Example]:
    """The first test clips, not chosen ones; captions of each method's first seed."""
    target.mkdir(parents=True, exist_ok=True)
    examples = []
    for index, (video, scene) in enumerate(test.clips[:count]):
        shutil.copyfile(folder / video, target / Path(video).name)
        said = {"SFT": base} | {method: of_method[0] for method, of_method in runs.items()}
        spans = {
            title: [(piece.text, piece.right) for piece in statements(run.evaluation.captions[index], scene)]
            for title, run in said.items()
        }
        examples.append(Example(f"{target.name}/{Path(video).name}", caption(scene), spans))
    return examples
