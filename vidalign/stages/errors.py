"""How work on an item, or a whole run, ends without a result."""

from __future__ import annotations

from collections.abc import Mapping


class PipelineError(ValueError):
    """What the user can mend before a run, as one message."""


class Unfinished(Exception):
    """Raised by the work on one item that has no result, with the reason. The other items go on; the next run tries this one again."""


class Dropped(Exception):
    """Raised by the work on one item that gives nothing, with the reason. That is its result: no later stage sees it, and no
    later run tries again."""


class MissingRows(RuntimeError):
    """No output: some rows have no result. missing: their reasons, by number."""

    def __init__(self, message: str, missing: Mapping[int, str]) -> None:
        super().__init__(message)
        self.missing = missing
