"""How a pipeline runs that ends in an output: anew or going on, in one process or several, or only as a count of what it would do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from vidalign.stages.errors import MissingRows
from vidalign.stages.estimate import Estimate
from vidalign.stages.journal import Resume
from vidalign.stages.output import Output
from vidalign.stages.pipeline import Pipeline
from vidalign.stages.processes import Processes
from vidalign.stages.stage import Stage

_NAMED = 5  # rows in a message
_SHOWN = 20  # rows of one reason


@dataclass(frozen=True)
class Run:
    """How a run goes.

    Args:
        resume: what to do with what an earlier run left for this output. same: go on if it was made with the same settings,
            else refuse; go-on: go on with whatever still fits, also for an output that was finished; restart: throw it away;
            refuse: stop if there is anything.
        dry_run: say what there is to do and what it may cost; nothing is asked or written.
        allow_missing: leave out the rows that get no usable answer.
        window: rows under way at once; default twice the judge's concurrency.
        progress: show a bar on stderr.
        processes: that share it.
    """

    resume: Resume = "same"
    dry_run: bool = False
    allow_missing: bool = False
    window: int | None = None
    progress: bool = False
    processes: Processes = field(default_factory=Processes)


@dataclass(frozen=True)
class Summary:
    """What a run came to. In a process that is not the first of several it has no rows.

    rows: written. missing: reasons of the rows that are left out, by their number in the input. media_root: what a trainer must
    be told, if anything. estimate: of a dry run, which has nothing else.
    """

    rows: int = 0
    missing: Mapping[int, str] = field(default_factory=dict)
    media_root: Path | None = None
    estimate: Estimate | None = None

    @property
    def not_written(self) -> Mapping[int, str]:
        """Rows of the input that gave none, with the reason, by number."""
        return self.missing

    def written(self, output: str) -> str:
        """One line on what is in the output."""
        return f"{self.rows} rows written to {output}"

    def further(self) -> list[str]:
        """Lines on what else was counted."""
        return []


def report(summary: Summary, output: str) -> None:
    """Prints what a run came to; on stderr the rows that are left out."""
    if summary.estimate is not None:
        print(summary.estimate)
        return
    print("\n".join([summary.written(output), *summary.further()]))
    if summary.media_root is not None:
        print(f"the videos lie outside {output}: train with --media_root {summary.media_root}")
    by_reason: dict[str, list[str]] = {}
    for index, reason in summary.not_written.items():
        by_reason.setdefault(reason, []).append(str(index))
    for reason, rows in by_reason.items():
        more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
        print(f"left out ({reason}): row {', '.join(rows[:_SHOWN])}{more}", file=sys.stderr)


class Running:
    """A pipeline that ends in an output, as a context. Of several processes each has its share, and the first writes.

        with Running(Output("out.jsonl"), [caption, score], rows) as running:
            missing = running.work("rows", "no score")
            running.finish(lambda path: write(path, running.pipeline))

    Args:
        output: where it ends.
        stages, items, content: as `Pipeline` takes them.
        run: how it runs; `output` has been told of `run.resume`.

    Raises:
        PipelineError: on entering, as `Pipeline`.
    """

    def __init__(
        self,
        output: Output,
        stages: Sequence[Stage],
        items: Iterable[Any],
        *,
        content: Callable[[Any], Any] | None = None,
        run: Run | None = None,
    ) -> None:
        self.output, self._run = output, run or Run()
        processes, resume = self._run.processes, output.resume
        if processes.rank and resume in ("restart", "refuse"):
            resume = "go-on"  # the first has done so for all, and may have begun since
        self.pipeline = Pipeline(
            output.stages,
            stages,
            items,
            content=content,
            rank=processes.rank,
            world_size=processes.world_size,
            resume=resume,
        )

    def estimate(self) -> Estimate:
        """What there is to do, without entering."""
        return self.pipeline.dry_run()

    def __enter__(self) -> Running:
        processes = self._run.processes
        processes.wait()  # all have seen whether there is a finished output
        self.output.open()
        try:
            if processes.rank:
                processes.wait()  # the first has thrown away what is to be thrown away
            self.pipeline.__enter__()
        except BaseException:
            self.output.close()
            raise
        if not processes.rank:
            self.output.begin()
            processes.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pipeline.__exit__(kind, error, trace)
        self.output.close()

    def work(
        self, name: str, lacks: str, *, status: Callable[[], Mapping[str, Any]] = dict
    ) -> dict[int, str] | None:
        """Runs the pipeline, and waits for the other processes.

        Args:
            name: of the rows, for the message.
            lacks: what rows without a result have none of, for the message, e.g. "no caption".
            status: what the bar shows besides.

        Returns:
            The reasons of the items without a result, by number, in the first process; None in the others.

        Raises:
            MissingRows: there are such items (with `allow_missing`: nothing else).
        """
        run, processes = self._run, self._run.processes
        outcome = self.pipeline.run(progress=run.progress and not processes.rank, status=status)
        missing = {index: reason for index, (_, reason) in outcome.missing.items()}
        if processes.world_size > 1:
            for index, reason in missing.items() if processes.rank else ():
                print(f"row {index}: {reason}", file=sys.stderr)  # the first does not learn it
            processes.wait()
            if processes.rank:
                return None
            self.pipeline.reload()
            unknown = "the process that had it said why"
            missing = {index: missing.get(index, unknown) for index in self.pipeline.unfinished()}
        if missing and not (run.allow_missing and len(missing) < self.pipeline.total):
            raise MissingRows(self._message(name, lacks, missing), missing)
        return missing

    def finish(self, write: Callable[[Path], None]) -> None:
        """Puts the output in its place. `write` writes it to the path it gets."""
        try:
            self.output.finish(write)
        except BaseException as error:
            error.add_note(self.pipeline.state)
            raise

    def _message(self, name: str, lacks: str, missing: Mapping[int, str]) -> str:
        total = self.pipeline.total
        lines = [f"{name}: {lacks} for {len(missing)} of {total} rows"]
        lines += [f"  row {index}: {reason}" for index, reason in list(missing.items())[:_NAMED]]
        if len(missing) > _NAMED:
            lines.append(f"  ... and {len(missing) - _NAMED} more")
        if len(missing) < total:
            lines.append(
                f"The others are kept in {str(self.pipeline.folder)!r}: run the same again to try these only, or give "
                "--allow-missing to leave them out."
            )
        return "\n".join(lines)
