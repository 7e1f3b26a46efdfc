"""Summed log-probs of the captions of chains, by the shared prefix: each clip runs once for its whole chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from demo.training import Runner
from vidalign.prefix import RowBatch, SharedPrefix, token_logps
from vidalign.trainers.collators import VideoSupervisedCollator

_CHAINS = 40  # at a time


@torch.no_grad()
def chain_logps(
    runner: Runner, model: Any, chains: Sequence[Sequence[Mapping[str, Any]]]
) -> list[list[float]]:
    """chains: supervised rows of one clip each. In nats, in the chains' order."""
    collate = VideoSupervisedCollator(runner.encoder, runner.pad_token_id)
    prefix = SharedPrefix(model, self_check=False)
    was_training = model.training
    model.eval()
    found: list[list[float]] = []
    for start in range(0, len(chains), _CHAINS):
        some = chains[start : start + _CHAINS]
        batch = collate([row for chain in some for row in chain])
        rows = RowBatch(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            labels=batch["labels"],
            group=batch["prefix_group"],
            media=batch["media"],
        )
        sums = token_logps(model, rows, prefix=prefix).sum(dim=1).split([len(chain) for chain in some])
        found += [of_chain.tolist() for of_chain in sums]
    model.train(was_training)
    return found
