"""The journal of a build: what is finished of it, in a file that a kill at any moment leaves usable.

A line of settings, and then a line for each finished item in the order in which they were finished: its
number, a hash of it, and its result, all as JSON. A line is with the operating system before the next item is
begun, so that it outlives the process (not a power cut). Who writes holds a lock, which vanishes with
the process.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows: nothing holds a second process off
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger("vidalign.build")


class BuildError(ValueError):
    """What the user can mend before a build, as one message."""


class Journal:
    """An open and locked journal.

    An item belongs to its result by its number and its hash, so items may be added at the end, and unfinished
    ones changed, between two runs.

    Args:
        path: the journal; a new one is begun where there is none, or one without a whole line.
        items: as JSON; gone through once.
        settings: what all results depend on besides the items, as JSON.
        restart: throws away what is in it.

    Raises:
        BuildError: another process holds it, or it belongs to other items or settings.
    """

    def __init__(
        self, path: Path, items: Iterable[Any], settings: Mapping[str, Any], *, restart: bool = False
    ) -> None:
        self.path = path
        self.total = 0
        self._settings = json.loads(json.dumps(settings))
        self._places: dict[int, int] = {}  # where an item's line begins
        self._end = 0
        self._file = self._locked()
        try:
            self.fresh = self._load(items, restart)
        except BaseException:
            if not os.fstat(self._file.fileno()).st_size:
                self.path.unlink()
            self._file.close()
            raise

    def __contains__(self, index: int) -> bool:
        return index in self._places

    def __len__(self) -> int:
        """Finished items."""
        return len(self._places)

    def result(self, index: int) -> Any | None:
        """None if the item is not finished."""
        if index not in self._places:
            return None
        self._file.seek(self._places[index])
        return json.loads(self._file.readline())["result"]

    def keep(self, index: int, item: Any, result: Any) -> None:
        if not self._end:
            self._write({"settings": self._settings})
        place = self._end
        self._write({"row": index, "hash": _hash(item), "result": result})
        self._places[index] = place

    def close(self, *, remove: bool) -> None:
        """Lets go of the lock. `remove` takes the file away before."""
        if self._file.closed:
            return
        if remove:
            self.path.unlink()
        # What can fail here is the rest of a line whose write has failed before, and been reported.
        with suppress(OSError):
            self._file.close()

    def _locked(self) -> IO[bytes]:
        while True:
            file = open(self.path, "a+b")  # noqa: SIM115
            if fcntl is None:
                return file
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                raise BuildError(
                    f"another process writes {str(self.path)!r}, so it builds the same; wait for its end"
                ) from None
            except OSError as error:  # some network file systems
                logger.warning("%s: no locks here (%s); start no second build of it", self.path, error)
                return file
            # Its last owner may have removed the file between the two calls.
            if os.fstat(file.fileno()).st_nlink:
                return file
            file.close()

    def _load(self, items: Iterable[Any], restart: bool) -> bool:
        """Whether there was nothing in it."""
        if restart:
            self._file.truncate(0)
        self._file.seek(0)
        first = self._file.readline()
        fresh = not first.endswith(b"\n")
        hashes: dict[int, str] = {}
        if not fresh:
            self._compare(_entry(first))
            self._end = len(first)
            hashes = self._finished()
        self._file.truncate(self._end)
        for index, item in enumerate(items):
            self.total += 1
            if index in hashes and hashes[index] != _hash(item):
                raise self._other(f"row {index} was another")
        if hashes and max(hashes) >= self.total:
            raise self._other(f"its row {max(hashes)} is finished, and there are only {self.total} rows")
        return fresh

    def _finished(self) -> dict[int, str]:
        hashes: dict[int, str] = {}
        while (line := self._file.readline()).endswith(b"\n"):  # not so the one that a kill has torn
            entry = _entry(line)
            if {"row", "hash", "result"} <= entry.keys():
                self._places[entry["row"]] = self._end
                hashes[entry["row"]] = entry["hash"]
            self._end += len(line)
        return hashes

    def _compare(self, header: Mapping[str, Any]) -> None:
        settings = header.get("settings")
        if not isinstance(settings, dict):
            raise BuildError(f"{str(self.path)!r} is no journal of a build; move it away")
        changed = [
            f"{key} was {settings.get(key)!r} and is {self._settings.get(key)!r}"
            for key in {**settings, **self._settings}
            if settings.get(key) != self._settings.get(key)
        ]
        if changed:
            raise self._other("; ".join(changed))

    def _other(self, why: str) -> BuildError:
        return BuildError(
            f"{str(self.path)!r} was left by a build of something else: {why}. Start that one again, take "
            "another name for the output, or give --restart to throw the journal away"
        )

    def _write(self, entry: Mapping[str, Any]) -> None:
        # In ASCII, which half a surrogate pair can be written in as well.
        line = json.dumps(entry).encode() + b"\n"
        self._file.write(line)
        self._file.flush()
        self._end += len(line)


def _entry(line: bytes) -> dict[str, Any]:
    """{} for a line that is none; its row is then worked on again."""
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _hash(item: Any) -> str:
    return hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()[:16]
