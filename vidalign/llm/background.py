"""One event loop in a thread of its own, for a process: judges work in it whoever asks, from whatever loop or thread.

So one limit on concurrency holds for all callers, a question that two of them ask at once is one call, and blocking code
can wait for an answer inside a running loop.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_running: tuple[int, asyncio.AbstractEventLoop] | None = None
_inherited: list[Any] = []


def loop() -> asyncio.AbstractEventLoop:
    """The process's judge loop, started on first use; a forked child starts its own."""
    global _running
    with _lock:
        if _running is None or _running[0] != os.getpid():
            fresh = asyncio.new_event_loop()
            threading.Thread(target=fresh.run_forever, name="vidalign-judge", daemon=True).start()
            _running = (os.getpid(), fresh)
        return _running[1]


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
    if _running is not None and _running[0] == os.getpid():
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is _running[1]:
            coroutine.close()
            raise RuntimeError("a blocking call from the judge's own loop would never end; await it instead")
    future = submit(coroutine)
    try:
        return future.result()
    except BaseException:
        future.cancel()  # after Ctrl-C, what has not begun is not paid for
        raise


def _after_fork() -> None:
    # The lock may have been held by another thread at the moment of the fork.
    global _lock
    _lock = threading.Lock()
    # Kept alive: its end would close what it shares with the parent, and its id, by which litellm files its connections,
    # would come to a loop of this process.
    _inherited.append(_running)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
