"""Rows from JSONL or Parquet, and the same rows with further columns to either; all else stays as it is.

JSONL goes by the standard library, since typed readers change what they read: a text that looks like a date
becomes one. Imports pyarrow for Parquet only.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidalign.stages.errors import PipelineError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ENDINGS = (".jsonl", ".parquet")
_TO_PARQUET = "drop it, or name the output .parquet"
_BATCH = 1024  # rows
_GROUP = 10_000  # rows of a row group in a file that was none before

Added = Callable[[int], Mapping[str, Any] | None]
"""The further columns of a row, by its number; None leaves the row out."""


class JsonRows:
    """Rows as JSON objects, of a file or in memory.

    Args:
        rows: path of a JSONL file, or mappings that can be gone through more than once.
    """

    def __init__(self, rows: str | os.PathLike[str] | Iterable[Mapping[str, Any]]) -> None:
        self._path = Path(rows) if isinstance(rows, (str, os.PathLike)) else None
        if self._path is None and iter(rows) is rows:  # type: ignore[arg-type]
            raise PipelineError("the rows can be gone through only once; make a list of them")
        self._rows = rows
        self._version = _version(self._path)
        self.name = str(self._path) if self._path else "rows"

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        if self._path is None:
            yield from self._rows  # type: ignore[misc]
            return
        # Bytes: only "\n" ends a line of JSONL, and texts hold other line ends.
        with open(self._path, "rb") as file:
            for number, line in enumerate(file, 1):
                line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if line.strip():
                    yield self._row(line, number)

    def _row(self, line: bytes, number: int) -> Mapping[str, Any]:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise PipelineError(f"{self.name}, line {number}: not JSON ({error})") from None
        if not isinstance(row, dict):
            raise PipelineError(
                f"{self.name}, line {number}: {type(row).__name__} instead of an object with columns"
            )
        return row

    @property
    def folder(self) -> Path | None:
        """Where the file is, from which relative paths in it start; None for rows in memory."""
        return _folder(self._path)

    def columns(self) -> list[str]:
        """The columns of any row."""
        return list(dict.fromkeys(name for row in self for name in row))

    def values(self, column: str) -> Iterator[Any]:
        return (row.get(column) for row in self)

    def write_jsonl(self, path: Path, added: Added) -> None:
        _write_jsonl(path, self, added)
        self.check_unchanged()

    def check_unchanged(self) -> None:
        """Raises PipelineError if the file was written to since it was opened."""
        _check(self.name, self._path, self._version)

    def check_jsonl(self, otherwise: str = _TO_PARQUET) -> None:
        """Raises PipelineError if a row cannot be written as JSON. `otherwise`: what to do then."""
        for index, row in enumerate(self if self._path is None else ()):
            for column, value in row.items():
                try:
                    json.dumps(value)
                except (TypeError, ValueError) as error:
                    raise PipelineError(f"{self.name}: row {index}: {column}: {error}; {otherwise}") from None

    def to_parquet(self) -> ParquetRows:
        """The same rows with typed columns. Holds all of them in memory.

        Raises:
            PipelineError: values of a column are of different types.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows, columns, buffer = list(self), {}, io.BytesIO()
        for name in dict.fromkeys(name for row in rows for name in row):
            try:
                columns[name] = pa.array([row.get(name) for row in rows])
                pq.write_table(pa.table({name: columns[name]}), io.BytesIO())
            except (pa.ArrowException, OverflowError, UnicodeError) as error:
                raise PipelineError(
                    f"{self.name}: column {name!r} cannot be one of Parquet ({error}); name the output .jsonl"
                ) from None
        pq.write_table(pa.table(columns), buffer, row_group_size=_GROUP)
        return ParquetRows(pa.BufferReader(buffer.getvalue()), self.name, self._path)


