"""What the benchmarks of training steps share: models, rows, and one trainer's step with its time and its memory.

The rows hold the frames as `images`, because stock TRL has no video: so all methods see the same tokens.
"""

from __future__ import annotations

import gc
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Mapping
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from datasets import Dataset, Features, Image, List, Value  # noqa: E402
from PIL import Image as Picture  # noqa: E402
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration  # noqa: E402

from vidalign.families import FAMILIES  # noqa: E402

SIDE = 224
TOKENS_A_FRAME = (SIDE // 28) ** 2
# (layers, width, width of the feed-forward part, heads) of the language model and of the vision tower.
SIZES = {
    "small": ((8, 512, 1408, 8), (8, 384, 1024, 6)),  # about 45 million parameters
    "smaller": ((4, 256, 704, 4), (4, 192, 512, 3)),
    "tiny": ((2, 128, 352, 2), (2, 96, 256, 2)),  # for rows that take hours otherwise
}


def write_model(folder: str, size: str = "small") -> int:
    """A Qwen2.5-VL with a vision tower of its proportions. Returns its number of parameters."""
    (layers, width, inner, heads), (depth, side, tower_inner, tower_heads) = SIZES[size]
    processor = FAMILIES["qwen2_5_vl"].tiny_processor()
    token_id = processor.tokenizer.convert_tokens_to_ids
    limits = {"shortest_edge": 28 * 28, "longest_edge": SIDE * SIDE}
    processor.image_processor.size = type(processor.image_processor.size)(**limits)
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config={
                "vocab_size": 8192,
                "hidden_size": width,
                "intermediate_size": inner,
                "num_hidden_layers": layers,
                "num_attention_heads": heads,
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
                "depth": depth,
                "hidden_size": side,
                "intermediate_size": tower_inner,
                "num_heads": tower_heads,
                "patch_size": 14,
                "window_size": 112,
                "fullatt_block_indexes": [depth // 2 - 1, depth - 1],
                "out_hidden_size": width,
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


def prompts_with_responses(prefix: int, response: int, responses: int, count: int) -> list[dict[str, Any]]:
    """`count` rows of `images`, `prompt` (about `prefix` tokens, most of them media) and `responses`, each of `response`
    tokens."""
    rng = np.random.default_rng(prefix)
    frames = max(1, round((prefix - 20) / (TOKENS_A_FRAME + 2)))
    alphabet = list("abcdefghijklmnopqrstuvwxyz")

    def said() -> list[dict[str, str]]:
        return [{"role": "assistant", "content": "".join(rng.choice(alphabet, size=response - 1))}]

    def picture() -> Picture.Image:
        return Picture.fromarray(rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8))

    return [
        {
            "images": [picture() for _ in range(frames)],
            "prompt": [{"role": "user", "content": "describe"}],
            "responses": [said() for _ in range(responses)],
        }
        for _ in range(count)
    ]


def dataset(rows: list[dict[str, Any]]) -> Dataset:
    """Rows of messages; `ranked` holds lists of them."""
    messages = List({"role": Value("string"), "content": Value("string")})
    kinds = {"images": List(Image()), "ranked": List(messages)}
    return Dataset.from_list(
        rows, features=Features({column: kinds.get(column, messages) for column in rows[0]})
    )


class Step:
    """One trainer with one batch of all its rows, ready to be stepped: forward, reference, backward, optimiser.

    Collation is not part of it. logp: the first response's mean log-prob of the first step, by which methods can be
    compared before any of them has learnt.
    """

    def __init__(
        self,
        trainer_class: type,
        config_class: type,
        folder: str,
        rows: Dataset,
        *,
        device: str = "cpu",
        checkpointing: bool = False,
        logged: str = "logps/chosen",
        **settings: Any,
    ) -> None:
        self._device = device
        if checkpointing and hasattr(config_class, "prefix_self_check"):
            settings["prefix_self_check"] = False  # it would run in the one step that is timed
        with tempfile.TemporaryDirectory() as out:
            options: Mapping[str, Any] = {
                "output_dir": out,
                "report_to": [],
                "per_device_train_batch_size": len(rows),
                "gradient_checkpointing": checkpointing,
                "max_length": None,
                "learning_rate": 1e-6,
                "bf16": device == "cuda",
                "use_cpu": device == "cpu",
                **settings,
            }
            model = Qwen2_5_VLForConditionalGeneration.from_pretrained(
                folder, dtype=torch.bfloat16 if device == "cuda" else torch.float32
            )
            self.trainer = trainer_class(model=model, args=config_class(**options), train_dataset=rows)
        self.model = self.trainer.model
        if checkpointing:  # as `train` would, which is not called here
            self.model.gradient_checkpointing_enable({"use_reentrant": False})
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-6)
        self.batch = next(iter(self.trainer.get_train_dataloader()))
        self.trainer.current_gradient_accumulation_steps = 1  # set by `train`, which is not called here
        self.times: list[float] = []
        # The first step allocates gradients and optimiser state, and counts only where it is all there is time for.
        self.run(timed=checkpointing)
        self.logp = self.trainer._metrics["train"][logged][0]

    def forward_backward(self) -> None:
        self.trainer.training_step(self.model, dict(self.batch))

    def run(self, timed: bool = True) -> None:
        self._synchronise()
        start = time.perf_counter()
        self.forward_backward()
        self.optimizer.step()
        # Kept allocated, so that gradients count as state and not as activations.
        self.optimizer.zero_grad(set_to_none=False)
        self._synchronise()
        if timed:
            self.times.append(time.perf_counter() - start)

    def seconds(self) -> float:
        return statistics.median(self.times)

    def tokens(self) -> int:
        return int(self.batch["attention_mask"].sum())

    def activation_bytes(self) -> int:
        """Peak of allocated tensors during forward and backward, above model, reference, gradients and optimiser."""
        gc.collect()
        if self._device == "cuda":
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

    def _synchronise(self) -> None:
        if self._device == "cuda":
            torch.cuda.synchronize()


def measure(steps: Mapping[str, Step], repeats: int) -> None:
    """In turn, A B C A B C: a machine that slows down slows all of them."""
    for _ in range(repeats):
        for step in steps.values():
            step.run()


def where(device: str) -> str:
    return torch.cuda.get_device_name(0) if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
