"""State that belongs to one process: threads that a forked child does not have, connections that it would share with its parent."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_all: weakref.WeakSet[PerProcess[Any]] = weakref.WeakSet()


class PerProcess(Generic[T]):
    """A value that each process makes for itself when it first asks for it.

    A forked child keeps its parent's alive and leaves it alone: its end would close what both share, and its id, by which
    libraries file their connections, would come to an object of the child's.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: tuple[int, T] | None = None
        self._inherited: list[tuple[int, T]] = []
        self._lock = threading.RLock()
        _all.add(self)

    def __call__(self) -> T:
        made = self._made
        if made is None or made[0] != os.getpid():
            with self._lock:
                made = self._made
                if made is None or made[0] != os.getpid():
                    self._inherited += [made] if made is not None else []
                    made = self._made = (os.getpid(), self._make())
        return made[1]

    @property
    def inherited(self) -> bool:
        """Whether this process is a fork of one that had made it."""
        return bool(self._inherited) or (self._made is not None and self._made[0] != os.getpid())

    def made(self) -> T | None:
        """The value, if this process has made it."""
        made = self._made
        return made[1] if made is not None and made[0] == os.getpid() else None


def _renew_locks() -> None:
    # Another thread of the parent's may have held one at the moment of the fork.
    for one in list(_all):
        one._lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
