"""One training run of the demo, by the library's trainers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, ProgressCallback, get_cosine_schedule_with_warmup

from vidalign.families import family_of
from vidalign.rows import MediaFolder
from vidalign.toyworld.demo.meter import MemoryPeak, PairProbe, StepClock
from vidalign.toyworld.demo.progress import Progress
from vidalign.toyworld.demo.settings import Settings
from vidalign.toyworld.model import SAMPLED_FRAMES, build_config, build_processor, load_model
from vidalign.toyworld.optimizer import MuonAdamW
from vidalign.trainers.collators import VideoPreferenceCollator, VideoSupervisedCollator
from vidalign.trainers.dpo import VideoDPOConfig, VideoDPOTrainer
from vidalign.trainers.encoding import RowEncoder, VideoSampling
from vidalign.trainers.sft import VideoSFTConfig, VideoSFTTrainer
from vidalign.trainers.synpo import SynPOConfig, SynPOTrainer

REST = 0.75  # learning rate of everything that is not a hidden matrix, as a part of theirs
LOG_EVERY = 10  # steps, and oftener in short runs


@dataclass(frozen=True)
class Measured:
    """What was measured of a run (see `results.Run`)."""

    log: list[dict[str, float]]
    probe: list[tuple[int, float, float]]
    step_seconds: float
    peak_mb: float | None


@dataclass(frozen=True)
class Trained:
    """A model after its run."""

    model: Any
    measured: Measured


@dataclass
class Bench:
    """What all runs share: the processor, one encoder that decodes each clip once for all of them, and the folders.

    probe: a collated batch of pairs that no run trains on; None before there are pairs.
    """

    settings: Settings
    processor: Any
    encoder: RowEncoder
    world: Path
    work: Path
    progress: Progress
    probe: dict[str, Any] | None = None

    @property
    def pad_token_id(self) -> int:
        return self.processor.tokenizer.pad_token_id

    def teach(
        self, model: Any, dataset: Dataset, *, steps: int, rate: float, warmup: int, seed: int
    ) -> Trained:
        """Supervised training of `model` on rows of videos, prompt and completion."""
        collator = VideoSupervisedCollator(self.encoder, self.pad_token_id)
        return self._train(
            VideoSFTTrainer, VideoSFTConfig, collator, model, dataset, steps, rate, warmup, seed
        )

    def align(
        self, method: str, checkpoint: Path, data: dict[str, Dataset], *, steps: int, rate: float, seed: int
    ) -> Trained:
        """One of `METHODS` from a checkpoint. data: preference rows in "preference", their chosen captions in
        "best"."""
        model = load_model(str(checkpoint))
        warmup = steps // 10
        if method == "SFT on best":
            return self.teach(model, data["best"], steps=steps, rate=rate, warmup=warmup, seed=seed)
        collator = VideoPreferenceCollator(self.encoder, self.pad_token_id)
        # Each method with its own library defaults (DPO: beta 0.1; SynPO: alpha 30, beta 0.2).
        trainer, config, extra = {
            "DPO": (VideoDPOTrainer, VideoDPOConfig, {"ref_model": load_model(str(checkpoint))}),
            "SynPO": (SynPOTrainer, SynPOConfig, {}),
        }[method]
        return self._train(
            trainer, config, collator, model, data["preference"], steps, rate, warmup, seed, **extra
        )

    def _train(
        self,
        trainer_class: Any,
        config_class: Any,
        collator: Any,
        model: Any,
        dataset: Dataset,
        steps: int,
        rate: float,
        warmup: int,
        seed: int,
        **extra: Any,
    ) -> Trained:
        args = config_class(
            output_dir=str(self.work / "trainer"),
            max_steps=steps,
            per_device_train_batch_size=self.settings.batch_size,
            max_grad_norm=1.0,
            video_num_frames=SAMPLED_FRAMES,
            media_root=str(self.world),
            seed=seed,
            logging_steps=max(1, min(LOG_EVERY, steps // 6)),
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            dataloader_pin_memory=False,
        )
        optimizer = MuonAdamW(model.named_parameters(), lr_matrices=rate, lr_rest=REST * rate)
        schedule = get_cosine_schedule_with_warmup(optimizer, warmup, steps)
        clock = StepClock(self.progress)
        probe = PairProbe(self.probe, every=max(steps // 8, 1)) if self.probe is not None else None
        trainer = trainer_class(
            model=model,
            args=args,
            data_collator=collator,
            train_dataset=dataset,
            processing_class=self.processor,
            optimizers=(optimizer, schedule),
            callbacks=[clock, *([probe] if probe else [])],
            **extra,
        )
        for noisy in (PrinterCallback, ProgressCallback):
            trainer.remove_callback(noisy)
        with MemoryPeak() as memory:
            trainer.train()
        log = [
            {key: float(value) for key, value in entry.items() if isinstance(value, int | float)}
            for entry in trainer.state.log_history
            if "loss" in entry
        ]
        curve = probe.curve if probe else []
        return Trained(model, Measured(log, curve, clock.median(), memory.megabytes))


def make_bench(settings: Settings, folder: Path, work: Path, progress: Progress) -> Bench:
    """folder: of the world. work: for what the trainers write on the way.

    Fixes the number of PyTorch's threads in this process, as results depend on how sums are split.
    """
    torch.set_num_threads(settings.threads)
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
    return Bench(settings, processor, encoder, folder, work, progress)
