"""Preference alignment for video language models, on top of TRL.

The public names load on first use, so that `import vidalign` costs nothing and a project that wants one loss imports
torch only.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from vidalign._version import __version__

if TYPE_CHECKING:
    from vidalign.losses import (
        cpo_loss,
        dpop_loss,
        ipo_loss,
        mpo_loss,
        plackett_luce_loss,
        ranking_hinge_loss,
        simper_loss,
        simpo_loss,
        synpo_loss,
    )
    from vidalign.trainers.adapters import lora_preset
    from vidalign.trainers.dpo import VideoDPOConfig, VideoDPOTrainer
    from vidalign.trainers.grpo import VideoGRPOConfig, VideoGRPOTrainer
    from vidalign.trainers.ranking import RankingConfig, RankingTrainer
    from vidalign.trainers.sft import VideoSFTConfig, VideoSFTTrainer
    from vidalign.trainers.synpo import SynPOConfig, SynPOTrainer
    from vidalign.video import Video, clips, probe, read_audio, read_video

_MODULE_OF = {
    "RankingConfig": "vidalign.trainers.ranking",
    "RankingTrainer": "vidalign.trainers.ranking",
    "SynPOConfig": "vidalign.trainers.synpo",
    "SynPOTrainer": "vidalign.trainers.synpo",
    "Video": "vidalign.video",
    "VideoDPOConfig": "vidalign.trainers.dpo",
    "VideoDPOTrainer": "vidalign.trainers.dpo",
    "VideoGRPOConfig": "vidalign.trainers.grpo",
    "VideoGRPOTrainer": "vidalign.trainers.grpo",
    "VideoSFTConfig": "vidalign.trainers.sft",
    "VideoSFTTrainer": "vidalign.trainers.sft",
    "clips": "vidalign.video",
    "cpo_loss": "vidalign.losses",
    "dpop_loss": "vidalign.losses",
    "ipo_loss": "vidalign.losses",
    "lora_preset": "vidalign.trainers.adapters",
    "mpo_loss": "vidalign.losses",
    "plackett_luce_loss": "vidalign.losses",
    "probe": "vidalign.video",
    "ranking_hinge_loss": "vidalign.losses",
    "read_audio": "vidalign.video",
    "read_video": "vidalign.video",
    "simper_loss": "vidalign.losses",
    "simpo_loss": "vidalign.losses",
    "synpo_loss": "vidalign.losses",
}

__all__ = [
    "RankingConfig",
    "RankingTrainer",
    "SynPOConfig",
    "SynPOTrainer",
    "Video",
    "VideoDPOConfig",
    "VideoDPOTrainer",
    "VideoGRPOConfig",
    "VideoGRPOTrainer",
    "VideoSFTConfig",
    "VideoSFTTrainer",
    "__version__",
    "clips",
    "cpo_loss",
    "dpop_loss",
    "ipo_loss",
    "lora_preset",
    "mpo_loss",
    "plackett_luce_loss",
    "probe",
    "ranking_hinge_loss",
    "read_audio",
    "read_video",
    "simper_loss",
    "simpo_loss",
    "synpo_loss",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
