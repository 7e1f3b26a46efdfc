"""A GRPO batch on video: generation, scoring and training step with the prompt shared by its group, and without.

    python benchmarks/grpo.py                      # CPU, float32
    python benchmarks/grpo.py --device cuda        # bf16
    python benchmarks/grpo.py --latency 0.2        # also: how much of a judge's time other work hides

One prompt of real MP4 frames (for Qwen2.5-Omni with their sound among them), G responses. Both trainers are ours and get
the same completions; TRL has no video to compare with. The ideal is the ratio of tokens: G for reading prompts,
G(P + R) / (P + GR) for scoring. "media" is what is held of a prompt's media for the batch, against one copy a response,
as TRL holds images. The first response's log-prob is printed: it must be the same in each.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _steps
import numpy as np
import torch
from _machine import describe
from _server import data_of, serve, started
from datasets import Dataset
from transformers import set_seed

from vidalign.families import FAMILIES
from vidalign.judge import LLMJudge
from vidalign.prefix import generate
from vidalign.rewards import ChecklistReward
from vidalign.toyworld.world import write_clip
from vidalign.trainers.grpo import VideoGRPOConfig, VideoGRPOTrainer
from vidalign.trainers.online.batch import OnlineBatch

SIDE = _steps.SIDE
FPS = 2


def write_omni(folder: str) -> int:
    """A Qwen2.5-Omni thinker with towers of its proportions. Returns its number of parameters."""
    from transformers import Qwen2_5OmniThinkerForConditionalGeneration

    (layers, width, inner, heads), (depth, side, tower_inner, tower_heads) = _steps.SIZES["smaller"]
    family = FAMILIES["qwen2_5_omni_thinker"]
    config = family.tiny_model().config
    config.text_config.update(
        {
            "vocab_size": 8192,
            "hidden_size": width,
            "intermediate_size": inner,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "layer_types": ["full_attention"] * layers,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [8, 12, 12],
            },
        }
    )
    config.vision_config.update(
        {
            "depth": depth,
            "hidden_size": side,
            "intermediate_size": tower_inner,
            "num_heads": tower_heads,
            "window_size": 112,
            "fullatt_block_indexes": [depth // 2 - 1, depth - 1],
            "out_hidden_size": width,
        }
    )
    config.audio_config.update(
        {
            "encoder_layers": depth,
            "d_model": side,
            "encoder_attention_heads": tower_heads,
            "encoder_ffn_dim": tower_inner,
            "n_window": 100,
            "max_source_positions": 1500,
            "output_dim": width,
        }
    )
    torch.manual_seed(0)
    model = Qwen2_5OmniThinkerForConditionalGeneration(config)
    model.save_pretrained(folder)
    family.tiny_processor().save_pretrained(folder)
    return sum(parameter.numel() for parameter in model.parameters())


def write_rows(folder: str, prefix: int, sound: bool) -> Dataset:
    """One row with a video of about `prefix` tokens, its sound among them."""
    a_second = _steps.TOKENS_A_FRAME * FPS / 2 + (25 if sound else 0)
    seconds = max(1, round((prefix - 40) / a_second))
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 255, (seconds * FPS, SIDE // 28, SIDE // 28, 3), dtype=np.uint8)
    frames = blocks.repeat(28, axis=1).repeat(28, axis=2)
    samples = (0.1 * rng.standard_normal(16000 * seconds)).astype(np.float32) if sound else None
    write_clip(Path(folder, "0.mp4"), frames, fps=FPS, sound=samples)
    return Dataset.from_list([{"videos": ["0.mp4"], "prompt": [{"role": "user", "content": "describe"}]}])


def trainer_of(folder: str, rows: Dataset, media: str, sound: bool, **settings: Any) -> VideoGRPOTrainer:
    set_seed(0)
    cpu = OPTIONS.device == "cpu"
    return VideoGRPOTrainer(
        model=folder,
        reward_funcs=settings.pop(
            "reward", lambda completion_ids, **_: [float(sum(c)) for c in completion_ids]
        ),
        train_dataset=rows,
        args=VideoGRPOConfig(
            output_dir=os.path.join(folder, "out"),
            media_root=media,
            use_audio_in_video=sound,
            video_fps=float(FPS),
            video_max_pixels=SIDE * SIDE,
            num_generations=OPTIONS.group,
            per_device_train_batch_size=OPTIONS.group,
            max_completion_length=OPTIONS.response,
            generation_kwargs={"min_new_tokens": OPTIONS.response},
            num_iterations=2,  # so that the old policy is scored
            beta=0.04,
            report_to=[],
            use_cpu=cpu,
            bf16=not cpu,
            model_init_kwargs={"dtype": "float32" if cpu else "bfloat16"},
            gradient_checkpointing=False,
            prefix_self_check=False,
            **settings,
        ),
    )


def timed(function: Callable[[], Any]) -> float:
    if OPTIONS.device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    function()
    if OPTIONS.device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


class Batch:
    """One trainer, the same batch for all, and what is timed of it."""

    def __init__(self, trainer: VideoGRPOTrainer, inputs: dict[str, Any]) -> None:
        self.trainer, self.inputs = trainer, inputs
        trainer.current_gradient_accumulation_steps = 1
        trainer.model.train()
        self.times: dict[str, list[float]] = {}
        prompt = inputs["prompt_ids"][0][inputs["prompt_mask"][0].bool()].tolist()
        self.prompt = type("Prompt", (), {"input_ids": prompt, "media": inputs["media"][0]})()
        self.logp = float("nan")

    def score(self, model: Any = None) -> None:
        own = self.inputs
        ids = torch.cat([own["prompt_ids"], own["completion_ids"]], 1)
        mask = torch.cat([own["prompt_mask"], own["completion_mask"]], 1)
        with torch.no_grad(), self.trainer._working_on(OnlineBatch.of_inputs(own)):
            logps, _, _ = self.trainer._get_per_token_logps_and_entropies(
                model or self.trainer.model, ids, mask, own["completion_ids"].size(1)
            )
        self.logp = float(logps[0].mean())

    def step(self) -> None:
        self.trainer.compute_loss(self.trainer.model, self.inputs).backward()
        self.trainer.model.zero_grad(set_to_none=False)

    def generate(self, tokens: int) -> None:
        shared = self.trainer.args.share_prefix
        prompts, samples = ([self.prompt], OPTIONS.group) if shared else ([self.prompt] * OPTIONS.group, 1)
        config = self.trainer.generation_config
        generate(
            self.trainer.model,
            prompts,
            samples=samples,
            generation_config=config,
            max_new_tokens=tokens,
            min_new_tokens=tokens,
        )

    def run(self, parts: dict[str, Callable[[Batch], None]]) -> None:
        for name, part in parts.items():
            self.times.setdefault(name, []).append(timed(lambda part=part: part(self)))  # type: ignore[misc]

    def seconds(self, name: str) -> float:
        return statistics.median(self.times[name][1:])  # the first warms up


PARTS: dict[str, Callable[[Batch], None]] = {
    "prefill": lambda batch: batch.generate(1),
    "generation": lambda batch: batch.generate(OPTIONS.response),
    "scoring": lambda batch: batch.score(),
    "training step": lambda batch: batch.step(),
}


def compare(name: str, folder: str, sound: bool) -> None:
    with tempfile.TemporaryDirectory() as media:
        rows = write_rows(media, OPTIONS.prefix, sound)
        settings = {"freeze": OPTIONS.freeze} if OPTIONS.freeze else {}
        first = trainer_of(folder, rows, media, sound, **settings)
        first.current_gradient_accumulation_steps = 1
        first.model.train()
        inputs = first._prepare_inputs(next(iter(first.get_train_dataloader())))
        batches = {
            "shared": Batch(first, inputs),
            "separate": Batch(trainer_of(folder, rows, media, sound, share_prefix=False, **settings), inputs),
        }
        for _ in range(OPTIONS.repeats + 1):
            for batch in batches.values():
                batch.run(PARTS)
        shared, separate = batches.values()
        prompt, response, group = len(shared.prompt.input_ids), OPTIONS.response, OPTIONS.group
        scoring = group * (prompt + response) / (prompt + group * response)
        ideals = {"prefill": float(group), "scoring": scoring, "training step": scoring}
        print(f"\n{name}: {prompt} prompt tokens, {group} responses of {response}")
        print(f"{'part':<16} {'separate s':>10} {'shared s':>9} {'faster':>7} {'ideal':>6}")
        for part in PARTS:
            ratio = separate.seconds(part) / shared.seconds(part)
            ideal = f"{ideals[part]:6.2f}" if part in ideals else f"{'-':>6}"
            print(
                f"{part:<16} {separate.seconds(part):10.3f} {shared.seconds(part):9.3f} {ratio:7.2f} {ideal}",
                flush=True,
            )
        tokens = group * response / shared.seconds("generation")
        held = sum(tensor.nbytes for own in inputs["media"] for tensor in own.values())
        copies = sum(
            tensor.nbytes
            for number in inputs["prefix_group"].tolist()
            for tensor in inputs["media"][number].values()
        )
        print(
            f"tokens a second in generation, shared: {tokens:.0f}; media held: {held / 2**20:.1f} MB, {held / copies:.3f} of "
            f"one copy a response; log-prob {shared.logp:.5f} shared, {separate.logp:.5f} separate"
        )
        if OPTIONS.latency:
            hide(name, folder, rows, media, sound)


def respond(body: bytes) -> Any:
    """What the judge answers."""
    return {"verdicts": [{"index": k["index"], "mentioned": True} for k in data_of(body)["keypoints"]]}


def hide(name: str, folder: str, rows: Dataset, media: str, sound: bool) -> None:
    """A whole step with a judge that takes its time over HTTP."""
    keyed = Dataset.from_list([{**row, "keypoints": ["a dog barks", "a bell rings"]} for row in rows])
    server, url = started(__file__, OPTIONS.latency)
    try:
        reward = ChecklistReward(LLMJudge("openai/judge", api_base=url, cache_dir=""))
        trainer = trainer_of(folder, keyed, media, sound, reward=reward, max_steps=6, logging_steps=1)
        trainer.train()
    finally:
        server.kill()
    log = [entry for entry in trainer.state.log_history if "reward_time/hidden_share" in entry]
    shares = [entry["reward_time/hidden_share"] for entry in log]
    waits = [entry["reward_time/waited"] for entry in log]
    print(
        f"{name}, judge of {OPTIONS.latency * 1000:.0f} ms: {100 * statistics.mean(shares):.1f}% of the reward's time hidden "
        f"behind scoring ({', '.join(f'{share:.3f}' for share in shares)}); waited {1000 * statistics.mean(waits):.0f} ms"
    )


def main() -> None:
    global OPTIONS
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--model", choices=("qwen2_5_vl", "qwen2_5_omni"), nargs="+")
    parser.add_argument("--prefix", type=int, default=2000, help="tokens of the prompt, media included")
    parser.add_argument("--response", type=int, default=100, help="tokens of a response")
    parser.add_argument("--group", type=int, default=8, help="responses to the prompt")
    parser.add_argument("--repeats", type=int, default=3, help="timed rounds")
    parser.add_argument("--freeze", nargs="*", default=[], help="parts that do not learn, e.g. vision_tower")
    parser.add_argument("--latency", type=float, default=0.0, help="of a judge, in seconds; 0: none is asked")
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    OPTIONS = parser.parse_args()
    if OPTIONS.serve is not None:
        asyncio.run(serve(OPTIONS.serve, respond))
    print(f"{_steps.where(OPTIONS.device)}\n{describe()}")
    for model in OPTIONS.model or ("qwen2_5_vl", "qwen2_5_omni"):
        with tempfile.TemporaryDirectory() as folder:
            sound = model == "qwen2_5_omni"
            size = write_omni(folder) if sound else _steps.write_model(folder, "smaller")
            compare(f"{model}, {size / 1e6:.1f}M parameters", folder, sound)


OPTIONS: argparse.Namespace

if __name__ == "__main__":
    main()
