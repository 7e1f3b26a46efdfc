"""Items through stages, each result once, whatever ends the run."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from vidalign.stages.errors import Dropped, PipelineError, Unfinished
from vidalign.stages.estimate import Cost, Estimate, StageEstimate
from vidalign.stages.journal import Journal, key_of
from vidalign.stages.progress import Progress, to_the_end
from vidalign.stages.stage import BatchWork, Stage, Work

_THREADS = 8
_CHUNK = 256  # items in memory at a time


@dataclass
class Outcome:
    """What came of the items that this process had.

    total: items of all processes. missing: items without a result, (stage, reason), by number; the next run tries them again.
    dropped: items that a stage gave nothing for, likewise. counts: items with a result, by stage.
    """

    total: int
    missing: dict[int, tuple[str, str]] = field(default_factory=dict)
    dropped: dict[int, tuple[str, str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)


class Pipeline:
    """Stages over items, as a context in which this process's part of the results is locked.

        with Pipeline("out.stages", [caption, score], rows) as pipeline:
            outcome = pipeline.run()
            results = [pipeline.results(index) for index in range(outcome.total)]

    Items stream: a later stage works on the first ones while an earlier stage is busy with others. What a stage made of an item
    is taken from disk if it was made from the same content, by the same settings, of the same earlier results.

    Args:
        folder: of the results, one file a stage and rank; its own folder exists.
        stages: in order; each sees the results of those before.
        items: as JSON; gone through more than once. Equal ones are worked on once by each process.
        content: item -> what its results depend on besides its own JSON, such as hashes of the files that it names.
        rank, world_size: this process takes every `world_size`-th item, from `rank` on.
        resume: see `vidalign.stages.journal.Journal`.

    Raises:
        PipelineError: on entering, if another process does the same, or what is there does not fit.
    """

    def __init__(
        self,
        folder: str | Path,
        stages: Sequence[Stage],
        items: Iterable[Any],
        *,
        content: Callable[[Any], Any] | None = None,
        rank: int = 0,
        world_size: int = 1,
        resume: str = "same",
    ) -> None:
        names = Counter(stage.name for stage in stages)
        if not stages or max(names.values()) > 1:
            raise PipelineError(
                f"stages {', '.join(names) or '(none)'}: at least one, each with a name of its own"
            )
        if not 0 <= rank < world_size:
            raise PipelineError(f"rank={rank}, world_size={world_size}; it must be 0 ≤ rank < world_size")
        self.folder, self.stages = Path(folder), tuple(stages)
        self._items, self._content = items, content
        self._rank, self._world_size, self._resume = rank, world_size, resume
        self._keys: list[str | None] = []
        self._journal: Journal

    def __enter__(self) -> Pipeline:
        # Before the lock: bad items are an error of the caller's.
        self._keys = [None for _ in self._items]
        self._find_keys(self._mine)
        self._journal = self._opened(self._resume)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.close()

    def reload(self) -> None:
        """Reads what other processes have written since."""
        self._journal.close()
        self._journal = self._opened("go-on")

    def remove(self) -> None:
        """Throws this rank's results away."""
        self._journal.close(remove=True)

    def dry_run(self) -> Estimate:
        """`estimate` of a pipeline that is not entered: nothing is locked, written or thrown away."""
        self._keys = [None for _ in self._items]
        self._journal = self._opened(self._resume, read_only=True)
        try:
            return self.estimate()
        finally:
            self._journal.close()

    @property
    def total(self) -> int:
        return len(self._keys)

    def results(self, index: int) -> dict[str, Any] | None:
        """What the stages made of an item, by name; None where it was dropped or is not finished."""
        if self._keys[index] is None:
            self._find_keys(range(self.total))  # another process's: all of them will be asked for
        found: dict[str, Any] = {}
        for stage in self.stages:
            entry = self._journal.get(stage.name, self._key(stage, self._known(index), found))
            if entry is None or "dropped" in entry:
                return None
            found[stage.name] = entry["result"]
        return found

    def unfinished(self) -> list[int]:
        """The items of all processes that are neither finished nor dropped, as far as was known on entering or reloading."""
        self._find_keys(range(self.total))
        return [index for index in range(self.total) if self._end(self._known(index))[0] is not None]

    @property
    def done(self) -> int:
        """Of this process's items those with a result of every stage, or dropped, whoever made them."""
        return sum(self._end(self._known(index))[0] is None for index in self._mine)

    @property
    def state(self) -> str:
        """What an interrupted run has, and how to go on."""
        done = self.done
        if not done and not any(self._journal.kept(stage.name) for stage in self.stages):
            return "Nothing was finished yet."
        return (
            f"{done} of {len(self._mine)} rows are finished, and what was made so far is kept in {str(self.folder)!r}: start the same "
            "again, and it goes on from there."
        )

    def estimate(self) -> Estimate:
        """What `run` would cost all processes together, for the items that have no result yet."""
        rows: Counter[str] = Counter()
        done: Counter[str] = Counter()
        costs: dict[str, Cost | None] = {
            stage.name: Cost() if stage.cost is not None else None for stage in self.stages
        }
        self._find_keys(range(self.total))
        for _, item, key in self._unique(range(self.total)):
            found: dict[str, Any] = {}
            known = True
            for stage in self.stages:
                rows[stage.name] += 1
                entry = self._journal.get(stage.name, self._key(stage, key, found)) if known else None
                if entry is not None:
                    done[stage.name] += 1
                    if "dropped" in entry:
                        break
                    found[stage.name] = entry["result"]
                    continue
                known = False
                cost = costs[stage.name]
                if stage.cost is not None and cost is not None:
                    costs[stage.name] = cost + stage.cost(item, found)
        return Estimate(
            {
                stage.name: StageEstimate(rows[stage.name], done[stage.name], costs[stage.name])
                for stage in self.stages
            }
        )

    def run(self, *, progress: bool = False, status: Callable[[], Mapping[str, Any]] = dict) -> Outcome:
        """Works on this process's items that are not finished. Blocks, also in a running event loop.

        Args:
            progress: shows a bar on stderr, with rate and remaining time.
            status: what else the bar shows, such as what was spent.

        Raises:
            Exception: whatever else the work raises. No item is begun after it, and those under way end. It, and a
                KeyboardInterrupt, which does not wait for them, carry `state` as a note.
        """
        try:
            with Progress(len({self._known(index) for index in self._mine}), progress, status) as shown:
                ends = to_the_end(_Run(self, shown).items(self._unique(self._mine)))
        except BaseException as error:
            error.add_note(self.state)
            raise
        outcome = Outcome(self.total)
        for index in self._mine:
            key = self._known(index)
            missing, dropped, reached = self._end(key)
            outcome.counts.update(reached)
            if dropped is not None:
                outcome.dropped[index] = dropped
            elif missing is not None:
                outcome.missing[index] = ends.get(key, (missing, "not reached"))
        return outcome

    @property
    def _mine(self) -> range:
        return range(self._rank, self.total, self._world_size)

    def _known(self, index: int) -> str:
        key = self._keys[index]
        assert key is not None
        return key

    def _find_keys(self, indices: Iterable[int]) -> None:
        """The keys of these items that are not known yet. Content is looked up in threads: it may be that of large files."""
        wanted = {index for index in indices if self._keys[index] is None}
        items = ((index, item) for index, item in enumerate(self._items) if index in wanted)
        content = self._content or (lambda item: None)
        with ThreadPoolExecutor(_THREADS) as pool:
            while chunk := list(islice(items, _CHUNK)):
                for (index, item), found in zip(
                    chunk, pool.map(content, [item for _, item in chunk]), strict=True
                ):
                    self._keys[index] = key_of(item, found)

    def _opened(self, resume: str, *, read_only: bool = False) -> Journal:
        settings = {stage.name: stage.settings for stage in self.stages}
        return Journal(self.folder, settings, rank=self._rank, resume=resume, read_only=read_only)

    def _unique(self, indices: Iterable[int]) -> Iterator[tuple[int, Any, str]]:
        wanted, seen = set(indices), set()
        for index, item in enumerate(self._items):
            if index in wanted and (key := self._known(index)) not in seen:
                seen.add(key)
                yield index, item, key

    def _key(self, stage: Stage, key: str, found: Mapping[str, Any]) -> str:
        return key_of(
            stage.name, dict(stage.settings), key, {name: key_of(value) for name, value in found.items()}
        )

    def _end(self, key: str) -> tuple[str | None, tuple[str, str] | None, list[str]]:
        """(stage that has no result, (stage, reason) of a drop, stages with a result)."""
        found: dict[str, Any] = {}
        for stage in self.stages:
            entry = self._journal.get(stage.name, self._key(stage, key, found))
            if entry is None:
                return stage.name, None, list(found)
            if "dropped" in entry:
                return None, (stage.name, entry["dropped"]), list(found)
            found[stage.name] = entry["result"]
        return None, None, list(found)


