"""The demo's stages, in order, and what each hands on."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from datasets import Dataset

from vidalign.families import family_of
from vidalign.families.family import EncodedPrompt
from vidalign.rows import MediaFolder, validate
from vidalign.toyworld import world
from vidalign.toyworld.captioner import encode_clips, write_captions
from vidalign.toyworld.captions import caption, score, statements
from vidalign.toyworld.demo import environment
from vidalign.toyworld.demo.progress import Progress
from vidalign.toyworld.demo.results import Evaluation, Example, PairCount, Results, Run, Trial
from vidalign.toyworld.demo.settings import METHODS, Settings
from vidalign.toyworld.demo.training import Bench, Trained, fix_threads
from vidalign.toyworld.model import SAMPLED_FRAMES, build_model, build_processor, load_model
from vidalign.toyworld.pairs import Pair, best_and_worst
from vidalign.toyworld.scene import Scene
from vidalign.trainers.collators import ROW, VideoPreferenceCollator
from vidalign.trainers.encoding import RowEncoder, VideoSampling


@dataclass
class Split:
    """Clips with their scenes and their encoded prompts, all in one order."""

    clips: list[tuple[str, Scene]]
    prompts: list[EncodedPrompt]


@dataclass
class Candidate:
    """A method's best learning rate so far, and the run that used it."""

    rate: float
    trained: Trained


def run_demo(settings: Settings, out: Path, progress: Progress) -> Results:
    """Everything, into the folder `out`: the world, the checkpoint, the pairs, and the clips that the report shows."""
    fix_threads(settings.threads)
    folder = out / "world"
    progress.start("write the world")
    world.write_world(folder, settings.clips, seed=settings.seed, progress=progress.update)
    progress.done(f"{sum(settings.clips.values())} clips")

    bench = _bench(settings, folder, out / "work", progress)
    progress.start("decode clips")
    held_out = {name: _split(bench, name) for name in ("validation", "test")}
    fresh = _split(bench, "pairs")
    _split(bench, "train")  # into the encoder's memory, so that no run's figures include decoding
    progress.done()

    checkpoint = out / "checkpoint"
    base, base_validation = _teach(bench, checkpoint, held_out["test"], held_out["validation"])
    data, count, probe = _pairs(bench, checkpoint, fresh)
    bench.probe = VideoPreferenceCollator(bench.encoder, bench.pad_token_id)([*probe])
    trials, best = _search(bench, checkpoint, data, held_out["validation"])
    runs = _compare(bench, checkpoint, data, held_out["test"], best)
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


def _bench(settings: Settings, folder: Path, work: Path, progress: Progress) -> Bench:
    processor = build_processor()
    config = build_model(processor, seed=settings.seed).config
    family = family_of(config)
    encoder = RowEncoder(
        processor,
        family,
        sampling=VideoSampling(fps=None, num_frames=SAMPLED_FRAMES),
        folder=MediaFolder(folder),
        cache_gb=4.0,
        media_token_ids=family.media_token_ids(config),
    )
    return Bench(settings, processor, encoder, folder, work, progress)


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
    run = _run(bench, trained, settings.seed, settings.sft_rate, test)
    validated = _evaluate(bench, trained.model, validation).mean_recall
    bench.progress.done(
        f"recall {run.evaluation.mean_recall:.3f} on test clips, {validated:.3f} on validation clips"
    )
    return run, validated


def _pairs(
    bench: Bench, checkpoint: Path, fresh: Split
) -> tuple[dict[str, Dataset], PairCount, list[dict[str, Any]]]:
    """Candidates of the fresh clips -> the datasets of all methods, and rows that none of them trains on."""
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
    _save_pairs(bench.world, kept)
    data = {
        "pairs": Dataset.from_list(world.read_jsonl(bench.world / "preference.jsonl")),
        "best": Dataset.from_list(world.read_jsonl(bench.world / "best.jsonl")),
    }
    folder = MediaFolder(bench.world)
    validate(data["pairs"], "preference", folder, name="preference.jsonl")
    validate(data["best"], "supervised", folder, name="best.jsonl")
    count = PairCount(
        clips=len(fresh.clips),
        kept=len(kept),
        probes=len(probes),
        ties=ties,
        chosen=fmean(pair.chosen[1] for pair in kept),
        rejected=fmean(pair.rejected[1] for pair in kept),
    )
    bench.progress.done(f"{len(pairs)} pairs of {len(fresh.clips)} clips; {ties} clips had no best and worst")
    rows = [
        {**world.preference_row(pair.video, pair.chosen, pair.rejected), ROW: index}
        for index, pair in enumerate(probes)
    ]
    return data, count, rows


def _save_pairs(folder: Path, pairs: Sequence[Pair]) -> None:
    rows = [world.preference_row(pair.video, pair.chosen, pair.rejected) for pair in pairs]
    world.write_jsonl(folder / "preference.jsonl", rows)
    world.write_jsonl(
        folder / "best.jsonl", [world.supervised_row(pair.video, pair.chosen[0]) for pair in pairs]
    )


def _search(
    bench: Bench, checkpoint: Path, data: dict[str, Dataset], validation: Split
) -> tuple[dict[str, list[Trial]], dict[str, Candidate]]:
    """Each method's learning rate: the one with the best recall on the validation clips, among equals the smallest.

    A trial is a whole run with the first seed: a rate that does well in half the steps may ruin a model in all.
    """
    settings = bench.settings
    trials: dict[str, list[Trial]] = {method: [] for method in METHODS}
    best: dict[str, Candidate] = {}
    for method in METHODS:
        for rate in settings.rates:
            bench.progress.start(f"try {method} at {rate:g}")
            trained = bench.align(
                method, checkpoint, data, steps=settings.preference_steps, rate=rate, seed=settings.seed
            )
            found = _evaluate(bench, trained.model, validation)
            if all(found.mean_recall > trial.recall for trial in trials[method]):
                best[method] = Candidate(rate, trained)
            trials[method].append(Trial(rate, found.mean_recall, found.mean_precision))
            bench.progress.done(f"recall {found.mean_recall:.3f} on validation clips")
    return trials, best


def _compare(
    bench: Bench, checkpoint: Path, data: dict[str, Dataset], test: Split, best: dict[str, Candidate]
) -> dict[str, list[Run]]:
    """Each method at its rate with every seed, on the test clips. The first seed's run is that of the search."""
    settings = bench.settings
    runs: dict[str, list[Run]] = {method: [] for method in METHODS}
    for seed in range(settings.seed, settings.seed + settings.seeds):
        for method in METHODS:
            bench.progress.start(f"{method}, seed {seed}")
            rate, trained = best[method].rate, best[method].trained
            if seed != settings.seed:
                trained = bench.align(
                    method, checkpoint, data, steps=settings.preference_steps, rate=rate, seed=seed
                )
            run = _run(bench, trained, seed, rate, test)
            runs[method].append(run)
            bench.progress.done(f"recall {run.evaluation.mean_recall:.3f} on test clips")
    return runs


def _run(bench: Bench, trained: Trained, seed: int, rate: float, test: Split) -> Run:
    evaluation = _evaluate(bench, trained.model, test)
    return Run(seed, rate, trained.log, trained.probe, trained.step_seconds, trained.peak_mb, evaluation)


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
