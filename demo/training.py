"""One training run of the demo, by the library's trainers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, ProgressCallback, get_cosine_schedule_with_warmup

from demo.meter import MemoryPeak, PairProbe, StepClock
from demo.methods import Method
from demo.progress import Progress
from vidalign.encoding import RowEncoder, VideoSampling
from vidalign.families import family_of
from vidalign.rows import MediaFolder
from vidalign.toyworld import world
from vidalign.toyworld.model import SAMPLED_FRAMES, build_config, build_processor, load_model
from vidalign.toyworld.optimizer import MuonAdamW
from vidalign.trainers.collators import VideoPreferenceCollator

REST = 0.75  # learning rate of everything that is not a hidden matrix, as a part of theirs
PLAIN: dict[str, Any] = {
    "save_strategy": "no",
    "report_to": [],
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "dataloader_pin_memory": False,
}
"""Of every trainer here: no files, and float32 on the CPU."""
LOG_EVERY = 10  # steps, and oftener in short runs


@dataclass(frozen=True)
class Schedule:
    """batch_size: rows. rate: highest learning rate of the matrices; cosine after `warmup` steps. seed: of the order
    of batches."""

    steps: int
    batch_size: int
    rate: float
    warmup: int
    seed: int


@dataclass(frozen=True)
class Measured:
    """What was measured of a run (see `measures.Run`)."""

    log: list[dict[str, float]]
    probe: list[tuple[int, float, float]]
    step_seconds: float
    peak_mb: float | None


@dataclass
class Runner:
    """What all runs share: the processor, one encoder that decodes each clip once for all of them, and the folders."""

    processor: Any
    encoder: RowEncoder
    world: Path
    work: Path
    progress: Progress

    @property
    def pad_token_id(self) -> int:
        return self.processor.tokenizer.pad_token_id

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Rows of a file of the world."""
        return world.read_jsonl(self.world / f"{name}.jsonl")

    def train(
        self,
        method: Method,
        model: Any,
        schedule: Schedule,
        *,
        freeze: Sequence[str] = (),
        reference: Path | None = None,
        probe: list[dict[str, Any]] | None = None,
    ) -> Measured:
        """Trains `model` in place.

        freeze: parts that do not learn. reference: the checkpoint that methods with a reference model compare with.
        probe: preference rows whose log-probs are followed.
        """
        args = method.config(
            output_dir=str(self.work / "trainer"),
            max_steps=schedule.steps,
            per_device_train_batch_size=schedule.batch_size,
            max_grad_norm=1.0,
            video_num_frames=SAMPLED_FRAMES,
            media_root=str(self.world),
            freeze=list(freeze),
            seed=schedule.seed,
            logging_steps=max(1, min(LOG_EVERY, schedule.steps // 6)),
            **PLAIN,
            **method.options,
        )
        optimizer = MuonAdamW(
            model.named_parameters(), lr_matrices=schedule.rate, lr_rest=REST * schedule.rate
        )
        clock = StepClock(self.progress)
        probes = [self._probe(probe, schedule.steps)] if probe else []
        trainer = method.trainer(
            model=model,
            args=args,
            data_collator=method.collator(self.encoder, self.pad_token_id),
            train_dataset=Dataset.from_list(self.rows(method.rows)),
            processing_class=self.processor,
            optimizers=(
                optimizer,
                get_cosine_schedule_with_warmup(optimizer, schedule.warmup, schedule.steps),
            ),
            callbacks=[clock, *probes],
            **({"ref_model": load_model(str(reference))} if method.reference else {}),
        )
        return measured(trainer, clock, "loss", probes)

    def _probe(self, rows: list[dict[str, Any]], steps: int) -> PairProbe:
        batch = VideoPreferenceCollator(self.encoder, self.pad_token_id)([*rows])
        return PairProbe(batch, every=max(steps // 8, 1))


def measured(trainer: Any, clock: StepClock, logged: str, probes: Sequence[PairProbe] = ()) -> Measured:
    """Trains. logged: what an entry of the trainer's log must have to be kept."""
    for noisy in (PrinterCallback, ProgressCallback):
        trainer.remove_callback(noisy)
    with MemoryPeak() as memory:
        trainer.train()
    log = [
        {key: float(value) for key, value in entry.items() if isinstance(value, int | float)}
        for entry in trainer.state.log_history
        if logged in entry
    ]
    return Measured(log, probes[0].curve if probes else [], clock.median(), memory.megabytes)


def make_runner(folder: Path, work: Path, progress: Progress, *, threads: int) -> Runner:
    """folder: of the world. work: for what the trainers write on the way.

    Fixes the number of PyTorch's threads in this process, as results depend on how sums are split.
    """
    torch.set_num_threads(threads)
    processor = build_processor()
    config = build_config(processor)
    family = family_of(config)
    encoder = RowEncoder(
        processor,
        family,
        sampling=VideoSampling(fps=None, num_frames=SAMPLED_FRAMES),
        folder=MediaFolder(folder),
        cache_gb=4.0,
        media_token_ids=family.media_token_ids(config),
    )
    return Runner(processor, encoder, folder, work, progress)