@dataclass
class _Flowing:
    """An item on its way: results so far, by stage."""

    index: int
    item: Any
    key: str
    found: dict[str, Any] = field(default_factory=dict)


class _Run:
    """One run's queues and workers, in the background loop."""

    def __init__(self, pipeline: Pipeline, progress: Progress) -> None:
        self.pipeline, self.progress = pipeline, progress
        self.journal = pipeline._journal
        self.undone: dict[str, tuple[str, str]] = {}
        self.stopped = False

    async def items(self, items: Iterable[tuple[int, Any, str]]) -> dict[str, tuple[str, str]]:
        """(stage, reason) of the items without a result, by key."""
        stages = self.pipeline.stages
        queues: list[asyncio.Queue[_Flowing | None]] = [
            asyncio.Queue(2 * (stage.batch or stage.window)) for stage in stages
        ]
        stations = [
            self._station(stage, queues[number], queues[number + 1] if number + 1 < len(stages) else None)
            for number, stage in enumerate(stages)
        ]
        ends = await asyncio.gather(self._feed(items, queues[0]), *stations, return_exceptions=True)
        for error in ends:
            if isinstance(error, BaseException):
                raise error
        return self.undone

    async def _feed(
        self, items: Iterable[tuple[int, Any, str]], queue: asyncio.Queue[_Flowing | None]
    ) -> None:
        try:
            for index, item, key in items:
                if self.stopped:
                    break
                await queue.put(_Flowing(index, item, key))
        except Exception:
            self.stopped = True
            raise
        finally:
            # Whoever waits for an item would else wait for ever. (Of a run that is cancelled nobody waits.)
            if not (task := asyncio.current_task()) or not task.cancelling():
                await queue.put(None)

    async def _station(
        self,
        stage: Stage,
        queue: asyncio.Queue[_Flowing | None],
        onward: asyncio.Queue[_Flowing | None] | None,
    ) -> None:
        async def go_on(flowing: _Flowing, entry: Mapping[str, Any]) -> None:
            if "dropped" in entry or onward is None:
                self.progress.step()
            if "dropped" not in entry and onward is not None:
                flowing.found[stage.name] = entry["result"]
                await onward.put(flowing)

        async def worker() -> None:
            while (flowing := await self._next(queue)) is not None:
                entry = self.journal.get(stage.name, self._key(stage, flowing))
                if entry is None:
                    entry = (await self._work(stage, [flowing]))[0]
                if entry is not None:
                    await go_on(flowing, entry)
                # Work that never waits would leave no moment to interrupt it.
                await asyncio.sleep(0)

        async def batch_worker() -> None:
            waiting: list[_Flowing] = []
            while (flowing := await self._next(queue)) is not None or waiting:
                if flowing is not None:
                    entry = self.journal.get(stage.name, self._key(stage, flowing))
                    if entry is not None:
                        await go_on(flowing, entry)
                        continue
                    waiting.append(flowing)
                    if len(waiting) < (stage.batch or 1):
                        continue
                for done, entry in zip(waiting, await self._work(stage, waiting), strict=True):
                    if entry is not None:
                        await go_on(done, entry)
                waiting = []

        workers = [batch_worker()] if stage.batch else [worker() for _ in range(stage.window)]
        ends = await asyncio.gather(*workers, return_exceptions=True)
        if any(ends):
            self.stopped = True
            # Whoever fills the queue would else wait for a place in it for ever.
            while await self._next(queue) is not None:
                pass
        if onward is not None:
            await onward.put(None)
        for error in ends:
            if isinstance(error, BaseException):
                raise error

    async def _next(self, queue: asyncio.Queue[_Flowing | None]) -> _Flowing | None:
        """None at the end, for every worker that asks."""
        while True:
            flowing = await queue.get()
            if flowing is None:
                queue.put_nowait(None)
                return None
            if not self.stopped:
                return flowing

    async def _work(self, stage: Stage, flowing: Sequence[_Flowing]) -> list[dict[str, Any] | None]:
        """The entries that were made; None for an item that is unfinished."""
        try:
            if stage.batch:
                items, found = [one.item for one in flowing], [dict(one.found) for one in flowing]
                made: Sequence[Any] = await asyncio.to_thread(cast(BatchWork, stage.work), items, found)
                if len(made) != len(flowing):
                    raise RuntimeError(f"stage {stage.name}: {len(made)} results for {len(flowing)} items")
            else:
                try:
                    one = flowing[0]
                    made = [await cast(Work, stage.work)(one.item, dict(one.found))]
                except (Unfinished, Dropped) as error:
                    made = [error]
            return [self._kept(stage, one, result) for one, result in zip(flowing, made, strict=True)]
        except BaseException:
            self.stopped = True
            raise

    def _kept(self, stage: Stage, flowing: _Flowing, result: Any) -> dict[str, Any] | None:
        if isinstance(result, Unfinished):
            self.undone[flowing.key] = stage.name, str(result)
            return None
        if isinstance(result, BaseException) and not isinstance(result, Dropped):
            raise result
        entry = {"dropped": str(result)} if isinstance(result, Dropped) else {"result": result}
        self.journal.keep(stage.name, self._key(stage, flowing), flowing.index, entry)
        return entry

    def _key(self, stage: Stage, flowing: _Flowing) -> str:
        return self.pipeline._key(stage, flowing.key, flowing.found)
