"""The captions of rows: which column has them, and as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vidalign.rows import is_messages, refuse_bad, text_of
from vidalign.stages.errors import PipelineError
from vidalign.stages.tables import JsonRows, ParquetRows

DEFAULT_COLUMNS = ("caption", "completion")


class Captions:
    """The captions as plain text, each time that they are gone through."""

    def __init__(self, source: JsonRows | ParquetRows, column: str) -> None:
        self.source, self.column = source, column

    def __iter__(self) -> Iterator[str]:
        return map(text_of, self.source.values(self.column))

    def check(self) -> None:
        """Raises BadRows, which names the first rows without a caption."""
        check(self.source.name, self.column, self.source.values(self.column))


def check(name: str, column: str, values: Iterable[Any], *, optional: bool = False) -> None:
    """Raises BadRows, which names the first rows whose value is no text. `optional`: null is none of them."""
    reasons = (None if optional and value is None else problem_of(value) for value in values)
    refuse_bad(name, (reason and f"{column}: {reason}" for reason in reasons))


def column_of(source: JsonRows | ParquetRows, column: str | None) -> str:
    """The column of the captions: the one that is named, or the first of `DEFAULT_COLUMNS`.

    Raises:
        PipelineError: there is no such column.
    """
    columns = source.columns()
    if column is None:
        column = next((name for name in DEFAULT_COLUMNS if name in columns or not columns), None)
    if column is None or (columns and column not in columns):
        wanted = repr(column) if column else " or ".join(DEFAULT_COLUMNS)
        raise PipelineError(
            f"{source.name} has no column {wanted}, only {', '.join(columns)}; name it with --column"
        )
    return column


def problem_of(value: Any) -> str | None:
    """What keeps a value from being a caption; None if nothing does."""
    if value is None:
        return "missing"
    if not isinstance(value, str) and (
        not is_messages(value) or not all(isinstance(m, Mapping) for m in value)
    ):
        return f"{type(value).__name__} instead of a string or a list of messages" if value != [] else "empty"
    return None if text_of(value).strip() else "empty"
