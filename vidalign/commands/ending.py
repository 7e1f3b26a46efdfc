"""How a command ends: its messages, and its exit code."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a scheduler sends it before it kills."""


class Ending:
    """A context that turns errors into a message on stderr and a `code`, which is 0 without one.

    2: the user has to mend it. 1: rows are missing, or the judge gave up. 128 + signal: one stopped it. Other errors pass.

    Args:
        mend: errors that the user has to mend, besides those of rows, pipelines and files.
    """

    def __init__(self, *mend: type[Exception]) -> None:
        self.code, self._mend = 0, mend
        self._signals = _sigterm_as_exception()

    def __enter__(self) -> Ending:
        self._signals.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        from vidalign.llm.ledger import JudgeError
        from vidalign.rows import BadRows
        from vidalign.stages.errors import MissingRows, PipelineError

        self._signals.__exit__(None, None, None)
        if error is None:
            return False
        if isinstance(error, KeyboardInterrupt):
            sent = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
            return self._say(error, f"stopped by {sent.name}", 128 + sent)
        if isinstance(error, (MissingRows, JudgeError)):
            return self._say(error, str(error), 1)
        if isinstance(error, (PipelineError, BadRows, OSError, *self._mend)):
            return self._say(error, str(error), 2)
        return False

    def _say(self, error: BaseException, message: str, code: int) -> bool:
        print("\n".join([f"vidalign: {message}", *getattr(error, "__notes__", [])]), file=sys.stderr)
        self.code = code
        return True


@contextmanager
def _sigterm_as_exception() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():  # where no handler can be set
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
