"""A batch that cannot be finished: all processes stop, with what has been learned so far saved."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch

T = TypeVar("T")


class BatchFailure(Exception):
    """Something outside the model failed for a batch: a reward function, a file.

    what: what was being done. error: None in the processes where nothing failed. process: the first where something did.
    """

    def __init__(self, what: str, error: Exception | None, process: int) -> None:
        super().__init__(what)
        self.what, self.error, self.process = what, error, process


def agree(accelerator: Any, what: str, error: Exception | None) -> None:
    """Raises BatchFailure in all processes if one has an error: the others would wait for it for ever."""
    here = torch.tensor([int(error is not None)], device=accelerator.device)
    everywhere = accelerator.gather(here)
    if everywhere.any():
        raise BatchFailure(what, error, int(everywhere.nonzero()[0]))


def agreed(accelerator: Any, what: str, work: Callable[[], T]) -> T:
    """The result of `work`, whose files all processes could read, each its own.

    Raises:
        BatchFailure: in all processes, if a file failed in one.
    """
    result, error = None, None
    try:
        result = work()
    except (ValueError, OSError) as raised:
        error = raised
    agree(accelerator, what, error)
    assert result is not None
    return result


class RandomState:
    """The random states of this process as they were."""

    def __init__(self) -> None:
        self._python, self._numpy = random.getstate(), np.random.get_state()
        self._cpu = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None

    def restore(self) -> None:
        random.setstate(self._python)
        np.random.set_state(self._numpy)
        torch.set_rng_state(self._cpu)
        if self._cuda is not None:
            torch.cuda.set_rng_state_all(self._cuda)
