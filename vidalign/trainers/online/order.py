"""The order in which prompts come, over the epochs of a training that was interrupted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from typing import Any, cast

from torch.utils.data import Sampler


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
