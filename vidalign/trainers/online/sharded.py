"""Weights that are sharded over processes: what is read outside the model's own forward needs them whole."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch


def is_sharded(trainer: Any) -> bool:
    """Whether a forward is a collective, which all processes must run together."""
    return (trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled) and trainer.accelerator.num_processes > 1


def forwards_of_all(trainer: Any, own: int) -> int:
    """How many forwards this process must run for `own` of its own: as many as any process has, where weights are sharded."""
    if not is_sharded(trainer):
        return own
    accelerator = trainer.accelerator
    return int(accelerator.gather(torch.tensor([own], device=accelerator.device)).max())


@contextlib.contextmanager
def whole_root(model: Any) -> Iterator[None]:
    """FSDP2 gathers a root's own weights in its forward, and prompts are read by the backbone inside it. All processes must
    enter together; a model that is not sharded stays as it is."""
    sharded = hasattr(model, "unshard") and hasattr(model, "reshard")
    if sharded:
        # The first forward decides which module is the root.
        model(input_ids=torch.zeros(1, 1, dtype=torch.long, device=model.device), use_cache=False)
        model.unshard()
    try:
        yield
    finally:
        if sharded:
            model.reshard()
