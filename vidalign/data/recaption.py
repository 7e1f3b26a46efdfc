"""Short captions by people -> one detailed caption, long enough for a chain (caption chains §3.2)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vidalign.data.attempts import TRIES, answered
from vidalign.data.columns import add_columns
from vidalign.data.costs import Asks
from vidalign.data.judged import judge_or_default, storable
from vidalign.data.videos import Videos, check_rows, sees, shown_to, with_readable_videos
from vidalign.judge.tasks import prose, recaption
from vidalign.llm.question import Judge, Question
from vidalign.rows import media_of
from vidalign.stages.errors import PipelineError
from vidalign.stages.run import Run, Summary
from vidalign.stages.tables import JsonRows, ParquetRows, check_added, open_rows

CAPTION = "caption"
MIN_WORDS, MAX_WORDS = 60, 250
_TASKS = ("recaption",)


def build_captions(
    rows: str | os.PathLike[str] | Iterable[Mapping[str, Any]],
    output: str | os.PathLike[str],
    judge: Judge | None = None,
    *,
    column: str = "captions",
    min_words: int = MIN_WORDS,
    max_words: int = MAX_WORDS,
    tries: int = TRIES,
    overwrite: bool = False,
    media_root: str | os.PathLike[str] | None = None,
    media_allow: Iterable[str] = (),
    run: Run | None = None,
) -> Summary:
    """Writes the rows in their order with `caption`, from people's captions and the video where the judge sees it.

    Args:
        rows: a JSONL or Parquet file; in Python also mappings that can be gone through more than once. They have `videos`
            and `captions`, a list of strings or a string.
        output: the .jsonl or .parquet file to write. Relative paths in it are those of the input.
        judge: default the environment's (`VIDALIGN_JUDGE`).
        column: of people's captions.
        min_words: least words of the caption, ≥ 1.
        max_words: most words of it.
        tries: times that the model is asked, each time with what was wrong before.
        overwrite: replaces a column `caption` that is there.
        media_root: where relative paths start; default the folder of the file.
        media_allow: a further folder that paths may lead into; there may be several.
        run: how it runs.

    Raises:
        PipelineError, BadRows: before any question. MissingRows, JudgeError: see `add_columns`.
    """
    if not 1 <= min_words <= max_words:
        raise PipelineError(
            f"min_words={min_words}, max_words={max_words}; it must be 1 ≤ min_words ≤ max_words"
        )
    if tries < 1:
        raise PipelineError(f"tries={tries}; the least is 1")
    if column == CAPTION:
        raise PipelineError(
            f"the column {column!r} is the one that is added; rename that of people's captions"
        )
    judge = judge_or_default(judge, _TASKS)
    source = open_rows(rows)
    check_added(source, [CAPTION], overwrite)
    videos, sighted = Videos(source, media_root, media_allow), sees(judge, "recaption")
    check_rows(source, lambda row: _problem(row, column, videos, sighted))

    def question(item: dict[str, Any], fault: str | None = None) -> Question[str]:
        media = videos.media(item["videos"])
        return recaption.question(
            item["captions"], media, min_words=min_words, max_words=max_words, fault=fault
        )

    def asks(item: dict[str, Any]) -> list[Asks]:
        return [Asks(question(item), 6 * (min_words + max_words) // 2, most=tries)]

    async def work(item: dict[str, Any]) -> dict[str, Any]:
        text = await answered(judge, lambda fault: question(item, fault), prose.FAULTS, tries)
        return {CAPTION: storable(text)}

    bounds = {"min_words": min_words, "max_words": max_words}
    return add_columns(
        source,
        _Items(source, column, videos if sighted else None),
        with_readable_videos(work),
        output,
        judge,
        _TASKS,
        {"build": "captions", "column": column, **bounds, "videos_shown": shown_to(judge, "recaption")},
        {CAPTION: ""},
        asks,
        content=videos.fingerprints if sighted else None,
        run=run,
    )


class _Items:
    """videos: None if the judge is shown none, so that theirs may be bytes as well."""

    def __init__(self, source: JsonRows | ParquetRows, column: str, videos: Videos | None) -> None:
        self.source, self.column, self.videos = source, column, videos

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self.source:
            captions = row[self.column]
            yield {
                "captions": [captions] if isinstance(captions, str) else list(captions),
                "videos": self.videos.paths(row) if self.videos else [],
            }


def _problem(row: Mapping[str, Any], column: str, videos: Videos, sighted: bool) -> str | None:
    captions = row.get(column)
    if isinstance(captions, str):
        captions = [captions]
    if not isinstance(captions, (list, tuple)) or not captions:
        return f"{column}: {'missing' if not captions else type(captions).__name__ + ' instead of a list of strings'}"
    if not all(isinstance(caption, str) and caption.strip() for caption in captions):
        return f"{column}: one of them is no string, or an empty one"
    if not media_of(row, "video"):
        return "videos: missing"
    for medium in media_of(row, "video"):
        try:
            videos.folder.locate(medium)
        except ValueError as error:
            return f"videos: {error}"
    return videos.problem(row) if sighted else None
