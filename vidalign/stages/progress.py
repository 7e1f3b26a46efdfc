"""A run in the background loop, with a bar, that an interrupt ends."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, TypeVar

from vidalign.llm import background

T = TypeVar("T")
_PATIENCE = 10.0  # seconds that work under way has to end when a run is interrupted


class Progress:
    """A bar on stderr with rate, remaining time and a status, as a context; or nothing."""

    def __init__(self, total: int, shown: bool, status: Callable[[], Mapping[str, Any]]) -> None:
        from tqdm import tqdm

        given: dict[str, Any] = {} if shown else {"disable": True}  # or else as TQDM_DISABLE has it
        if not sys.stderr.isatty():
            given["mininterval"] = 10.0  # a log keeps every state of the bar
        self._bar, self._status = tqdm(total=total, unit="row", **given), status

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def step(self) -> None:
        self._bar.set_postfix(self._status(), refresh=False)
        self._bar.update()


def to_the_end(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs in the background loop; an interrupt of the waiting thread cancels it there, and waits for that."""
    ended = threading.Event()

    async def run() -> T:
        try:
            return await coroutine
        finally:
            ended.set()

    future = background.submit(run())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        ended.wait(_PATIENCE)
        raise
