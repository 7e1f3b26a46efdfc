"""One stage of a pipeline: a name, what its results depend on, and the work on an item."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vidalign.stages.errors import PipelineError
from vidalign.stages.estimate import Cost

Work = Callable[[Any, Mapping[str, Any]], Awaitable[Any]]
"""(item, results of the stages before by name) -> a result, as JSON."""

BatchWork = Callable[[Sequence[Any], Sequence[Mapping[str, Any]]], Sequence[Any]]
"""The same for a batch, synchronous: for a model on a GPU. An exception in place of a result is that item's."""


@dataclass(frozen=True)
class Stage:
    """A step of a pipeline.

    Args:
        name: letters, digits, "-" and "_"; the name of its file of results.
        work: async, on one item, in the background loop; or, with `batch`, synchronous on a list of up to so many items, in a
            thread of its own. It raises `Unfinished` or `Dropped` for an item (a batch returns the exception in its place).
        settings: what its results depend on besides the item and the results before, as JSON. Other settings give other results:
            what the stage made with the old ones is not taken, nor what later stages made of that.
        batch: items of a batch, ≥ 1; None: one by one.
        window: items under way at once, ≥ 1, of a stage without batches.
        cost: what the work on an item would cost, for a dry run; the results before are {} where they are not known yet.
    """

    name: str
    work: Work | BatchWork
    settings: Mapping[str, Any] = field(default_factory=dict)
    batch: int | None = None
    window: int = 64
    cost: Callable[[Any, Mapping[str, Any]], Cost] | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", self.name):
            raise PipelineError(f"stage {self.name!r}: a name has letters, digits, - and _ only")
        for name in ("batch", "window"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise PipelineError(f"{name}={value}; the minimum is 1")
