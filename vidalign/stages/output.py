"""A file that appears whole, and is told from one that somebody else has put there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from vidalign.stages.errors import PipelineError
from vidalign.stages.journal import Resume

FINISHED = "finished"


class Output:
    """The file that a pipeline ends in, with the stages' results in a folder near it. To look at it writes nothing.

    Args:
        path: the file to be; its folder exists.
        stages: the folder of the results; default `PATH.stages`.
        resume: what to do with what an earlier run left (see `vidalign.stages.run.Run`).

    Raises:
        PipelineError: it cannot be written, or is there already.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, stages: Path | None = None, resume: Resume = "same"
    ) -> None:
        # Of a link its target is written, and two names of one file have one folder of results.
        self.path = Path(os.path.realpath(os.path.expanduser(path)))
        self.stages = stages or self.path.with_name(self.path.name + ".stages")
        self.check()
        finished = (self.stages / FINISHED).exists()
        # With results and no mark, a process was killed before it could set it: the output is written again.
        killed = self.stages.is_dir() and not finished
        may_replace = killed or resume == "restart" or (resume == "go-on" and finished)
        if self.path.exists() and not may_replace:
            again = ", or --resume go-on to build it again with whatever still fits" if finished else ""
            raise PipelineError(
                f"{str(self.path)!r} is there already; take another name, or give --resume restart to build anew{again}"
            )
        # Of an output that was finished and taken away since: whatever still fits.
        self.resume: Resume = "go-on" if resume == "same" and finished else resume
        """How the pipeline is to take what is there (see `vidalign.stages.journal.Journal`)."""

    def check(self) -> None:
        """Raises PipelineError where no file can be written."""
        if not self.path.parent.is_dir():
            raise PipelineError(f"the folder {str(self.path.parent)!r} does not exist; make it first")
        if self.path.is_dir():
            raise PipelineError(f"{str(self.path)!r} is a folder; name a file")

    def open(self) -> None:
        """Makes what the results and the file stand in."""

    def close(self) -> None:
        """Takes away again what was made for nothing."""

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
