"""The two stages as the library's trainers run them, on clips with their sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import get_cosine_schedule_with_warmup

from demo.av.settings import Settings
from demo.meter import StepClock
from demo.methods import Method
from demo.progress import Progress
from demo.training import PLAIN, REST, Measured, Runner, Schedule, measured
from vidalign.encoding import RowEncoder, VideoSampling
from vidalign.families import family_of
from vidalign.judge import LexicalJudge
from vidalign.rewards import ChecklistReward, DialogueReward, LengthReward, joint_rewards
from vidalign.rows import MediaFolder
from vidalign.toyworld.optimizer import MuonAdamW
from vidalign.toyworld.sound.model import SAMPLED_FRAMES, build_config, build_processor
from vidalign.trainers.collators import VideoSupervisedCollator
from vidalign.trainers.grpo import VideoGRPOConfig, VideoGRPOTrainer
from vidalign.trainers.sft import VideoSFTConfig, VideoSFTTrainer

FROZEN = ("vision_tower", "audio_tower")
"""What does not learn after the first stage, as in the paper."""


def make_runner(folder: Path, work: Path, progress: Progress, *, threads: int) -> Runner:
    """As `demo.training.make_runner`, for clips with sound."""
    torch.set_num_threads(threads)
    processor = build_processor()
    config = build_config(processor)
    family = family_of(config)
    encoder = RowEncoder(
        processor,
        family,
        sampling=VideoSampling(fps=None, num_frames=SAMPLED_FRAMES, use_audio_in_video=True),
        folder=MediaFolder(folder),
        cache_gb=4.0,
        media_token_ids=family.media_token_ids(config),
    )
    return Runner(processor, encoder, folder, work, progress)


def supervised(rows: str) -> Method:
    return Method(
        rows, VideoSFTTrainer, VideoSFTConfig, VideoSupervisedCollator, {"use_audio_in_video": True}
    )


def reinforce(
    runner: Runner, settings: Settings, model: Any, weights: tuple[float, float, float], seed: int
) -> Measured:
    """GRPO on the rows of "shared". Trains `model` in place; its checkpoint's folder is the reference."""
    args = VideoGRPOConfig(
        output_dir=str(runner.work / "trainer"),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.prompts * settings.group,
        num_generations=settings.group,
        max_completion_length=settings.hard_limit,
        temperature=settings.temperature,
        beta=settings.beta,
        loss_type="grpo",  # the token form of Eq. 2, as in avocado/grpo
        reward_weights=list(weights),
        max_grad_norm=1.0,
        video_num_frames=SAMPLED_FRAMES,
        use_audio_in_video=True,
        media_root=str(runner.world),
        media_cache_gb=4.0,
        freeze=list(FROZEN),
        seed=seed,
        logging_steps=1,
        **PLAIN,
    )
    optimizer = MuonAdamW(model.named_parameters(), lr_matrices=settings.rate, lr_rest=REST * settings.rate)
    warmup = settings.steps // 10
    clock = StepClock(runner.progress)
    judge = LexicalJudge()
    trainer = VideoGRPOTrainer(
        model=model,
        reward_funcs=joint_rewards(
            [
                DialogueReward(judge),
                ChecklistReward(judge),
                LengthReward(settings.soft_limit, settings.hard_limit),
            ]
        ),
        args=args,
        train_dataset=Dataset.from_list(runner.rows("shared")),
        processing_class=runner.processor,
        optimizers=(optimizer, get_cosine_schedule_with_warmup(optimizer, warmup, settings.steps)),
        callbacks=[clock],
    )
    return measured(trainer, clock, "reward")


def continue_supervised(runner: Runner, settings: Settings, model: Any, seed: int) -> Measured:
    """As many steps on as many clips of the same rows, with their reference captions."""
    schedule = Schedule(settings.steps, settings.prompts, settings.rate, settings.steps // 10, seed)
    return runner.train(supervised("shared"), model, schedule, freeze=FROZEN)
