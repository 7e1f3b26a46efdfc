"""Candidate captions of a video: one reading of the prompt for all, contrastive frames, and a second pass.

    python benchmarks/candidates.py

One real MP4 file, n samples of it by `LocalModel`. Compared in turn, in one run:
- n samples of one prompt against n prompts of one sample each, whose ideal is the ratio of tokens that are read and decoded;
- contrastive frames against plain sampling (SynPO's paper: 1.5 to 1.75 times);
- retrospection against plain sampling (the paper: 2 times).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import _steps
import numpy as np
import torch
from _machine import describe

from vidalign.encoding import VideoSampling
from vidalign.generate import LocalModel, Sampling
from vidalign.rows import MediaFolder
from vidalign.toyworld.world import write_clip

FPS = 2
SIDE = _steps.SIDE


def write_video(path: Path, prefix: int) -> None:
    """A file whose frames have about `prefix` tokens."""
    frames = max(FPS, round(prefix / _steps.TOKENS_A_FRAME) * 2)
    blocks = np.random.default_rng(0).integers(0, 255, (frames, SIDE // 28, SIDE // 28, 3), dtype=np.uint8)
    write_clip(path, blocks.repeat(28, axis=1).repeat(28, axis=2), fps=FPS)


def separately(model: LocalModel, row: dict[str, Any], n: int, sampling: Sampling) -> None:
    """As n requests that know nothing of each other; the video is decoded once all the same."""
    for number in range(n):
        model._media.clear()
        model.samples([row], 1, replace(sampling, seed=number))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--size", choices=_steps.SIZES, default="smaller", help="of the model")
    parser.add_argument("--prefix", type=int, default=2000, help="tokens of the video")
    parser.add_argument("--response", type=int, default=100, help="tokens of a caption")
    parser.add_argument("--n", type=int, default=10, help="samples")
    parser.add_argument("--repeats", type=int, default=3, help="timed rounds")
    options = parser.parse_args()
    print(f"{_steps.where(options.device)}\n{describe()}")
    with tempfile.TemporaryDirectory() as folder:
        parameters = _steps.write_model(folder, options.size)
        write_video(Path(folder, "0.mp4"), options.prefix)
        model = LocalModel.load(
            folder,
            dtype=torch.float32 if options.device == "cpu" else torch.bfloat16,
            device=options.device,
            folder=MediaFolder(folder),
            sampling=VideoSampling(fps=float(FPS), max_pixels=SIDE * SIDE),
        )
        # No caption ends early: a random model's length says nothing.
        model.model.generation_config.eos_token_id = None
        model.model.generation_config.pad_token_id = 0
        row = {"videos": ["0.mp4"], "prompt": [{"role": "user", "content": "describe"}]}
        prompt = len(model._encoder(row, ()).prompt.input_ids)
        plain = Sampling(temperature=0.9, top_p=0.95, top_k=32, max_new_tokens=options.response)
        n = options.n
        runs: dict[str, Callable[[], Any]] = {
            "n samples": lambda: model.samples([row], n, plain),
            "n prompts": lambda: separately(model, row, n, plain),
            "contrastive frames": lambda: model.samples([row], n, replace(plain, contrast=0.5)),
            "retrospection": lambda: model.samples([row], n, replace(plain, retrospection=True)),
            "both": lambda: model.samples([row], n, replace(plain, contrast=0.5, retrospection=True)),
        }
        times: dict[str, list[float]] = {name: [] for name in runs}
        for turn in range(options.repeats + 1):
            for name, run in runs.items():
                model._media.clear()
                start = time.perf_counter()
                run()
                if options.device == "cuda":
                    torch.cuda.synchronize()
                if turn:  # the first warms up
                    times[name].append(time.perf_counter() - start)
    seconds = {name: statistics.median(own) for name, own in times.items()}
    print(f"\n{parameters / 1e6:.1f}M parameters, {prompt} prompt tokens, {n} captions of {options.response}")
    for name, own in seconds.items():
        print(f"{name:<20} {own:8.3f} s")
    ideal = n * (prompt + options.response) / (prompt + n * options.response)
    print(
        f"one reading: {seconds['n prompts'] / seconds['n samples']:.2f} times faster; ratio of tokens {ideal:.2f}"
    )
    for name, paper in (("contrastive frames", "1.5 to 1.75"), ("retrospection", "2"), ("both", "-")):
        print(f"{name}: {seconds[name] / seconds['n samples']:.2f} times plain sampling; the paper {paper}")


if __name__ == "__main__":
    main()
