"""What the stages of a pipeline have made so far, in files that a kill at any moment leaves usable, and that people can read.

`FOLDER/STAGE.RANK.jsonl`: a line of the stage's settings, then a line for each result in the order in which they came: a key,
the row's number (for readers; nothing goes by it), and the result, all as JSON. The key is a hash of what the result was made
from. A line is with the operating system before the next item is begun, so that it outlives the process (not a power cut). A
process writes its own rank's files, under a lock that vanishes with it, and reads those of all ranks.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Literal, get_args

from filelock import FileLock, Timeout

from vidalign.stages.errors import PipelineError

Resume = Literal["same", "go-on", "restart", "refuse"]
"""What to do with what an earlier run left: see `Journal`."""


def key_of(*parts: Any) -> str:
    """Hash of JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


class Journal:
    """The open results of a pipeline's stages.

    Args:
        folder: of the files; it is made if it is not there, its own folder exists.
        settings: of each stage, by name.
        rank: of this process.
        resume: what to do with what is there. "same": go on if it was made with the same settings, else refuse. "go-on": go on
            with whatever still fits. "restart": throw it away, of all ranks, so rank 0 alone may. "refuse": go on with nothing.
        read_only: only looks at what is there: makes, locks and throws away nothing, and keeps no result.

    Raises:
        PipelineError: another process holds this rank's files, or by `resume`.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Mapping[str, Any]],
        *,
        rank: int = 0,
        resume: str = "same",
        read_only: bool = False,
    ) -> None:
        if resume not in get_args(Resume):
            raise PipelineError(f"resume={resume!r}; known are {', '.join(get_args(Resume))}")
        self.folder, self._rank, self._read_only = folder, rank, read_only
        if rank and resume == "restart":
            raise PipelineError(
                f"rank={rank} with resume='restart', which throws away what all ranks have made: let rank 0 do so first, and give "
                "the others resume='go-on'"
            )
        self._settings = {name: json.loads(json.dumps(own)) for name, own in settings.items()}
        self._made = not folder.is_dir()
        self._lock: FileLock | None = None
        if not read_only:
            try:
                folder.mkdir(exist_ok=True)
            except OSError as error:
                raise PipelineError(f"the folder {str(folder)!r} cannot be made: {error}") from None
            self._lock = self._locked()
        self._files: dict[str, _File] = {}
        try:
            self._open(resume)
        except BaseException:
            self.close()
            raise

    def __contains__(self, place: tuple[str, str]) -> bool:
        """place: (stage, key)."""
        stage, key = place
        return key in self._files[stage].places

    def get(self, stage: str, key: str) -> dict[str, Any] | None:
        """{"result": ...} or {"dropped": reason}; None for no line."""
        return self._files[stage].get(key)

    def keep(self, stage: str, key: str, row: int, entry: Mapping[str, Any]) -> None:
        self._files[stage].keep({"key": key, "row": row, **entry})

    def kept(self, stage: str) -> int:
        return len(self._files[stage].places)

    def close(self, *, remove: bool = False) -> None:
        """Lets go of the lock. remove: takes this rank's files away, and the folder if it is then empty."""
        for file in self._files.values():
            file.close()
            if remove and file.path is not None:
                file.path.unlink(missing_ok=True)
        if self._lock is None:
            return
        self._lock.release()
        if remove or (
            self._made and not any(file.path and file.path.exists() for file in self._files.values())
        ):
            with suppress(OSError):
                os.unlink(self._lock.lock_file)
            with suppress(OSError):  # there is something in it
                self.folder.rmdir()

    def _locked(self) -> FileLock:
        lock = FileLock(self.folder / f"rank-{self._rank}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise PipelineError(
                f"another process writes in {str(self.folder)!r} as rank {self._rank}, so it does the same; wait for its end"
            ) from None
        return lock

    def _open(self, resume: str) -> None:
        for stage, settings in self._settings.items():
            own = self.folder / f"{stage}.{self._rank}.jsonl"
            paths = sorted(self.folder.glob(f"{stage}.*.jsonl"))
            if resume == "restart":
                for path in () if self._read_only else paths:
                    path.unlink()
                paths = []
            found = [_header(path) for path in paths]
            if resume == "refuse" and any(found):
                raise PipelineError(
                    f"{str(self.folder)!r} has results of an earlier run; take another folder, give --resume go-on to go on "
                    "with them, or --resume restart to throw them away"
                )
            for path, header in zip(paths, found, strict=True):
                if header is None:
                    continue
                if header.get("stage") != stage or not isinstance(header.get("settings"), dict):
                    raise PipelineError(f"{str(path)!r} has no results of a pipeline; move it away")
                if resume == "same" and (changed := _changed(header["settings"], settings)):
                    raise PipelineError(
                        f"{str(path)!r} was made with other settings: {changed}. Run with the old ones, take another place, "
                        "or throw it away (--resume restart); --resume go-on keeps what still fits"
                    )
            header = {"stage": stage, "settings": settings}
            if self._read_only:
                self._files[stage] = _File(None, header, paths)
            else:
                self._files[stage] = _File(own, header, [path for path in paths if path != own])


