"""A pipeline that ends in a dataset on disk: a folder with the rows, a card, and what the stages made."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from vidalign.stages.errors import PipelineError
from vidalign.stages.output import Output, write_whole
from vidalign.stages.pipeline import Pipeline
from vidalign.stages.stage import Stage
from vidalign.stages.tables import ENDINGS

ROWS = "train.jsonl"
CARD = "README.md"
STAGES = "stages"
MARK = "<!-- vidalign build -->"
"""Stands in a card, by which a later run knows one that it may replace."""


class DatasetFolder:
    """`FOLDER/train.jsonl`, `FOLDER/README.md` and `FOLDER/stages`, as a context around the `Pipeline` that they come of.

        with DatasetFolder("chains", [Stage("grow", grow)], captions) as folder:
            outcome = folder.pipeline.run()
            folder.finish(lambda path: write(path, folder.pipeline), card)

    `datasets.load_dataset(FOLDER)` and `dataset_name: FOLDER` in a recipe read it.

    Args:
        folder: it is made if it is not there; its own folder exists.
        stages, items, content: as `Pipeline` takes them.
        restart: throws away what an earlier run left for this folder.
        source: the folder of the input, if that is a file.

    Raises:
        PipelineError: on entering, as `Pipeline` and `Output`; or if the folder is one of something else.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        stages: Sequence[Stage],
        items: Iterable[Any],
        *,
        content: Callable[[Any], Any] | None = None,
        restart: bool = False,
        source: Path | None = None,
    ) -> None:
        self.path = Path(os.path.realpath(os.path.expanduser(folder)))
        self._source, self._restart, self._made = source, restart, False
        self._stages, self._items, self._content = stages, items, content
        self.pipeline: Pipeline
        self._output: Output

    def __enter__(self) -> DatasetFolder:
        self._check()
        if not self.path.is_dir():
            self.path.mkdir()
            self._made = True
        try:
            self._output = Output(self.path / ROWS, stages=self.path / STAGES, restart=self._restart)
            self.pipeline = Pipeline(
                self._output.stages,
                self._stages,
                self._items,
                content=self._content,
                resume=self._output.resume,
            ).__enter__()
        except BaseException:
            self._unmake()
            raise
        self._output.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pipeline.__exit__(kind, error, trace)
        self._unmake()

    def finish(self, write: Callable[[Path], None], card: Callable[[str], str]) -> None:
        """Puts the rows and the card in their places.

        Args:
            write: writes the rows to the path it gets.
            card: hash of the rows -> the card, with `MARK` in it.
        """

        def both(path: Path) -> None:
            write(path)
            # The card first: after a kill between the two, the rows are not in place, and the next run writes both again.
            with open(path, "rb") as file:
                text = card(hashlib.file_digest(file, "sha256").hexdigest())
            write_whole(self.path / CARD, lambda beside: _write_text(beside, text))

        try:
            self._output.finish(both)
        except BaseException as error:
            error.add_note(self.pipeline.state)
            raise

    def _check(self) -> None:
        name = str(self.path)
        if self.path.suffix.lower() in ENDINGS:
            raise PipelineError(
                f"{name!r}: the output is a folder, which holds {ROWS} and a card; leave the ending out"
            )
        if self.path.exists() and not self.path.is_dir():
            raise PipelineError(f"{name!r} is a file; the output is a folder")
        if not self.path.parent.is_dir():
            raise PipelineError(f"the folder {str(self.path.parent)!r} does not exist; make it first")
        if self._source == self.path:
            raise PipelineError(
                f"the input lies in {name!r} itself, and would be read as a split of the dataset there; name another "
                "folder for the output, such as one in it"
            )
        card = self.path / CARD
        if card.exists() and MARK not in card.read_text("utf-8", "replace"):
            raise PipelineError(
                f"{str(card)!r} was not written by a build; take another folder for the output"
            )

    def _unmake(self) -> None:
        if self._made:
            with suppress(OSError):  # there is something in it
                self.path.rmdir()


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
