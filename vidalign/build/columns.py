"""Columns that a judge adds to the rows of a file, which stay as they are otherwise."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vidalign.build.journal import BuildError
from vidalign.build.judged import missing_message, name_of, status, window_of
from vidalign.build.resumable import MissingRows, Resumable
from vidalign.build.tables import JsonRows, ParquetRows, ending_of
from vidalign.judge.question import Judge


@dataclass(frozen=True)
class Built:
    """rows: written. missing: rows left out, by their number in the input, with the reason."""

    rows: int
    missing: Mapping[int, str]


def check_added(source: JsonRows | ParquetRows, added: Iterable[str], overwrite: bool) -> None:
    """Raises BuildError for columns that are there already and not to be replaced."""
    columns = source.columns()
    there = [name for name in added if name in columns]
    if there and not overwrite:
        raise BuildError(
            f"{source.name} has {', '.join(there)} already; give --overwrite to replace what is there, or "
            "take the column out"
        )


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
    restart: bool = False,
    allow_missing: bool = False,
    window: int | None = None,
    progress: bool = False,
) -> Built:
    """Writes the rows in their order, each with its further columns.

    A build that was stopped, by whatever, goes on when it is called again: finished rows are kept in
    `OUTPUT.partial` and not asked for again, with or without the judge's cache.

    Args:
        source: the rows, checked.
        items: what is asked of each row, as JSON; gone through more than once.
        work: an item -> the further columns. It raises `Unfinished` where there is no usable answer.
        output: the .jsonl or .parquet file to write. JSONL to Parquet holds all rows in memory.
        judge: who is asked.
        tasks: what it is asked.
        settings: what all results depend on, besides the judge.
        examples: a value for each further column, of which its type in Parquet is taken.
        restart: throws away what an earlier run left for this output.
        allow_missing: leaves rows out that the judge has no usable answer for.
        window: rows under way at once, ≥ 1; default twice the judge's concurrency.
        progress: shows a bar on stderr.

    Raises:
        BuildError: files or an earlier run do not fit; before any question.
        MissingRows: there is no usable answer for some rows (with `allow_missing`: for all); the next call
            asks for them again.
        JudgeError: no further question can be answered.
    """
    kind = ending_of(output)
    if os.path.realpath(source.name) == os.path.realpath(output):
        raise BuildError(f"{os.fspath(output)!r} is the input as well; name another file for the output")
    if kind == ".jsonl":
        source.check_jsonl()
    table = source.to_parquet() if kind == ".parquet" and isinstance(source, JsonRows) else source
    with Resumable(output, items, {**settings, "judge": name_of(judge, tasks)}, restart=restart) as build:
        missing = build.run(
            work,
            window=window_of(judge, tasks) if window is None else window,
            progress=progress,
            status=lambda: status(judge),
        )
        if missing and not (allow_missing and build.done):
            raise MissingRows(missing_message(source.name, missing, build), missing)
        if kind == ".jsonl":
            build.finish(lambda path: table.write_jsonl(path, build.result))
        else:
            assert isinstance(table, ParquetRows)
            build.finish(lambda path: table.write_parquet(path, build.result, examples))
        return Built(build.done, missing)
