"""A dataset on disk that a pipeline ends in: a folder with the rows, a card, and what the stages made."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from vidalign.stages.errors import PipelineError
from vidalign.stages.journal import Resume
from vidalign.stages.output import Output, write_whole
from vidalign.stages.tables import ENDINGS

ROWS = "train.jsonl"
CARD = "README.md"
STAGES = "stages"
MARK = "<!-- vidalign build -->"
"""Stands in a card, by which a later run knows one that it may replace."""


class DatasetFolder(Output):
    """`FOLDER/train.jsonl`, `FOLDER/README.md` and `FOLDER/stages`.

        folder = DatasetFolder("chains")
        with Running(folder, [Stage("grow", grow)], captions) as running:
            running.work("captions", "no chain")
            running.finish(folder.write_with_card(lambda path: write(path, running.pipeline), card))

    `datasets.load_dataset(FOLDER)` and `dataset_name: FOLDER` in a recipe read it.

    Args:
        folder: it is made if it is not there; its own folder exists.
        source: the folder of the input, if that is a file.
        resume: as `Output` takes it.

    Raises:
        PipelineError: as `Output`, or if the folder is one of something else.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, source: Path | None = None, resume: Resume = "same"
    ) -> None:
        self.folder = Path(os.path.realpath(os.path.expanduser(folder)))
        self._source, self._made = source, False
        super().__init__(self.folder / ROWS, stages=self.folder / STAGES, resume=resume)

    def check(self) -> None:
        name = str(self.folder)
        if self.folder.suffix.lower() in ENDINGS:
            raise PipelineError(
                f"{name!r}: the output is a folder, which holds {ROWS} and a card; leave the ending out"
            )
        if self.folder.exists() and not self.folder.is_dir():
            raise PipelineError(f"{name!r} is a file; the output is a folder")
        if not self.folder.parent.is_dir():
            raise PipelineError(f"the folder {str(self.folder.parent)!r} does not exist; make it first")
        if self._source == self.folder:
            raise PipelineError(
                f"the input lies in {name!r} itself, and would be read as a split of the dataset there; name another "
                "folder for the output, such as one in it"
            )
        card = self.folder / CARD
        if card.exists() and MARK not in card.read_text("utf-8", "replace"):
            raise PipelineError(
                f"{str(card)!r} was not written by a build; take another folder for the output"
            )

    def open(self) -> None:
        if not self.folder.is_dir():
            self.folder.mkdir(exist_ok=True)  # another process of the run may be first
            self._made = True

    def close(self) -> None:
        if self._made:
            with suppress(OSError):  # there is something in it
                self.folder.rmdir()

    def write_with_card(
        self, write: Callable[[Path], None], card: Callable[[str], str]
    ) -> Callable[[Path], None]:
        """What `finish` is to write: the rows, and their card beside them.

        Args:
            write: writes the rows to the path it gets.
            card: hash of the rows -> the card, with `MARK` in it.
        """

        def both(path: Path) -> None:
            write(path)
            # Before the rows are in their place: after a kill between the two, the next run writes both again.
            with open(path, "rb") as file:
                text = card(hashlib.file_digest(file, "sha256").hexdigest())
            write_whole(self.folder / CARD, lambda beside: _write_text(beside, text))

        return both


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
