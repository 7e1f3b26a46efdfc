"""One DPO step: stock TRL, our separate rows, our shared prefix, on the same rows and the same model.

    python benchmarks/shared_prefix.py                      # CPU, float32; about half an hour on two cores
    python benchmarks/shared_prefix.py --device cuda        # bf16, the attention backends side by side

The rows hold the frames as `images`, because stock TRL has no video: so all three see the same tokens and must give
the same log-probs; the chosen response's is printed (the first step's loss is log 2 whatever one does). A step is
forward, reference forward, backward and optimiser step of a batch that the trainer's own collator made; collation is
not timed. Activation memory is the peak of allocated tensors during forward and backward, above model, reference,
gradients and optimiser state. Then SynPO's step against DPO's.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import tempfile
import time
import warnings
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from _machine import describe  # noqa: E402
from datasets import Dataset, Features, Image, List, Value  # noqa: E402
from PIL import Image as Picture  # noqa: E402
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration  # noqa: E402
from trl import DPOConfig, DPOTrainer  # noqa: E402

from vidalign.families import FAMILIES  # noqa: E402
from vidalign.trainers.dpo import VideoDPOConfig, VideoDPOTrainer  # noqa: E402
from vidalign.trainers.synpo import SynPOConfig, SynPOTrainer  # noqa: E402

SIDE = 224
TOKENS_A_FRAME = (SIDE // 28) ** 2


def write_model(folder: str) -> int:
    """About 40 million parameters, a vision tower of Qwen2.5-VL's proportions."""
    processor = FAMILIES["qwen2_5_vl"].tiny_processor()
    token_id = processor.tokenizer.convert_tokens_to_ids
    size = {"shortest_edge": 28 * 28, "longest_edge": SIDE * SIDE}
    processor.image_processor.size = type(processor.image_processor.size)(**size)
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config={
                "vocab_size": 8192,
                "hidden_size": 512,
                "intermediate_size": 1408,
                "num_hidden_layers": 8,
                "num_attention_heads": 8,
                "num_key_value_heads": 2,
                "tie_word_embeddings": True,
                "rope_parameters": {
                    "rope_type": "default",
                    "rope_theta": 10000.0,
                    "mrope_section": [8, 12, 12],
                },
                "pad_token_id": processor.tokenizer.pad_token_id,
                "bos_token_id": None,
                "eos_token_id": processor.tokenizer.eos_token_id,
            },
            vision_config={
                "depth": 8,
                "hidden_size": 384,
                "intermediate_size": 1024,
                "num_heads": 6,
                "patch_size": 14,
                "window_size": 112,
                "fullatt_block_indexes": [3, 7],
                "out_hidden_size": 512,
            },
            image_token_id=token_id("<|image_pad|>"),
            video_token_id=token_id("<|video_pad|>"),
            vision_start_token_id=token_id("<|vision_start|>"),
            vision_end_token_id=token_id("<|vision_end|>"),
            tie_word_embeddings=True,
        )
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return sum(parameter.numel() for parameter in model.parameters())


def rows(prefix: int, response: int, pairs: int) -> Dataset:
    """Pairs whose prompt has about `prefix` tokens, most of them media, and whose responses have `response` tokens."""
    rng = np.random.default_rng(prefix)
    frames = max(1, round((prefix - 20) / (TOKENS_A_FRAME + 2)))
    alphabet = "abcdefghijklmnopqrstuvwxyz"

    def words() -> str:
        return "".join(rng.choice(list(alphabet), size=response - 1))

    table: dict[str, list[Any]] = {"images": [], "prompt": [], "chosen": [], "rejected": []}
    for _ in range(pairs):
        pictures = [
            Picture.fromarray(rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)) for _ in range(frames)
        ]
        table["images"].append(pictures)
        table["prompt"].append([{"role": "user", "content": "describe"}])
        for column in ("chosen", "rejected"):
            table[column].append([{"role": "assistant", "content": words()}])
    message = List({"role": Value("string"), "content": Value("string")})
    return Dataset.from_dict(
        table,
        features=Features(
            {"images": List(Image()), "prompt": message, "chosen": message, "rejected": message}
        ),
    )


