"""One event loop in a thread of its own, for a process: judges work in it whoever asks, from whatever loop or thread.

So one limit on concurrency holds for all callers, a question that two of them ask at once is one call, and blocking code
can wait for an answer inside a running loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from vidalign.llm.forks import PerProcess

T = TypeVar("T")


def _start() -> asyncio.AbstractEventLoop:
    fresh = asyncio.new_event_loop()
    threading.Thread(target=fresh.run_forever, name="vidalign-judge", daemon=True).start()
    return fresh


loop = PerProcess(_start)
"""The process's judge loop, started on first use."""


def submit(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    return asyncio.run_coroutine_threadsafe(coroutine, loop())


async def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Awaits, in any loop, a coroutine that runs in the judge's."""
    if asyncio.get_running_loop() is loop():
        return await coroutine
    return await asyncio.wrap_future(submit(coroutine))


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """Waits for a coroutine that runs in the judge's loop.

    Raises:
        RuntimeError: called from the judge's own loop, which it would stop for ever.
    """
    if (running := loop.made()) is not None:
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is running:
            coroutine.close()
            raise RuntimeError("a blocking call from the judge's own loop would never end; await it instead")
    future = submit(coroutine)
    try:
        return future.result()
    except BaseException:
        future.cancel()  # after Ctrl-C, what has not begun is not paid for
        raise
