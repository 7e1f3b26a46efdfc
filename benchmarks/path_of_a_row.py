"""How far a reader has to go: the files of vidalign that one row passes through, and how often it moves between them.

    python benchmarks/path_of_a_row.py

A profile hook sees every call of a Python function in all threads; nothing is timed. "Files" have a function that was
called, "moves" are calls into another file of vidalign than the one that called, whatever libraries stand between. For a
GRPO step, "crossings" are calls from vidalign into TRL or back, counted likewise. Models are tiny; what happens once a
training (building it, the self-check, the first reading of a checklist's prompt) has happened before.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import _steps  # noqa: F401  # quiet and offline
import numpy as np
import trl
from _machine import describe
from _server import data_of, serve, started
from datasets import Dataset

import vidalign
from vidalign.families import FAMILIES
from vidalign.judge import LLMJudge
from vidalign.rewards import ChecklistReward
from vidalign.toyworld.world import write_clip
from vidalign.trainers.dpo import VideoDPOConfig, VideoDPOTrainer
from vidalign.trainers.grpo import VideoGRPOConfig, VideoGRPOTrainer

OURS, TRL = (str(Path(package.__file__).parent) for package in (vidalign, trl))


class Trace:
    """What is called while it is entered, in threads that were started after it was made as well."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.moves = self.crossings = 0
        self._counting = False
        threading.setprofile(self._called)

    def __enter__(self) -> Trace:
        self.files, self.moves, self.crossings = set(), 0, 0
        gc.collect()
        gc.disable()  # what is thrown away is not on the way
        self._counting = True
        sys.setprofile(self._called)
        return self

    def __exit__(self, *_: Any) -> None:
        sys.setprofile(None)
        self._counting = False
        gc.enable()

    def _called(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or not self._counting or frame.f_code.co_name == "<module>":
            return
        file = frame.f_code.co_filename
        if file.startswith(OURS):
            self.files.add(file)
            self.moves += _caller(frame, (OURS,)) not in (None, file)
        if file.startswith((OURS, TRL)):
            caller = _caller(frame, (OURS, TRL))
            self.crossings += caller is not None and caller.startswith(OURS) != file.startswith(OURS)

    def __str__(self) -> str:
        return f"{len(self.files)} files, {self.moves} moves"


def _caller(frame: FrameType, packages: tuple[str, ...]) -> str | None:
    """The file of the nearest function of the packages that it was called from."""
    above = frame.f_back
    while above is not None:
        if above.f_code.co_filename.startswith(packages):
            return above.f_code.co_filename
        above = above.f_back
    return None


def trainer_of(kind: tuple[type, type], folder: str, rows: list[dict[str, Any]], **options: Any) -> Any:
    trainer_class, config_class = kind
    functions = {name: options.pop(name) for name in ("reward_funcs",) if name in options}
    trainer = trainer_class(
        model=folder,
        train_dataset=Dataset.from_list([{"videos": ["0.mp4"], **row} for row in rows]),
        args=config_class(
            output_dir=folder,
            media_root=folder,
            video_fps=2.0,
            report_to=[],
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            prefix_self_check=False,
            per_device_train_batch_size=options.pop("batch"),
            **options,
        ),
        **functions,
    )
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    return trainer


def counted(path: Trace, step: Callable[[], Any]) -> str:
    step()
    with path:
        step()
    return str(path)


def pair(path: Trace, folder: str) -> str:
    said = {name: [{"role": "assistant", "content": name}] for name in ("chosen", "rejected")}
    row = {"prompt": [{"role": "user", "content": "describe"}], **said}
    trainer = trainer_of((VideoDPOTrainer, VideoDPOConfig), folder, [row], batch=1)

    def step() -> None:
        batch = trainer.data_collator([trainer.train_dataset[0]])
        trainer.training_step(trainer.model, batch, None)

    return counted(path, step)


def prompt(path: Trace, folder: str) -> str:
    row = {"prompt": [{"role": "user", "content": "describe"}]}

    def lengths(completion_ids: list[list[int]], **_: Any) -> list[float]:
        return [float(sum(ids) % 7) for ids in completion_ids]

    trainer = trainer_of(
        (VideoGRPOTrainer, VideoGRPOConfig),
        folder,
        [row],
        batch=4,
        num_generations=4,
        max_completion_length=4,
        generation_kwargs={"min_new_tokens": 4},
        beta=0.04,
        reward_funcs=lengths,
    )
    rows = next(iter(trainer.get_train_dataloader()))
    result = counted(path, lambda: trainer.training_step(trainer.model, rows, None))
    return f"{result}, {path.crossings} crossings between vidalign and TRL"


def respond(body: bytes) -> Any:
    """What the judge answers."""
    return {"verdicts": [{"index": k["index"], "mentioned": True} for k in data_of(body)["keypoints"]]}


def verdict(path: Trace) -> str:
    server, url = started(__file__, 0.0)
    try:
        reward = ChecklistReward(LLMJudge("openai/judge", api_base=url, cache_dir=""))
        texts = iter(["A dog barks.", "A dog runs."])

        async def ask() -> None:
            assert await reward(completions=[next(texts)], keypoints=[["a dog"]]) == [1.0]

        return counted(path, lambda: asyncio.run(ask()))
    finally:
        server.kill()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        asyncio.run(serve(options.serve, respond))
    path = Trace()
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        family = FAMILIES["qwen2_5_vl"]
        family.tiny_model().save_pretrained(folder)
        family.tiny_processor().save_pretrained(folder)
        frames = np.random.default_rng(0).integers(0, 255, (8, 56, 56, 3), dtype=np.uint8)
        write_clip(Path(folder, "0.mp4"), frames, fps=4)
        for name, count in {"one preference pair": pair, "one GRPO prompt": prompt}.items():
            print(f"{name}: {count(path, folder)}", flush=True)
    print(f"one verdict: {verdict(path)}", flush=True)


if __name__ == "__main__":
    main()
