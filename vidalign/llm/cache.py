"""Answers on disk, safe between processes and after a kill: SQLite.

The standard library's sqlite3 rather than a caching package: those for files on disk either store pickles, which run code
when a cache folder is not one's own, or are no longer kept up.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from vidalign.llm.forks import PerProcess
from vidalign.llm.ledger import JudgeError

try:
    import fcntl
except ImportError:  # Windows: two processes may ask the same thing at the same time, and both are answered
    fcntl = None  # type: ignore[assignment]

_BUSY = 60.0  # seconds to wait for another process's write
_POLL = 0.02  # seconds between looks at a claim that another process holds


def default_folder() -> str:
    """`$XDG_CACHE_HOME/vidalign/judge`, `~/.cache/vidalign/judge` without it."""
    return os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "vidalign", "judge"
    )


class AnswerCache:
    """Text by key in `folder/answers.sqlite`. Every answer is on disk when `put` returns. Nothing is ever dropped; delete
    the folder to forget."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder).expanduser()
        self._lock = threading.RLock()
        # A connection must not be used across a fork, and a lock on a file belongs to a process.
        self._connection = PerProcess(self._open)
        self._claims = PerProcess(self._open_claims)

    @property
    def path(self) -> Path:
        return self.folder / "answers.sqlite"

    def get(self, key: str) -> dict[str, Any] | None:
        with self._lock:
            row = self._run("SELECT answer FROM answers WHERE key = ?", key)
        try:
            return None if row is None else json.loads(row[0])
        except (ValueError, TypeError) as error:
            raise self._unusable(error) from None

    def put(self, key: str, answer: dict[str, Any]) -> None:
        with self._lock:
            self._run("INSERT OR REPLACE INTO answers VALUES (?, ?)", key, json.dumps(answer))

    @asynccontextmanager
    async def claim(self, key: str) -> AsyncIterator[bool]:
        """Holds a key against other processes; one that dies lets go of it. Yields whether somebody else held it before."""
        if fcntl is None:
            yield False
            return
        # One byte of one file a key: record locks belong to the process and vanish with it, and leave nothing behind.
        file, place = self._claims(), int(key[:15], 16)
        waited = False
        while not self._locked(file, place):
            waited = True
            await asyncio.sleep(_POLL)
        try:
            yield waited
        finally:
            fcntl.lockf(file, fcntl.LOCK_UN, 1, place)

    def _locked(self, file: Any, place: int) -> bool:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
        except (BlockingIOError, PermissionError):  # held by another process, in two ways of saying so
            return False
        except OSError as error:  # a file system without locks
            raise self._unusable(error) from None
        return True

    def _open_claims(self) -> Any:
        self._connection()  # makes the folder
        try:
            return open(self.folder / "claims.lock", "a+b")
        except OSError as error:
            raise self._unusable(error) from None

    def _run(self, statement: str, *values: str) -> Any:
        """The first row, if there is one."""
        try:
            return self._connection().execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from None

    def _open(self) -> sqlite3.Connection:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Autocommit: each answer is a transaction of its own.
            opened = sqlite3.connect(self.path, timeout=_BUSY, isolation_level=None, check_same_thread=False)
            # One process at a time: SQLite does not wait for another's change of the journal mode.
            with FileLock(self.folder / "open.lock", timeout=_BUSY):
                opened.execute("PRAGMA journal_mode=WAL")
                opened.execute(
                    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)"
                )
            # Safe when a process is killed; a power cut can cost the last answers, never the file.
            opened.execute("PRAGMA synchronous=NORMAL")
        except (OSError, sqlite3.DatabaseError) as error:
            raise self._unusable(error) from None
        return opened

    def _unusable(self, error: Exception) -> JudgeError:
        return JudgeError(
            f"the judge's cache {str(self.path)!r} cannot be used ({error}); delete it, or set cache_dir "
            "(VIDALIGN_JUDGE_CACHE_DIR) to a folder on a local disk that can be written, or to '' for none"
        )
