"""Rows that a judge makes of other rows, as a dataset folder, and what gave no row, by reason."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from vidalign.data.costs import Asks
from vidalign.data.judged import stage_of
from vidalign.data.judged import work as work_on
from vidalign.data.videos import Videos, with_readable_videos
from vidalign.llm.question import Judge
from vidalign.report.dataset_card import Card
from vidalign.stages import MissingRows, Stage
from vidalign.stages.folder import DatasetFolder
from vidalign.stages.media_paths import MediaPaths, media_paths
from vidalign.stages.run import Run, Running, Summary
from vidalign.stages.tables import JsonRows, ParquetRows, write_lines

B = TypeVar("B", bound=Summary)
Work = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""An item -> {"row": a row without its videos} or {"left_out": reason}, each with or without {"counts": {name: number}}."""


@dataclass(frozen=True)
class Built(Summary):
    """What came of a build.

    left_out: items that have a usable answer and give no row, by reason. counts: what else was counted on the way.
    """

    left_out: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    def further(self) -> list[str]:
        left_out = [f"no row ({reason}): {count}" for reason, count in self.left_out.items()]
        return [*left_out, *(f"{what}: {count}" for what, count in self.counts.items())]


def build_folder(
    kind: type[B],
    stage: Stage,
    items: Iterable[Any],
    output: str | os.PathLike[str],
    judge: Judge,
    source: JsonRows | ParquetRows,
    media: tuple[Iterable[Mapping[str, Any]], Path | None],
    *,
    summarise: Callable[[Iterator[Any], Mapping[int, str], Path | None], B],
    rows: Callable[[Iterator[Any], MediaPaths], Iterable[Mapping[str, Any]]],
    card: Callable[[B, Path], Card],
    content: Callable[[Any], Any] | None = None,
    run: Run | None = None,
    shown: Mapping[str, Callable[[], Any]] | None = None,
) -> B:
    """Writes `output/train.jsonl` and its card: what all builds of a dataset folder share.

    Args:
        kind: what is returned.
        stage, items, content: as `vidalign.stages.Pipeline` takes them.
        output: the folder.
        judge: who is asked.
        source: the input, checked.
        media: rows with the media whose paths are written, and the folder that these start from.
        summarise: (results in the items' order, None for a missing one; reasons of the missing ones; what a trainer must be
            told as `media_root`) -> what the build came to. It raises `MissingRows` where there is no row.
        rows: (results as above, how paths are written) -> the rows.
        card: (what it came to, the folder) -> its card.
        run: how it runs.
        shown: on the bar, see `judged.work`.
    """
    run = run or Run()
    folder = DatasetFolder(output, source=source.folder, resume=run.resume)
    running = Running(folder, [stage], items, content=content, run=run)
    if run.dry_run:
        return kind(estimate=running.estimate())
    with running:
        pipeline = running.pipeline

        def results() -> Iterator[Any]:
            for index in range(pipeline.total):
                found = pipeline.results(index)
                yield None if found is None else found[stage.name]

        missing = work_on(running, judge, source.name, **(shown or {}))
        if missing is None:
            return kind()
        base, root = media
        paths = media_paths(base, root, folder.folder)
        built = summarise(results(), missing, paths.media_root)

        def write(path: Path) -> None:
            write_lines(path, rows(results(), paths))
            source.check_unchanged()

        running.finish(folder.write_with_card(write, card(built, folder.folder).text))
        return built


def build_rows(
    source: JsonRows | ParquetRows,
    videos: Videos,
    items: Iterable[dict[str, Any]],
    work: Work,
    output: str | os.PathLike[str],
    judge: Judge,
    tasks: Sequence[str],
    settings: Mapping[str, Any],
    card: Callable[[Built, str], Card],
    asks: Callable[[dict[str, Any]], Iterable[Asks]],
    *,
    content: Callable[[dict[str, Any]], Any] | None = None,
    run: Run | None = None,
) -> Built:
    """Writes `output/train.jsonl` and its card, in the items' order.

    A build that was stopped, by whatever, goes on when it is called again: finished items are not asked for again.

    Args:
        source: the input, checked.
        videos: its videos.
        items: JSON with `videos`, paths; gone through more than once.
        work: what is asked of an item. It raises `Unfinished` where there is no usable answer.
        output: the folder.
        judge: who is asked.
        tasks: what it is asked.
        settings: what all rows depend on, besides the judge; `build` is the stage's name.
        card: what came of it, and a sentence on where the videos are -> its card.
        asks: an item -> its questions, for a dry run.
        content: an item -> what its row depends on besides the item, such as the videos' own content.
        run: how it runs.

    Raises:
        PipelineError: the folder or an earlier run does not fit.
        MissingRows: there is no usable answer for some items, or no row came out; the next call asks for the
            missing ones again.
        JudgeError: no further question can be answered.
    """
    run = run or Run()
    careful = with_readable_videos(work)
    stage = stage_of(str(settings["build"]), careful, settings, judge, tasks, run, asks)

    def summarise(results: Iterator[Any], missing: Mapping[int, str], media_root: Path | None) -> Built:
        built = _built(results, missing, media_root)
        if not built.rows:
            said = ", ".join(f"{reason} {count}" for reason, count in built.left_out.items())
            total = sum(built.left_out.values()) + len(missing)
            raise MissingRows(f"{source.name}: no row came out of {total} ({said})", missing)
        return built

    def rows(results: Iterator[Any], paths: MediaPaths) -> Iterator[dict[str, Any]]:
        for item, result in zip(items, results, strict=True):
            if result is not None and "row" in result:
                yield paths.rewritten({"videos": item["videos"], **result["row"]})

    return build_folder(
        Built,
        stage,
        items,
        output,
        judge,
        source,
        (items, videos.root),
        summarise=summarise,
        rows=rows,
        card=lambda built, folder: card(built, loading(built.media_root, folder)),
        content=content,
        run=run,
    )


def reasons(built: Built) -> dict[str, int]:
    """How many items gave no row, by reason, those without a usable answer among them."""
    return {**built.left_out, **Counter(built.missing.values())}


def loading(media_root: Path | None, folder: Path) -> str:
    """What a card says of videos that lie outside the folder."""
    if media_root is None:
        return ""
    # Not as an absolute path, which is nobody's business who reads the card.
    root = os.path.relpath(media_root, folder)
    return (
        f"The videos are not in this folder: their paths start from `{root}` as seen from here when it was built. Give that "
        "folder to a trainer as `--media_root`."
    )


def _built(results: Iterable[Any], missing: Mapping[int, str], media_root: Path | None) -> Built:
    left_out: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    rows = 0
    for result in results:
        if result is None:
            continue
        counts.update(result.get("counts", {}))
        if "row" in result:
            rows += 1
        else:
            left_out[result["left_out"]] += 1
    return Built(rows, missing, media_root, left_out=dict(left_out), counts=dict(counts))