class JsonArray(JsonRows):
    """Rows of a file that is one JSON array of objects. Holds all of them in memory.

    Args:
        path: of the file.

    Raises:
        PipelineError: no file, or it holds something else.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        path = _existing(Path(path).expanduser())
        super().__init__(path)
        try:
            self._array = json.loads(path.read_bytes())
        except ValueError as error:
            raise PipelineError(
                f"{self.name}: not JSON ({error}); if it has one object a line, end its name in .jsonl"
            ) from None
        if not isinstance(self._array, list):
            raise PipelineError(f"{self.name}: {type(self._array).__name__} instead of an array of rows")
        for index, row in enumerate(self._array):
            if not isinstance(row, dict):
                raise PipelineError(
                    f"{self.name}: row {index} is {type(row).__name__} instead of an object with columns"
                )

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        yield from self._array


class ParquetRows:
    """Rows of a Parquet file, a row group at a time.

    Args:
        source: path of the file, or one in memory.
        name: what errors call it.
        path: the file that it was made from, if it is in memory.
    """

    def __init__(self, source: Any, name: str = "", path: Path | None = None) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._path = Path(source) if isinstance(source, (str, os.PathLike)) else path
        self._version = _version(self._path)
        self.name = name or str(self._path)
        try:
            self._file: pq.ParquetFile = pq.ParquetFile(source)
        except pa.ArrowInvalid as error:
            raise PipelineError(f"{self.name}: not a Parquet file ({error})") from None

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for batch in self._file.iter_batches(_BATCH):
            yield from batch.to_pylist()

    def check_unchanged(self) -> None:
        """Raises PipelineError if the file was written to since it was opened."""
        _check(self.name, self._path, self._version)

    @property
    def folder(self) -> Path | None:
        """Where the file is, from which relative paths in it start; None for rows in memory."""
        return _folder(self._path)

    def columns(self) -> list[str]:
        return list(self._file.schema_arrow.names)

    def values(self, column: str) -> Iterator[Any]:
        for batch in self._file.iter_batches(_BATCH, columns=[column]):
            yield from batch.column(0).to_pylist()

    def check_jsonl(self, otherwise: str = _TO_PARQUET) -> None:
        """Raises PipelineError if a column's type is none of JSON. `otherwise`: what to do then."""
        for field in self._file.schema_arrow:
            if not _is_json(field.type):
                raise PipelineError(
                    f"{self.name}: column {field.name!r} is of type {field.type}, which JSON does not have; "
                    f"{otherwise}"
                )

    def write_jsonl(self, path: Path, added: Added) -> None:
        _write_jsonl(path, self, added)
        self.check_unchanged()

    def write_parquet(self, path: Path, added: Added, examples: Mapping[str, Any]) -> None:
        """`examples`: a value for each column that is added, of which its type is taken."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        types = {name: pa.array([value]).type for name, value in examples.items()}
        writer: pq.ParquetWriter | None = None
        begin = 0
        for table in self._groups():
            further = [added(index) for index in range(begin, begin + table.num_rows)]
            begin += table.num_rows
            table = table.filter(pa.array([row is not None for row in further], pa.bool_()))
            for name, kind in types.items():
                column = pa.array([row[name] for row in further if row is not None], kind)
                if name in table.column_names:
                    table = table.set_column(table.column_names.index(name), name, column)
                else:
                    table = table.append_column(name, column)
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
        assert writer is not None
        writer.close()
        self.check_unchanged()

    def _groups(self) -> Iterator[pa.Table]:
        if not self._file.num_row_groups:
            yield self._file.schema_arrow.empty_table()
        for number in range(self._file.num_row_groups):
            yield self._file.read_row_group(number)


def open_rows(rows: str | os.PathLike[str] | Iterable[Mapping[str, Any]]) -> JsonRows | ParquetRows:
    """Rows of a file by its ending, or in memory.

    Raises:
        PipelineError: another ending, or no file.
    """
    if not isinstance(rows, (str, os.PathLike)):
        return JsonRows(rows)
    path = Path(rows).expanduser()
    ending = ending_of(path)
    _existing(path)
    return JsonRows(path) if ending == ".jsonl" else ParquetRows(path)


def check_added(source: JsonRows | ParquetRows, added: Iterable[str], overwrite: bool) -> None:
    """Raises PipelineError for columns that are there already and not to be replaced."""
    columns = source.columns()
    there = [name for name in added if name in columns]
    if there and not overwrite:
        raise PipelineError(
            f"{source.name} has {', '.join(there)} already; give --overwrite to replace what is there, or "
            "take the column out"
        )


def ending_of(path: str | os.PathLike[str]) -> str:
    """Raises PipelineError if it is neither of JSONL nor of Parquet."""
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise PipelineError(f"{str(path)!r}: {ending or 'no'} ending; known are {' and '.join(ENDINGS)}")
    return ending


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Rows as JSONL."""
    with open(path, "wb") as file:
        for row in rows:
            file.write(_line(row))


def _write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]], added: Added) -> None:
    both = ((row, added(index)) for index, row in enumerate(rows))
    write_lines(path, ({**row, **further} for row, further in both if further is not None))


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise PipelineError(
            f"{str(path)!r} is {'a folder' if path.is_dir() else 'not there'}; give a file of rows"
        )
    return path


def _folder(path: Path | None) -> Path | None:
    return None if path is None else Path(os.path.realpath(path)).parent


def _line(row: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(row, ensure_ascii=False).encode() + b"\n"
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can escape and UTF-8 cannot hold
        return json.dumps(row).encode() + b"\n"


def _is_json(kind: pa.DataType) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        return _is_json(kind.value_type)
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _is_json(kind.value_type)
    if types.is_struct(kind):
        return all(_is_json(field.type) for field in kind)
    plain = (
        types.is_null,
        types.is_boolean,
        types.is_integer,
        types.is_floating,
        types.is_string,
        types.is_large_string,
    )
    return any(fits(kind) for fits in plain)


def _version(path: Path | None) -> tuple[int, int] | None:
    if path is None:
        return None
    state = path.stat()
    return state.st_size, state.st_mtime_ns


def _check(name: str, path: Path | None, version: tuple[int, int] | None) -> None:
    if _version(path) != version:
        raise PipelineError(f"{name} was written to during the build; start again")
