"""What every part of the demo stands on: the clips, the checkpoint that all methods start from, and how a model is
measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.measures import Evaluation, Run
from demo.methods import supervised
from demo.progress import Progress
from demo.settings import Settings
from demo.training import Measured, Runner, Schedule, make_runner
from vidalign.families.family import EncodedPrompt
from vidalign.toyworld import world
from vidalign.toyworld.captioner import encode_clips, write_captions
from vidalign.toyworld.captions import score
from vidalign.toyworld.model import build_model
from vidalign.toyworld.scene import Scene


@dataclass
class Split:
    """Clips with their scenes and their encoded prompts, all in one order."""

    clips: list[tuple[str, Scene]]
    prompts: list[EncodedPrompt]


@dataclass
class Setup:
    """out: the demo's folder. base: the checkpoint's own run; base_validation: its recall on the validation clips.
    fresh: clips that the checkpoint was not taught on."""

    settings: Settings
    out: Path
    runner: Runner
    checkpoint: Path
    base: Run
    base_validation: float
    fresh: Split
    validation: Split
    test: Split

    def split(self, name: str) -> Split:
        return {"validation": self.validation, "test": self.test}[name]

    @property
    def progress(self) -> Progress:
        return self.runner.progress


def prepare(settings: Settings, out: Path, progress: Progress) -> Setup:
    """The world and the checkpoint, into the folder `out`."""
    folder, checkpoint = out / "world", out / "checkpoint"
    progress.start("write the world")
    world.write_world(folder, settings.clips, seed=settings.seed, progress=progress.update)
    progress.done(f"{sum(settings.clips.values())} clips")

    runner = make_runner(folder, out / "work", progress, threads=settings.threads)
    progress.start("decode clips")
    fresh, validation, test = (_split(runner, name) for name in ("pairs", "validation", "test"))
    _split(runner, "train")  # into the encoder's memory, so that no run's figures include decoding
    progress.done()

    progress.start("teach the captioner")
    model = build_model(runner.processor, seed=settings.seed)
    schedule = Schedule(
        settings.sft_steps, settings.sft_batch_size, settings.sft_rate, settings.sft_warmup, settings.seed
    )
    measured = runner.train(supervised("train"), model, schedule)
    model.save_pretrained(checkpoint)
    runner.processor.save_pretrained(checkpoint)
    base = run_of(settings.seed, settings.sft_rate, measured, evaluate(runner, model, test))
    validated = evaluate(runner, model, validation).mean_recall
    progress.done(
        f"recall {base.evaluation.mean_recall:.3f} on test clips, {validated:.3f} on validation clips"
    )
    return Setup(settings, out, runner, checkpoint, base, validated, fresh, validation, test)


def run_of(seed: int, rate: float, measured: Measured, evaluation: Evaluation) -> Run:
    return Run(
        seed=seed,
        rate=rate,
        log=measured.log,
        probe=measured.probe,
        step_seconds=measured.step_seconds,
        peak_mb=measured.peak_mb,
        evaluation=evaluation,
    )


def evaluate(runner: Runner, model: Any, split: Split) -> Evaluation:
    """Greedy captions, against what the scenes are."""
    captions = [texts[0] for texts in write_captions(model, runner.processor, split.prompts)]
    scores = [score(text, scene) for text, (_, scene) in zip(captions, split.clips, strict=True)]
    return Evaluation(captions, [one.recall for one in scores], [one.precision for one in scores])


def _split(runner: Runner, name: str) -> Split:
    clips = world.read_scenes(runner.world, name)
    return Split(clips, encode_clips(runner.encoder, [video for video, _ in clips]))