class Step:
    """One trainer with one batch, ready to be stepped."""

    def __init__(
        self,
        trainer_class: type,
        config_class: type,
        folder: str,
        dataset: Dataset,
        *,
        checkpointing: bool = False,
        **settings: Any,
    ) -> None:
        if checkpointing and hasattr(config_class, "prefix_self_check"):
            settings["prefix_self_check"] = False  # it would run in the one step that is timed
        with tempfile.TemporaryDirectory() as out:
            options = {
                "output_dir": out,
                "report_to": [],
                "per_device_train_batch_size": len(dataset),
                "gradient_checkpointing": checkpointing,
                "max_length": None,
                "learning_rate": 1e-6,
                "bf16": OPTIONS.device == "cuda",
                "use_cpu": OPTIONS.device == "cpu",
                **settings,
            }
            model = Qwen2_5_VLForConditionalGeneration.from_pretrained(
                folder, dtype=torch.bfloat16 if OPTIONS.device == "cuda" else torch.float32
            )
            self.trainer = trainer_class(model=model, args=config_class(**options), train_dataset=dataset)
        self.model = self.trainer.model
        if checkpointing:  # as `train` would, which is not called here
            self.model.gradient_checkpointing_enable({"use_reentrant": False})
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-6)
        self.batch = next(iter(self.trainer.get_train_dataloader()))
        self.trainer.current_gradient_accumulation_steps = 1  # set by `train`, which is not called here
        self.times: list[float] = []
        # The first step allocates gradients and optimiser state, and counts only where it is all there is time for.
        self.run(timed=checkpointing)
        self.logp = self.trainer._metrics["train"]["logps/chosen"][0]

    def forward_backward(self) -> None:
        self.trainer.training_step(self.model, dict(self.batch))

    def run(self, timed: bool = True) -> None:
        synchronise()
        start = time.perf_counter()
        self.forward_backward()
        self.optimizer.step()
        # Kept allocated, so that gradients count as state and not as activations.
        self.optimizer.zero_grad(set_to_none=False)
        synchronise()
        if timed:
            self.times.append(time.perf_counter() - start)

    def seconds(self) -> float:
        return statistics.median(self.times)

    def tokens(self) -> int:
        return int(self.batch["attention_mask"].sum())

    def activation_bytes(self) -> int:
        """Peak of allocated tensors during forward and backward, above what was there before."""
        gc.collect()
        if OPTIONS.device == "cuda":
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
            self.forward_backward()
            torch.cuda.synchronize()
            return torch.cuda.max_memory_allocated() - before
        with torch.profiler.profile(
            activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
        ) as profile:
            self.forward_backward()
        changes = [
            (event.start_ns(), event.nbytes())
            for event in profile.profiler.kineto_results.events()
            if event.name() == "[memory]"
        ]
        held = peak = 0
        for _, change in sorted(changes):
            held += change
            peak = max(peak, held)
        return peak

    def state_bytes(self) -> int:
        """Parameters of the policy and of its reference."""
        models = [self.model, getattr(self.trainer, "ref_model", None)]
        return sum(
            p.numel() * p.element_size() for model in models if model is not None for p in model.parameters()
        )


def synchronise() -> None:
    if OPTIONS.device == "cuda":
        torch.cuda.synchronize()


def measure(steps: dict[str, Step], repeats: int) -> None:
    """In turn, A B C A B C: a machine that slows down slows all of them."""
    for _ in range(repeats):
        for step in steps.values():
            step.run()