class _File:
    """The results of a stage: this rank's file, which is written (None: nothing is), and those of others, which are read."""

    def __init__(self, path: Path | None, header: Mapping[str, Any], others: Sequence[Path]) -> None:
        self.path, self._header = path, header
        self.places: dict[str, tuple[IO[bytes], int]] = {}
        self._others = [open(other, "rb") for other in others]  # noqa: SIM115
        for other in self._others:
            for start, entry, _ in _entries(other):
                self._note(other, start, entry)
        # Made with the first result, so that a run which ends before one leaves nothing. Read by a handle of its own: after a
        # write that failed, the first one holds what it could not write.
        self._file: IO[bytes] | None = None
        self._reader: IO[bytes] | None = None
        self._end = 0
        if path is not None and path.exists():
            self._begin()

    def get(self, key: str) -> dict[str, Any] | None:
        if key not in self.places:
            return None
        file, start = self.places[key]
        file.seek(start)
        entry = json.loads(file.readline())
        return {name: entry[name] for name in ("result", "dropped") if name in entry}

    def keep(self, entry: Mapping[str, Any]) -> None:
        if self._file is None:
            self._begin()
        assert self._reader is not None
        self.places[entry["key"]] = (self._reader, self._write(entry))

    def close(self) -> None:
        for file in filter(None, (*self._others, self._reader, self._file)):
            # What can fail here is the rest of a line whose write has failed before, and been reported.
            with suppress(OSError):
                file.close()

    def _begin(self) -> None:
        assert self.path is not None
        self._file = open(self.path, "ab")  # noqa: SIM115
        self._reader = open(self.path, "rb")  # noqa: SIM115
        last = None
        for start, entry, end in _entries(self._reader):
            self._note(self._reader, start, entry)
            last, self._end = entry.get("settings", last), end
        self._file.truncate(self._end)  # a kill has torn the rest
        if last != self._header["settings"]:
            self._write(self._header)

    def _note(self, file: IO[bytes], start: int, entry: Mapping[str, Any]) -> None:
        if "key" in entry and ("result" in entry or "dropped" in entry):
            self.places[entry["key"]] = (file, start)

    def _write(self, entry: Mapping[str, Any]) -> int:
        assert self._file is not None
        # In ASCII, which half a surrogate pair can be written in as well.
        line = json.dumps(entry).encode() + b"\n"
        start = self._end
        self._file.write(line)
        self._file.flush()
        self._end += len(line)
        return start


def _entries(file: IO[bytes]) -> Iterator[tuple[int, dict[str, Any], int]]:
    """(start, entry, end) of the whole lines; {} for a damaged one, whose item is then worked on again."""
    file.seek(0)
    start = 0
    while (line := file.readline()).endswith(b"\n"):
        end = start + len(line)
        yield start, _parsed(line), end
        start = end
        file.seek(end)  # whoever takes the entries may have read elsewhere


def _header(path: Path) -> dict[str, Any] | None:
    """The last line of settings; None for a file without a whole first line, {} for one that does not begin with one."""
    with open(path, "rb") as file:
        lines = _entries(file)
        first = next(lines, None)
        if first is None:
            return None
        header = first[1] if "settings" in first[1] else {}
        for _, entry, _ in lines:
            header = entry if header and "settings" in entry else header
        return header


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    return "; ".join(
        f"{key} was {before.get(key)!r} and is {after.get(key)!r}"
        for key in {**before, **after}
        if before.get(key) != after.get(key)
    )
