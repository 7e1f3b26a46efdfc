"""The processes of a launch that share a pipeline's items."""

from __future__ import annotations

import atexit
import os
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from vidalign.stages.errors import PipelineError


@lru_cache
def _state() -> Any:
    from accelerate import PartialState

    # On the CPU whatever the model runs on: without it accelerate 1.15 takes a launch on a machine that has no GPU for a single
    # process. Processes end hours apart where videos are of unlike length; by default the first would give up after minutes.
    state = PartialState(cpu=True, timeout=timedelta(days=30))
    # Its threads can abort a process that ends with them.
    atexit.register(state.destroy_process_group)
    return state


@dataclass(frozen=True)
class Processes:
    """rank: of this process. world_size: how many there are."""

    rank: int = 0
    world_size: int = 1

    @classmethod
    def of_launch(cls) -> Processes:
        """Those of `accelerate launch` or torchrun, by the environment; else this one alone."""
        return cls(int(os.environ.get("RANK") or 0), int(os.environ.get("WORLD_SIZE") or 1))

    def wait(self) -> None:
        """Returns when all of them have called it.

        Raises:
            PipelineError: they do not find each other.
        """
        if self.world_size == 1:
            return
        state = _state()
        if state.num_processes != self.world_size:
            raise PipelineError(
                f"{state.num_processes} of {self.world_size} processes found each other; start them with accelerate launch or torchrun"
            )
        state.wait_for_everyone()
