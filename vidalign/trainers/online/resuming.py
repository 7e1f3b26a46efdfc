"""Going on where a training was interrupted: with the prompts, and the completions, that would have come."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sized
from typing import Any, cast

from torch.utils.data import Sampler

from vidalign.trainers._trl import TRLTrainer
from vidalign.trainers.online.stopping import BatchFailure, RandomState


class ContinuedSampler(Sampler[int]):
    """A sampler whose generator moves on with each epoch, as TRL's `RepeatSampler`: it is seeded when it is made, and would
    give a resumed training the first epoch's order again.

    Args:
        sampler: the one whose order counts.
        epochs: the epochs that were begun and ended before; asked when the first order is drawn, as a data loader is made
            before a checkpoint is read.
    """

    def __init__(self, sampler: Any, epochs: Callable[[], int]) -> None:
        self.sampler = sampler
        self._epochs: Callable[[], int] | None = epochs

    def __iter__(self) -> Iterator[int]:
        if self._epochs is not None:
            for _ in range(self._epochs()):
                next(iter(self.sampler), None)  # draws the whole order of one epoch
            self._epochs = None
        return iter(self.sampler)

    def __len__(self) -> int:
        return len(cast(Sized, self.sampler))


class ResumableRollouts(TRLTrainer):
    """Mixed into a trainer of TRL's that generates, before it."""

    _saved_step: int | None = None
    _resumes_with: RandomState | None = None
    """What a run resumed at an epoch's start begins its first batch with, until that batch begins."""

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        return ContinuedSampler(super()._get_train_sampler(dataset), lambda: self._progress()[0])

    def _progress(self) -> tuple[int, int]:
        """(epochs, micro-batches of the epoch under way) that the steps so far were made of. A stream has one epoch."""
        accumulated, loader = self.args.gradient_accumulation_steps, self.callback_handler.train_dataloader
        try:
            epoch = len(loader)
        except TypeError:
            return 0, self.state.global_step * accumulated
        epochs, steps = divmod(self.state.global_step, max(1, -(-epoch // accumulated)))
        return epochs, steps * accumulated

    def _batches_before(self) -> int:
        """Micro-batches before a resumed one, which goes on inside the sampler's round of repeated prompts."""
        epochs, batches = self._progress()
        return batches if not epochs else epochs * len(self.callback_handler.train_dataloader) + batches

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        # An epoch's data loader draws a random number before its first batch, and draws it again when the training is
        # resumed from there.
        self._resumes_with = RandomState()
        super()._run_epoch(*args, **kwargs)

    def _load_rng_state(self, checkpoint: str | None) -> None:
        super()._load_rng_state(checkpoint)
        self._resumes_with = RandomState()

    def _state_to_go_on_with(self) -> RandomState:
        """The random states, from which a resumed run would begin the batch that begins here."""
        state, self._resumes_with = self._resumes_with or RandomState(), None
        return state

    def _stop(self, failure: BatchFailure) -> None:
        """Saves what has been learned, once, and raises the error itself."""
        step = self.state.global_step
        note = f"stopped at step {step}: {failure.what} failed"
        if self.optimizer is not None:  # else `evaluate` was called by itself, and there is nothing to save
            if self._saved_step != step:
                self._save_checkpoint(self.model, trial=None)
            folder = os.path.join(self.args.output_dir, f"checkpoint-{step}")
            note += f". Nothing was learned from this batch; go on with resume_from_checkpoint={folder!r}"
        if failure.error is None:
            raise RuntimeError(f"process {failure.process}: {note}") from None
        failure.error.add_note(note)
        raise failure.error from None

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        self._saved_step = self.state.global_step
