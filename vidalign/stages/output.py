"""A file that appears whole, and is told from one that somebody else has put there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from vidalign.stages.errors import PipelineError

FINISHED = "finished"


class Output:
    """The file that a pipeline ends in, with the stages' results in a folder near it.

    Args:
        path: the file to be; its folder exists.
        stages: the folder of the results; default `PATH.stages`.
        restart: whether one that is there may be replaced.

    Raises:
        PipelineError: it cannot be written, or is there already.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, stages: Path | None = None, restart: bool = False
    ) -> None:
        self._restart = restart
        # Of a link its target is written, and two names of one file have one folder of results.
        self.path = Path(os.path.realpath(os.path.expanduser(path)))
        self.stages = stages or self.path.with_name(self.path.name + ".stages")
        if not self.path.parent.is_dir():
            raise PipelineError(f"the folder {str(self.path.parent)!r} does not exist; make it first")
        if self.path.is_dir():
            raise PipelineError(f"{str(self.path)!r} is a folder; name a file")
        # With results and no mark, a process was killed before it could set it: the output is written again.
        killed = self.stages.is_dir() and not (self.stages / FINISHED).exists()
        if self.path.exists() and not killed and not restart:
            raise PipelineError(
                f"{str(self.path)!r} is there already; take another name, or give --restart to build anew"
            )

    @property
    def resume(self) -> str:
        """How the pipeline is to take what is there (see `vidalign.stages.journal.Journal`)."""
        if self._restart:
            return "restart"
        # Of an output that was finished and taken away since: whatever still fits.
        return "go-on" if (self.stages / FINISHED).exists() else "same"

    def begin(self) -> None:
        """To be called when the results are locked: from here on the output is not finished."""
        (self.stages / FINISHED).unlink(missing_ok=True)

    def finish(self, write: Callable[[Path], None]) -> None:
        """Puts the output in its place. `write` writes it to the path it gets."""
        write_whole(self.path, write)
        (self.stages / FINISHED).touch()


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Writes a file beside its place and moves it there, so that it is there whole or not at all."""
    beside = path.with_name(path.name + ".writing")
    try:
        write(beside)
        with open(beside, "r+b") as file:
            os.fsync(file.fileno())
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    os.replace(beside, path)
