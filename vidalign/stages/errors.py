"""How work on an item ends without a result."""

from __future__ import annotations


class PipelineError(ValueError):
    """What the user can mend before a run, as one message."""


class Unfinished(Exception):
    """Raised by the work on one item that has no result, with the reason. The others go on, and the next run tries again."""


class Dropped(Exception):
    """Raised by the work on one item that gives nothing, with the reason. That is its result: no later stage sees it, and no
    later run tries again."""
