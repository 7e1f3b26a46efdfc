"""What a training run costs and does: seconds a step, memory, and log-probs on pairs that it does not train on."""

from __future__ import annotations

import ctypes
import gc
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from demo.progress import Progress
from vidalign.prefix import RowBatch, SharedPrefix, token_logps

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class MemoryPeak:
    """Growth of this process's peak resident memory over a block, in MB; None where the system cannot tell.

    Linux can reset a process's own high-water mark. The libraries, the models and the clips' pixels, in memory before,
    do not count: for a tiny model the figure is mostly activations, and coarse.
    """

    def __enter__(self) -> MemoryPeak:
        gc.collect()
        _return_freed_memory()
        self._before = self._resident("VmRSS")
        try:
            _RESET.write_text("5")
        except OSError:
            self._before = None
        return self

    def __exit__(self, *error: object) -> None:
        after = self._resident("VmHWM")
        known = self._before is not None and after is not None
        self.megabytes = (after - self._before) / 1024 if known else None  # type: ignore[operator]

    @staticmethod
    def _resident(name: str) -> int | None:
        """A line of the kernel's report, in kB."""
        if not _STATUS.exists():
            return None
        for line in _STATUS.read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
        return None


def _return_freed_memory() -> None:
    """Else a block would seem to need little after a larger one, whose freed memory it takes over."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)


class StepClock(TrainerCallback):
    """Seconds from the start of each optimiser step to its end, forward and backward included; reports progress."""

    def __init__(self, progress: Progress) -> None:
        self.seconds: list[float] = []
        self._progress, self._started = progress, 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._started = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.seconds.append(time.perf_counter() - self._started)
        self._progress.update(state.global_step, state.max_steps)

    def median(self) -> float:
        return statistics.median(self.seconds)


class PairProbe(TrainerCallback):
    """Summed log-probs of chosen and rejected captions, averaged over a fixed batch of pairs, as training goes on.

    The same yardstick for methods whose trainers log it and for those that never see the rejected captions.

    batch: what `VideoPreferenceCollator` makes of the pairs. every: steps between measurements.
    """

    def __init__(self, batch: dict[str, Any], every: int) -> None:
        ids = batch["input_ids"]
        self._rows = RowBatch(
            input_ids=ids,
            attention_mask=batch["attention_mask"],
            labels=torch.where(batch["completion_mask"].bool(), ids, -100),
            group=batch["prefix_group"],
            media=batch["media"],
        )
        self._every = every
        self.curve: list[tuple[int, float, float]] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._measure(kwargs["model"], 0)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step % self._every == 0 or state.global_step == state.max_steps:
            self._measure(kwargs["model"], state.global_step)

    @torch.no_grad()
    def _measure(self, model: Any, step: int) -> None:
        logps = token_logps(model, self._rows, prefix=SharedPrefix(model, share=False)).sum(dim=1)
        chosen, rejected = logps.chunk(2)
        self.curve.append((step, chosen.mean().item(), rejected.mean().item()))
