"""A build that can be killed at any moment and goes on where it was, and whose output appears whole."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from vidalign.build.journal import BuildError, Journal
from vidalign.judge import background

T = TypeVar("T")
_PATIENCE = 10.0  # seconds that work under way has to end when a build is interrupted


class Unfinished(Exception):
    """Raised by the work on one item that has no result, with the reason. The others go on."""


class MissingRows(RuntimeError):
    """No output: the judge had no usable answer for some rows. missing: their reasons, by number."""

    def __init__(self, message: str, missing: Mapping[int, str]) -> None:
        super().__init__(message)
        self.missing = missing


class Resumable:
    """One build, as a context: `run` works on the items that are not finished, `finish` writes the output.

        with Resumable("out.jsonl", captions, {"column": "caption"}) as build:
            missing = build.run(work, window=128)
            build.finish(lambda path: write(path, build.result))

    Finished items are kept in the journal `OUTPUT.partial`, which is removed once the output is in its place.

    Args:
        output: the file to be; its folder exists.
        items: what the work on each depends on, as JSON. They are gone through more than once.
        settings: what all results depend on besides, as JSON. Another run of the same build has the same.
        restart: throws away what an earlier run left, the journal or the output.

    Raises:
        BuildError: on entering, if another process builds the same, the output is there already, or the
            journal belongs to other items or settings.
    """

    def __init__(
        self,
        output: str | os.PathLike[str],
        items: Iterable[Any],
        settings: Mapping[str, Any],
        *,
        restart: bool = False,
    ) -> None:
        # Of a link its target is written, and two names of one file have one journal.
        self.output = Path(os.path.realpath(os.path.expanduser(output)))
        self.journal = self.output.with_name(self.output.name + ".partial")
        self._items, self._settings, self._restart = items, settings, restart
        self._journal: Journal

    def __enter__(self) -> Resumable:
        if not self.output.parent.is_dir():
            raise BuildError(f"the folder {str(self.output.parent)!r} does not exist; make it first")
        if self.output.is_dir():
            raise BuildError(f"{str(self.output)!r} is a folder; name a file")
        self._journal = Journal(self.journal, self._items, self._settings, restart=self._restart)
        # With a journal, a process was killed before it could remove it: the output is written again.
        if self._journal.fresh and self.output.exists() and not self._restart:
            self._journal.close(remove=True)
            raise BuildError(
                f"{str(self.output)!r} is there already; take another name, or give --restart to build anew"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close(remove=not self.done)

    @property
    def total(self) -> int:
        return self._journal.total

    @property
    def done(self) -> int:
        return len(self._journal)

    @property
    def state(self) -> str:
        """What an interrupted build has, and how to go on."""
        if not self.done:
            return "Nothing was finished yet."
        return (
            f"{self.done} of {self.total} rows are finished and kept in {str(self.journal)!r}: start the "
            "same again (without --restart), and it goes on from there."
        )

    def result(self, index: int) -> Any | None:
        """The result of an item; None if it has none."""
        return self._journal.result(index)

    def run(
        self,
        work: Callable[[Any], Awaitable[Any]],
        *,
        window: int,
        progress: bool = False,
        status: Callable[[], Mapping[str, Any]] = dict,
    ) -> dict[int, str]:
        """Works on all items without a result, up to `window` at once. Blocks, also in a running event loop.

        Args:
            work: an item -> its result, as JSON; in the judge's event loop. Raises `Unfinished` for none.
            window: items under way at once, ≥ 1.
            progress: shows a bar on stderr.
            status: what else the bar shows.

        Returns:
            The reasons of the items that have no result, by number.

        Raises:
            Whatever else `work` raises: no item is begun after it, and those under way end. Such an error,
            and a KeyboardInterrupt, which does not wait for them, carry `state` as a note.
        """
        from tqdm import tqdm

        if window < 1:
            raise BuildError(f"window={window}; the least is 1")
        shown: dict[str, Any] = {} if progress else {"disable": True}  # or else as TQDM_DISABLE has it
        if not sys.stderr.isatty():
            shown["mininterval"] = 10.0  # a log keeps every state of the bar
        bar = tqdm(total=self.total, initial=self.done, unit="row", **shown)

        def step() -> None:
            bar.set_postfix(status(), refresh=False)
            bar.update()

        try:
            with bar:
                return _to_the_end(self._work_on_all(work, window, step))
        except BaseException as error:
            error.add_note(self.state)
            raise

    def finish(self, write: Callable[[Path], None]) -> None:
        """Puts the output in its place and removes the journal. `write` writes it to the path it gets."""
        whole = self.output.with_name(self.output.name + ".writing")
        try:
            write(whole)
            with open(whole, "r+b") as file:
                os.fsync(file.fileno())
        except BaseException as error:
            whole.unlink(missing_ok=True)
            error.add_note(self.state)
            raise
        os.replace(whole, self.output)
        self._journal.close(remove=True)

    async def _work_on_all(
        self, work: Callable[[Any], Awaitable[Any]], window: int, step: Callable[[], None]
    ) -> dict[int, str]:
        undone: dict[int, str] = {}
        todo = ((i, item) for i, item in enumerate(self._items) if i not in self._journal)
        stopped = False

        async def worker() -> None:
            nonlocal stopped
            for index, item in todo:  # one iterator for all workers
                try:
                    if stopped:
                        return
                    self._journal.keep(index, item, await work(item))
                    step()
                except Unfinished as error:
                    undone[index] = str(error)
                except BaseException:
                    stopped = True
                    raise
                # Work that never waits would leave no moment to interrupt it.
                await asyncio.sleep(0)

        ends = await asyncio.gather(*(worker() for _ in range(window)), return_exceptions=True)
        for error in ends:
            if error is not None:
                raise error
        return dict(sorted(undone.items()))


def _to_the_end(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs in the judge's loop; an interrupt of the waiting thread cancels it there, and waits for that."""
    ended = threading.Event()

    async def run() -> T:
        try:
            return await coroutine
        finally:
            ended.set()

    future = background.submit(run())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        ended.wait(_PATIENCE)
        raise
