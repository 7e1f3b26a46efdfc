"""Columns that a judge adds to the rows of a file, which stay as they are otherwise."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from vidalign.data.costs import Asks
from vidalign.data.judged import stage_of
from vidalign.data.judged import work as work_on
from vidalign.llm.question import Judge
from vidalign.stages.errors import PipelineError
from vidalign.stages.output import Output
from vidalign.stages.run import Run, Running, Summary
from vidalign.stages.tables import JsonRows, ParquetRows, ending_of


def add_columns(
    source: JsonRows | ParquetRows,
    items: Iterable[Any],
    work: Callable[[Any], Awaitable[dict[str, Any]]],
    output: str | os.PathLike[str],
    judge: Judge,
    tasks: Sequence[str],
    settings: Mapping[str, Any],
    examples: Mapping[str, Any],
    asks: Callable[[Any], Iterable[Asks]],
    *,
    content: Callable[[Any], Any] | None = None,
    run: Run | None = None,
) -> Summary:
    """Writes the rows in their order, each with its further columns.

    A build that was stopped, by whatever, goes on when it is called again: finished rows are kept in
    `OUTPUT.stages` and not asked for again, with or without the judge's cache.

    Args:
        source: the rows, checked.
        items: what is asked of each row, as JSON; gone through more than once.
        work: an item -> the further columns. It raises `Unfinished` where there is no usable answer.
        output: the .jsonl or .parquet file to write. JSONL to Parquet holds all rows in memory.
        judge: who is asked.
        tasks: what it is asked.
        settings: what all results depend on, besides the judge; `build` is the stage's name.
        examples: a value for each further column, of which its type in Parquet is taken.
        asks: an item -> its questions, for a dry run.
        content: an item -> what its columns depend on besides the item, such as the videos' own content.
        run: how it runs.

    Raises:
        PipelineError: files or an earlier run do not fit; before any question.
        MissingRows: there is no usable answer for some rows (with `allow_missing`: for all); the next call
            asks for them again.
        JudgeError: no further question can be answered.
    """
    run = run or Run()
    kind = ending_of(output)
    if os.path.realpath(source.name) == os.path.realpath(output):
        raise PipelineError(f"{os.fspath(output)!r} is the input as well; name another file for the output")
    if kind == ".jsonl":
        source.check_jsonl()
    table = source.to_parquet() if kind == ".parquet" and isinstance(source, JsonRows) else source
    stage = stage_of(str(settings["build"]), work, settings, judge, tasks, run, asks)
    running = Running(Output(output, resume=run.resume), [stage], items, content=content, run=run)
    if run.dry_run:
        return Summary(estimate=running.estimate())
    with running:
        missing = work_on(running, judge, source.name)
        if missing is None:
            return Summary()
        pipeline = running.pipeline

        def added(index: int) -> Any:
            results = pipeline.results(index)
            return None if results is None else results[stage.name]

        if kind == ".jsonl":
            running.finish(lambda path: table.write_jsonl(path, added))
        else:
            assert isinstance(table, ParquetRows)
            running.finish(lambda path: table.write_parquet(path, added, examples))
        return Summary(pipeline.total - len(missing), missing)
