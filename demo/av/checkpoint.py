"""What all arms stand on: the clips, the checkpoint that they start from, and how a model is measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from demo.av.measures import (
    DECODINGS,
    GREEDY,
    SAMPLED,
    Evaluation,
    Run,
    evaluate,
    measure,
)
from demo.av.settings import Settings
from demo.av.training import make_runner, supervised
from demo.progress import Progress
from demo.training import Runner, Schedule
from vidalign.prefix import generate
from vidalign.toyworld.captioner import encode_clips
from vidalign.toyworld.sound import world
from vidalign.toyworld.sound.model import build_model
from vidalign.toyworld.world import write_jsonl

_BATCH = 100  # clips


@dataclass
class Setup:
    """base: the checkpoint's own run."""

    settings: Settings
    out: Path
    runner: Runner
    checkpoint: Path
    base: Run


def prepare(settings: Settings, out: Path, progress: Progress) -> Setup:
    """The world and the checkpoint, into the folder `out`."""
    folder, checkpoint = out / "world", out / "checkpoint"
    progress.start("write the world")
    world.write_world(folder, settings.clips, seed=settings.seed, progress=progress.update)
    runner = make_runner(folder, out / "work", progress, threads=settings.threads)
    write_jsonl(folder / "shared.jsonl", runner.rows("train")[: settings.shared])
    progress.done(f"{sum(settings.clips.values())} clips")

    progress.start("decode clips")
    encode_clips(runner.encoder, [row["videos"][0] for row in runner.rows("train")])
    progress.done()

    progress.start("teach the captioner")
    model = build_model(runner.processor, seed=settings.seed)
    schedule = Schedule(
        settings.sft_steps, settings.sft_batch_size, settings.sft_rate, settings.sft_warmup, settings.seed
    )
    measured = runner.train(supervised("train"), model, schedule)
    model.save_pretrained(checkpoint)
    runner.processor.save_pretrained(checkpoint)
    run = Run(settings.seed, measured.log, measured.step_seconds, evaluated(runner, model, settings, "test"))
    progress.done(said(run))
    return Setup(settings, out, runner, checkpoint, run)


def said(run: Run) -> str:
    """A run in a line."""
    shown = [
        f"{name} {fmean(measure(name, decoding)(run)):.3f} {decoding}"
        for name in ("dialogue F1", "recall")
        for decoding in DECODINGS
    ]
    return ", ".join(shown)


def evaluated(runner: Runner, model: Any, settings: Settings, split: str) -> dict[str, Evaluation]:
    """Captions of a split against what the scenes are, by decoding."""
    clips = world.read_scenes(runner.world, split)
    prompts = encode_clips(runner.encoder, [video for video, _ in clips])
    scenes = [scene for _, scene in clips]
    drawn = {"do_sample": True, "temperature": settings.temperature, "top_k": 0, "top_p": 1.0}
    options: dict[str, tuple[int, dict[str, Any]]] = {
        GREEDY: (1, {"do_sample": False}),
        SAMPLED: (settings.samples, drawn),
    }
    found = {}
    for decoding, (samples, how) in options.items():
        responses: list[list[list[int]]] = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            for start in range(0, len(prompts), _BATCH):
                batch = prompts[start : start + _BATCH]
                responses += generate(
                    model, batch, samples=samples, max_new_tokens=settings.hard_limit, **how
                )
        decode = runner.processor.tokenizer.batch_decode
        captions = [decode(own, skip_special_tokens=True) for own in responses]
        found[decoding] = evaluate(captions, [[len(ids) for ids in own] for own in responses], scenes)
    return found
