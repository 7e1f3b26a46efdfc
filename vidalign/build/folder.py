"""A build whose output is a dataset on disk: a folder with the rows and a card."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from vidalign.build.card import MARK, Card
from vidalign.build.journal import BuildError
from vidalign.build.resumable import Resumable
from vidalign.build.tables import ENDINGS

ROWS = "train.jsonl"
CARD = "README.md"


class DatasetFolder:
    """`FOLDER/train.jsonl` and `FOLDER/README.md`, as a context around a `Resumable` of the former.

        with DatasetFolder("chains", captions, {"length": 5}) as folder:
            missing = folder.build.run(work, window=128)
            folder.finish(lambda path: write(path, folder.build.result), card)

    `datasets.load_dataset(FOLDER)` and `dataset_name: FOLDER` in a recipe read it.

    Args:
        folder: it is made if it is not there; its own folder exists.
        items, settings, restart: as `Resumable` takes them.
        source: the folder of the input, if that is a file.

    Raises:
        BuildError: on entering, as `Resumable`; or if the folder is one of something else.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        items: Iterable[Any],
        settings: Mapping[str, Any],
        *,
        restart: bool = False,
        source: Path | None = None,
    ) -> None:
        self.path = Path(os.path.realpath(os.path.expanduser(folder)))
        self._source, self._made = source, False
        self.build = Resumable(self.path / ROWS, items, settings, restart=restart)

    def __enter__(self) -> DatasetFolder:
        self._check()
        if not self.path.is_dir():
            self.path.mkdir()
            self._made = True
        try:
            self.build.__enter__()
        except BaseException:
            self._unmake()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.build.__exit__(kind, error, trace)
        self._unmake()

    def finish(self, write: Callable[[Path], None], card: Card) -> None:
        """Puts the rows and the card in their places. `write` writes the rows to the path it gets."""

        def both(path: Path) -> None:
            write(path)
            # While the journal is there: after a kill between the two, the next run writes both again.
            with open(path, "rb") as file:
                self._write_card(card.text(hashlib.file_digest(file, "sha256").hexdigest()))

        self.build.finish(both)

    def _write_card(self, text: str) -> None:
        whole = self.path / f"{CARD}.writing"
        try:
            with open(whole, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            whole.unlink(missing_ok=True)
            raise
        os.replace(whole, self.path / CARD)

    def _check(self) -> None:
        name = str(self.path)
        if self.path.suffix.lower() in ENDINGS:
            raise BuildError(
                f"{name!r}: the output is a folder, which holds {ROWS} and a card; leave the ending out"
            )
        if self.path.exists() and not self.path.is_dir():
            raise BuildError(f"{name!r} is a file; the output is a folder")
        if not self.path.parent.is_dir():
            raise BuildError(f"the folder {str(self.path.parent)!r} does not exist; make it first")
        if self._source == self.path:
            raise BuildError(
                f"the input lies in {name!r} itself, and would be read as a split of the dataset there; name another "
                "folder for the output, such as one in it"
            )
        card = self.path / CARD
        if card.exists() and MARK not in card.read_text("utf-8", "replace"):
            raise BuildError(f"{str(card)!r} was not written by a build; take another folder for the output")

    def _unmake(self) -> None:
        if self._made:
            with suppress(OSError):  # there is something in it
                self.path.rmdir()
