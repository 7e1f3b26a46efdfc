"""Reference captions -> the columns that AVoCaDO's rewards read: keypoints (§3.2.2) and dialogue (§3.2.3)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vidalign.build.journal import BuildError
from vidalign.build.resumable import Resumable, Unfinished
from vidalign.build.tables import JsonRows, ParquetRows, ending_of, open_rows
from vidalign.judge.environment import default_judge
from vidalign.judge.question import Judge, Question
from vidalign.judge.tasks import dialogue as dialogue_task
from vidalign.judge.tasks import keypoints as keypoints_task
from vidalign.rows import BadRows, is_messages, text_of

DEFAULT_COLUMNS = ("caption", "completion")
_EXAMPLES: dict[str, Any] = {
    "keypoints": [""],
    "keypoint_dimensions": [""],
    "dialogue": [{"speaker": "", "content": ""}],
}
_SHOWN = 5


@dataclass(frozen=True)
class Built:
    """rows: written. missing: rows left out, by their number in the input, with the reason."""

    rows: int
    missing: Mapping[int, str]


class MissingRows(RuntimeError):
    """No output: the judge had no usable answer for some rows. missing: their reasons, by number."""

    def __init__(self, message: str, missing: Mapping[int, str]) -> None:
        super().__init__(message)
        self.missing = missing


def build_keypoints(
    rows: str | os.PathLike[str] | Iterable[Mapping[str, Any]],
    output: str | os.PathLike[str],
    judge: Judge | None = None,
    *,
    column: str | None = None,
    dialogue: bool = True,
    overwrite: bool = False,
    restart: bool = False,
    allow_missing: bool = False,
    window: int | None = None,
    progress: bool = False,
) -> Built:
    """Writes the rows in their order with `keypoints`, `keypoint_dimensions` and `dialogue`, else unchanged.

    A build that was stopped, by whatever, goes on when it is called again: finished rows are kept in
    `OUTPUT.partial` and not asked for again, with or without the judge's cache.

    Args:
        rows: a JSONL or Parquet file, or mappings that can be gone through more than once.
        output: the .jsonl or .parquet file to write. JSONL to Parquet holds all rows in memory.
        judge: default the environment's (`VIDALIGN_JUDGE`).
        column: of the reference captions, strings or messages; default the first of `caption`, `completion`.
        dialogue: adds the dialogue as well, which is a second question a row.
        overwrite: replaces columns of these names that are there.
        restart: throws away what an earlier run left for this output.
        allow_missing: leaves rows out that the judge has no usable answer for.
        window: rows under way at once, ≥ 1; default twice the judge's concurrency.
        progress: shows a bar on stderr.

    Raises:
        BuildError: files, columns or an earlier run do not fit; before any question.
        BadRows: rows without a caption; before any question.
        MissingRows: there is no usable answer for some rows (with `allow_missing`: for all); the next call
            asks for them again.
        JudgeError: no further question can be answered.
    """
    judge = judge if judge is not None else default_judge()
    source = open_rows(rows)
    kind = ending_of(output)
    if isinstance(rows, (str, os.PathLike)) and os.path.realpath(rows) == os.path.realpath(output):
        raise BuildError(f"{os.fspath(output)!r} is the input as well; name another file for the output")
    added = [name for name in _EXAMPLES if dialogue or name != "dialogue"]
    captions = _Captions(source, _column_of(source, column, added, overwrite))
    captions.check()
    if kind == ".jsonl":
        source.check_jsonl()
    table = source.to_parquet() if kind == ".parquet" and isinstance(source, JsonRows) else source

    async def work(caption: str) -> dict[str, Any]:
        questions: list[Question[Any]] = [keypoints_task.question(caption)]
        if dialogue:
            questions.append(dialogue_task.question(caption))
        answers = await judge.ask_all(questions)
        lost = [f"{q.task}: {a.reason}" for q, a in zip(questions, answers, strict=True) if a.value is None]
        if lost:
            raise Unfinished(", ".join(lost))
        values: list[Any] = [answer.value for answer in answers]
        return _columns_of(*values)

    settings = {
        "build": "keypoints",
        "column": captions.column,
        "dialogue": dialogue,
        "judge": _name_of(judge),
    }
    with Resumable(output, captions, settings, restart=restart) as build:
        missing = build.run(
            work,
            window=2 * getattr(judge, "max_concurrency", 32) if window is None else window,
            progress=progress,
            status=lambda: _status(judge),
        )
        if missing and not (allow_missing and build.done):
            raise MissingRows(_missing_message(source.name, missing, build), missing)
        if kind == ".jsonl":
            build.finish(lambda path: table.write_jsonl(path, build.result))
        else:
            assert isinstance(table, ParquetRows)
            examples = {name: _EXAMPLES[name] for name in added}
            build.finish(lambda path: table.write_parquet(path, build.result, examples))
        return Built(build.done, missing)


class _Captions:
    """The captions as plain text, each time that they are gone through."""

    def __init__(self, source: JsonRows | ParquetRows, column: str) -> None:
        self.source, self.column = source, column

    def __iter__(self) -> Iterator[str]:
        return map(text_of, self.source.values(self.column))

    def check(self) -> None:
        bad: list[str] = []
        count = total = 0
        for index, value in enumerate(self.source.values(self.column)):
            total += 1
            if (reason := _problem(value)) is not None:
                count += 1
                if len(bad) < _SHOWN:
                    bad.append(f"  row {index}: {self.column}: {reason}")
        if bad:
            more = [f"  ... and {count - len(bad)} more"] if count > len(bad) else []
            raise BadRows(
                "\n".join([f"{self.source.name}: {count} of {total} rows cannot be used", *bad, *more])
            )


def _problem(value: Any) -> str | None:
    if value is None:
        return "missing"
    if not isinstance(value, str) and (
        not is_messages(value) or not all(isinstance(m, Mapping) for m in value)
    ):
        return f"{type(value).__name__} instead of a string or a list of messages" if value != [] else "empty"
    return None if text_of(value).strip() else "empty"


def _column_of(source: JsonRows | ParquetRows, column: str | None, added: list[str], overwrite: bool) -> str:
    columns = source.columns()
    there = [name for name in added if name in columns]
    if there and not overwrite:
        raise BuildError(
            f"{source.name} has {', '.join(there)} already; give --overwrite to replace what is there, or "
            "take the column out"
        )
    if column is None:
        column = next((name for name in DEFAULT_COLUMNS if name in columns or not columns), None)
    if column is None or (columns and column not in columns):
        wanted = repr(column) if column else " or ".join(DEFAULT_COLUMNS)
        raise BuildError(
            f"{source.name} has no column {wanted}, only {', '.join(columns)}; name it with --column"
        )
    if column in added:
        raise BuildError(f"the column {column!r} is one of those that are added; rename the captions'")
    return column


def _columns_of(
    keypoints: list[keypoints_task.Keypoint], dialogue: list[dialogue_task.Turn] | None = None
) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "keypoints": [_storable(point.text) for point in keypoints],
        "keypoint_dimensions": [point.dimension for point in keypoints],
    }
    if dialogue is not None:
        columns["dialogue"] = [
            {"speaker": _storable(turn.speaker), "content": _storable(turn.content)} for turn in dialogue
        ]
    return columns


def _storable(text: str) -> str:
    # A model's JSON can escape half a surrogate pair, which Arrow cannot hold.
    return text.encode("utf-8", "replace").decode("utf-8")


def _name_of(judge: Judge) -> dict[str, Any]:
    """What answers depend on. Not `max_tokens`: too small a one is raised to finish the missing rows."""
    params = dict(getattr(judge, "params", {}))
    name = getattr(judge, "model", type(judge).__name__)
    return {"model": name, "temperature": getattr(judge, "temperature", None), "params": params}


def _status(judge: Judge) -> dict[str, Any]:
    ledger = judge.ledger
    return {"calls": ledger.calls, "unscored": ledger.unscored.total(), "dollars": f"{ledger.dollars:.4f}"}


def _missing_message(name: str, missing: Mapping[int, str], build: Resumable) -> str:
    lines = [f"{name}: the judge has no usable answer for {len(missing)} of {build.total} rows"]
    lines += [f"  row {index}: {reason}" for index, reason in list(missing.items())[:_SHOWN]]
    if len(missing) > _SHOWN:
        lines.append(f"  ... and {len(missing) - _SHOWN} more")
    if build.done:
        lines.append(
            f"The others are kept in {str(build.journal)!r}: run the same again to ask for these only, or "
            "give --allow-missing to leave them out."
        )
    return "\n".join(lines)
