"""Reference captions -> the columns that AVoCaDO's rewards read: keypoints (§3.2.2) and dialogue (§3.2.3)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from vidalign.data.captions import Captions, column_of
from vidalign.data.columns import add_columns
from vidalign.data.costs import Asks, length
from vidalign.data.judged import judge_or_default, storable
from vidalign.judge.tasks import dialogue as dialogue_task
from vidalign.judge.tasks import keypoints as keypoints_task
from vidalign.llm.question import Judge, Question
from vidalign.stages.errors import PipelineError, Unfinished
from vidalign.stages.run import Run, Summary
from vidalign.stages.tables import JsonRows, ParquetRows, check_added, ending_of, open_rows

_EXAMPLES: dict[str, Any] = {
    "keypoints": [""],
    "keypoint_dimensions": [""],
    "dialogue": [{"speaker": "", "content": ""}],
}


def build_keypoints(
    rows: str | os.PathLike[str] | Iterable[Mapping[str, Any]],
    output: str | os.PathLike[str],
    judge: Judge | None = None,
    *,
    column: str | None = None,
    dialogue: bool = True,
    overwrite: bool = False,
    run: Run | None = None,
) -> Summary:
    """Writes the rows in their order with `keypoints`, `keypoint_dimensions` and `dialogue`, else unchanged.

    A build that was stopped, by whatever, goes on when it is called again: finished rows are kept in
    `OUTPUT.stages` and not asked for again, with or without the judge's cache.

    Args:
        rows: a JSONL or Parquet file; in Python also mappings that can be gone through more than once.
        output: the .jsonl or .parquet file to write. JSONL to Parquet holds all rows in memory.
        judge: default the environment's (`VIDALIGN_JUDGE`).
        column: of the reference captions, strings or messages; default the first of `caption`, `completion`.
        dialogue: adds the dialogue as well, which is a second question a row.
        overwrite: replaces columns of these names that are there.
        run: how it runs.

    Raises:
        PipelineError: files, columns or an earlier run do not fit; before any question.
        BadRows: rows without a caption; before any question.
        MissingRows: there is no usable answer for some rows (with `allow_missing`: for all); the next call
            asks for them again.
        JudgeError: no further question can be answered.
    """
    tasks = ("keypoints", "dialogue") if dialogue else ("keypoints",)
    judge = judge_or_default(judge, tasks)
    source = open_rows(rows)
    ending_of(output)
    added = [name for name in _EXAMPLES if dialogue or name != "dialogue"]
    captions = Captions(source, _column_of(source, column, added, overwrite))
    captions.check()

    def questions_on(caption: str) -> list[Question[Any]]:
        second = [dialogue_task.question(caption)] if dialogue else []
        return [keypoints_task.question(caption), *second]

    def asks(caption: str) -> list[Asks]:
        # All facts as JSON are about twice the caption; what is said is some of it.
        sizes = (2 * length(caption), length(caption) // 2)
        return [Asks(question, size) for question, size in zip(questions_on(caption), sizes, strict=False)]

    async def work(caption: str) -> dict[str, Any]:
        questions = questions_on(caption)
        answers = await judge.ask_all(questions)
        lost = [f"{q.task}: {a.reason}" for q, a in zip(questions, answers, strict=True) if a.value is None]
        if lost:
            raise Unfinished(", ".join(lost))
        values: list[Any] = [answer.value for answer in answers]
        return _columns_of(*values)

    return add_columns(
        source,
        captions,
        work,
        output,
        judge,
        tasks,
        {"build": "keypoints", "column": captions.column, "dialogue": dialogue},
        {name: _EXAMPLES[name] for name in added},
        asks,
        run=run,
    )


def _column_of(source: JsonRows | ParquetRows, column: str | None, added: list[str], overwrite: bool) -> str:
    check_added(source, added, overwrite)
    column = column_of(source, column)
    if column in added:
        raise PipelineError(f"the column {column!r} is one of those that are added; rename the captions'")
    return column


def _columns_of(
    keypoints: list[keypoints_task.Keypoint], dialogue: list[dialogue_task.Turn] | None = None
) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "keypoints": [storable(point.text) for point in keypoints],
        "keypoint_dimensions": [point.dimension for point in keypoints],
    }
    if dialogue is not None:
        columns["dialogue"] = [
            {"speaker": storable(turn.speaker), "content": storable(turn.content)} for turn in dialogue
        ]
    return columns
