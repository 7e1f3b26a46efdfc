"""The methods that the demo compares, as the library's trainers run them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from demo.settings import CHAIN_LENGTH
from vidalign.trainers.collators import RankedCollator, VideoPreferenceCollator, VideoSupervisedCollator
from vidalign.trainers.dpo import VideoDPOConfig, VideoDPOTrainer
from vidalign.trainers.ranking import RankingConfig, RankingTrainer
from vidalign.trainers.sft import VideoSFTConfig, VideoSFTTrainer
from vidalign.trainers.synpo import SynPOConfig, SynPOTrainer

TOWERS: dict[str, list[str]] = {"trainable": [], "frozen": ["vision_tower"]}
"""What does not learn, by how the report calls the vision tower."""


@dataclass(frozen=True)
class Method:
    """rows: the file of the world, without its ending, that it learns from. options: of `config`, beside what all runs
    share. reference: whether it compares with a reference model, which is the checkpoint."""

    rows: str
    trainer: Any
    config: Any
    collator: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    reference: bool = False


def supervised(rows: str) -> Method:
    return Method(rows, VideoSFTTrainer, VideoSFTConfig, VideoSupervisedCollator)


def _ranked(loss: str, length: int) -> Method:
    options = {"loss_type": [loss], "chain_length": length}
    # A collator of one's own is taken as it is, so it is told as well.
    collator = partial(RankedCollator, chain_length=length)
    return Method("chains", RankingTrainer, RankingConfig, collator, options, reference=True)


# Each method with its own library defaults (DPO: beta 0.1; SynPO: alpha 30, beta 0.2).
PAIR_METHODS = {
    "DPO": Method("preference", VideoDPOTrainer, VideoDPOConfig, VideoPreferenceCollator, reference=True),
    "SynPO": Method("preference", SynPOTrainer, SynPOConfig, VideoPreferenceCollator),
    "SFT on best": supervised("best"),
}

# A chain of 2 has one comparison, and ranking it is DPO on the top two: trained once, shown as both.
CHAIN_METHODS = {
    "SFT": supervised("described"),
    "DPO": _ranked("dpo", 2),
    "MPO": _ranked("mpo", CHAIN_LENGTH),
    "Ranking 3": _ranked("plackett_luce", 3),
    "Ranking 5": _ranked("plackett_luce", CHAIN_LENGTH),
}

METHODS = {"pairs": PAIR_METHODS, "chains": CHAIN_METHODS}
