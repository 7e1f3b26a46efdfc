"""Columns that a judge adds to the rows of a file, which stay as they are otherwise."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vidalign.data.judged import asked_of, run, window_of
from vidalign.llm.question import Judge
from vidalign.stages import Pipeline, Stage
from vidalign.stages.errors import PipelineError
from vidalign.stages.output import Output
from vidalign.stages.tables import JsonRows, ParquetRows, ending_of


@dataclass(frozen=True)
class Built:
    """rows: written. missing: rows left out, by their number in the input, with the reason."""

    rows: int
    missing: Mapping[int, str]


def add_columns(
    source: JsonRows | ParquetRows,
    items: Iterable[Any],
    work: Callable[[Any], Awaitable[dict[str, Any]]],
    output: str | os.PathLike[str],
    judge: Judge,
    tasks: Sequence[str],
    settings: Mapping[str, Any],
    examples: Mapping[str, Any],
    *,
    content: Callable[[Any], Any] | None = None,
    restart: bool = False,
    allow_missing: bool = False,
    window: int | None = None,
    progress: bool = False,
) -> Built:
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
        content: an item -> what its columns depend on besides the item, such as the videos' own content.
        restart: throws away what an earlier run left for this output.
        allow_missing: leaves rows out that the judge has no usable answer for.
        window: rows under way at once, ≥ 1; default twice the judge's concurrency.
        progress: shows a bar on stderr.

    Raises:
        PipelineError: files or an earlier run do not fit; before any question.
        MissingRows: there is no usable answer for some rows (with `allow_missing`: for all); the next call
            asks for them again.
        JudgeError: no further question can be answered.
    """
    kind = ending_of(output)
    if os.path.realpath(source.name) == os.path.realpath(output):
        raise PipelineError(f"{os.fspath(output)!r} is the input as well; name another file for the output")
    if kind == ".jsonl":
        source.check_jsonl()
    table = source.to_parquet() if kind == ".parquet" and isinstance(source, JsonRows) else source
    stage = Stage(
        str(settings["build"]),
        lambda item, found: work(item),
        {**settings, **asked_of(judge, tasks)},
        window=window_of(judge, tasks) if window is None else window,
    )
    place = Output(output, restart=restart)
    with Pipeline(place.stages, [stage], items, content=content, resume=place.resume) as pipeline:
        place.begin()
        missing = run(pipeline, judge, source.name, allow_missing=allow_missing, progress=progress)

        def added(index: int) -> Any:
            results = pipeline.results(index)
            return None if results is None else results[stage.name]

        if kind == ".jsonl":
            place.finish(lambda path: table.write_jsonl(path, added))
        else:
            assert isinstance(table, ParquetRows)
            place.finish(lambda path: table.write_parquet(path, added, examples))
        return Built(pipeline.total - len(missing), missing)