def compare_prefixes(folder: str) -> None:
    backends = OPTIONS.backends or (["sdpa", "flex"] if OPTIONS.device == "cuda" else ["sdpa"])
    print(
        f"\nDPO, {OPTIONS.pairs} pair(s) a step, responses of {OPTIONS.response} tokens, ratios to stock TRL"
    )
    header = (
        f"{'prefix':>7} {'method':<34} {'logp':>10} {'s/step':>8} {'faster':>7} {'ideal':>6} {'of ideal':>8}"
    )
    print(f"{header} {'activations MB':>15} {'ratio':>6}")
    for prefix in OPTIONS.prefix:
        dataset = rows(prefix, OPTIONS.response, OPTIONS.pairs)
        common = {"checkpointing": prefix > OPTIONS.checkpoint_above}
        steps = {"stock TRL": Step(DPOTrainer, DPOConfig, folder, dataset, **common)}
        if OPTIONS.separate:
            steps["ours, separate rows"] = Step(
                VideoDPOTrainer, VideoDPOConfig, folder, dataset, share_prefix=False, **common
            )
        for backend in backends:
            name = "ours, shared prefix" + (f" ({backend})" if len(backends) > 1 else "")
            steps[name] = Step(
                VideoDPOTrainer, VideoDPOConfig, folder, dataset, prefix_attention=backend, **common
            )
        # A step at 8,000 tokens takes minutes on a CPU: its first one has to do.
        measure(steps, 0 if common["checkpointing"] else OPTIONS.repeats)
        stock = steps["stock TRL"]
        responses = 2 * OPTIONS.pairs * OPTIONS.response
        prompt = (stock.tokens() - responses) / (2 * OPTIONS.pairs)
        ideal = 2 * (prompt + OPTIONS.response) / (prompt + 2 * OPTIONS.response)
        memory = {name: step.activation_bytes() if OPTIONS.memory else 0 for name, step in steps.items()}
        for name, step in steps.items():
            faster = stock.seconds() / step.seconds()
            name_shown = f"{name}, checkpointing" if common["checkpointing"] else name
            shown = ideal if "shared" in name else 1.0
            print(
                f"{prompt:7.0f} {name_shown:<34} {step.logp:10.3f} {step.seconds():8.3f} {faster:7.2f} {shown:6.2f} "
                f"{faster / shown:8.2f} {memory[name] / 2**20:15.0f} {memory[name] / max(memory['stock TRL'], 1):6.2f}",
                flush=True,
            )
        del steps, stock
        gc.collect()


def compare_methods(folder: str) -> None:
    print("\nSynPO against DPO, both ours, full model")
    print(
        f"{'prefix':>7} {'method':<10} {'s/step':>8} {'faster':>7} {'weights MB':>11} {'activations MB':>15}"
    )
    for prefix in OPTIONS.method_prefix:
        dataset = rows(prefix, OPTIONS.response, OPTIONS.pairs)
        steps = {
            "DPO": Step(VideoDPOTrainer, VideoDPOConfig, folder, dataset),
            "SynPO": Step(SynPOTrainer, SynPOConfig, folder, dataset),
        }
        measure(steps, OPTIONS.repeats)
        for name, step in steps.items():
            print(
                f"{prefix:7d} {name:<10} {step.seconds():8.3f} {steps['DPO'].seconds() / step.seconds():7.2f} "
                f"{step.state_bytes() / 2**20:11.0f} {step.activation_bytes() / 2**20:15.0f}",
                flush=True,
            )


def main() -> None:
    global OPTIONS
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--prefix", type=int, nargs="*", default=[100, 500, 2000, 8000])
    parser.add_argument(
        "--method-prefix", type=int, nargs="*", default=[2000], help="prefixes for SynPO against DPO"
    )
    parser.add_argument("--response", type=int, default=200, help="tokens of a response")
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3, help="timed steps; one with checkpointing")
    parser.add_argument(
        "--checkpoint-above",
        type=int,
        default=4000,
        help="gradient checkpointing (TRL's default) for prefixes above this; below, it is off for all methods",
    )
    parser.add_argument(
        "--separate", action=argparse.BooleanOptionalAction, default=True, help="our separate rows too"
    )
    parser.add_argument(
        "--memory",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="measure activations (one more step)",
    )
    parser.add_argument("--backends", nargs="+", choices=("sdpa", "flex", "flash"))
    OPTIONS = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size = write_model(folder)
        where = (
            torch.cuda.get_device_name(0)
            if OPTIONS.device == "cuda"
            else f"CPU, {torch.get_num_threads()} threads"
        )
        print(f"Qwen2.5-VL, {size / 1e6:.1f}M parameters, {where}\n{describe()}")
        if OPTIONS.prefix:
            compare_prefixes(folder)
        if OPTIONS.method_prefix:
            compare_methods(folder)


OPTIONS: argparse.Namespace

if __name__ == "__main__":
    main()
