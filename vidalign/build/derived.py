"""Rows that a judge makes of other rows, as a dataset folder, and what gave no row, by reason."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidalign.build.card import Card
from vidalign.build.folder import DatasetFolder
from vidalign.build.judged import missing_message, name_of, status, window_of
from vidalign.build.media_paths import MediaPaths, media_paths
from vidalign.build.resumable import MissingRows, Resumable
from vidalign.build.tables import JsonRows, ParquetRows, write_lines
from vidalign.build.videos import Videos, with_readable_videos
from vidalign.judge.question import Judge

Work = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""An item -> {"row": a row without its videos} or {"left_out": reason}, each with or without {"counts": {name: number}}."""


@dataclass(frozen=True)
class Built:
    """What came of a build.

    rows: written. missing: reasons of the items that have no usable answer, by number. left_out: items that have one and
    give no row, by reason. counts: what else was counted on the way. media_root: what a trainer must be told, if anything.
    """

    rows: int
    missing: Mapping[int, str]
    left_out: Mapping[str, int]
    counts: Mapping[str, int]
    media_root: Path | None = None


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
    *,
    restart: bool = False,
    allow_missing: bool = False,
    window: int | None = None,
    progress: bool = False,
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
        settings: what all rows depend on, besides the judge.
        card: what came of it, and a sentence on where the videos are -> its card.
        restart: throws away what an earlier run left for this output.
        allow_missing: leaves out the items that have no usable answer.
        window: items under way at once, ≥ 1; default twice the judge's concurrency.
        progress: shows a bar on stderr.

    Raises:
        BuildError: the folder or an earlier run does not fit.
        MissingRows: there is no usable answer for some items, or no row came out; the next call asks for the
            missing ones again.
        JudgeError: no further question can be answered.
    """
    settings = {**settings, "judge": name_of(judge, tasks)}
    with DatasetFolder(output, items, settings, restart=restart, source=source.folder) as folder:
        build = folder.build
        missing = build.run(
            with_readable_videos(work),
            window=window_of(judge, tasks) if window is None else window,
            progress=progress,
            status=lambda: status(judge),
        )
        if missing and not (allow_missing and build.done):
            raise MissingRows(missing_message(source.name, missing, build), missing)
        paths = media_paths(items, videos.root, folder.path)
        built = _built(build, missing, paths.media_root)
        if not built.rows:
            said = ", ".join(f"{reason} {count}" for reason, count in built.left_out.items())
            raise MissingRows(f"{source.name}: no row came out of {build.total} ({said})", missing)

        def write(path: Path) -> None:
            write_lines(path, _rows(items, build, paths))
            source.check_unchanged()

        folder.finish(write, card(built, _loading(built, folder.path)))
        return built


def reasons(built: Built) -> dict[str, int]:
    """How many items gave no row, by reason, those without a usable answer among them."""
    return {**built.left_out, **Counter(built.missing.values())}


def _loading(built: Built, folder: Path) -> str:
    if built.media_root is None:
        return ""
    # Not as an absolute path, which is nobody's business who reads the card.
    root = os.path.relpath(built.media_root, folder)
    return (
        f"The videos are not in this folder: their paths start from `{root}` as seen from here when it was built. Give that "
        "folder to a trainer as `--media_root`."
    )


def _built(build: Resumable, missing: Mapping[int, str], media_root: Path | None) -> Built:
    left_out: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    rows = 0
    for index in range(build.total):
        if (result := build.result(index)) is None:
            continue
        counts.update(result.get("counts", {}))
        if "row" in result:
            rows += 1
        else:
            left_out[result["left_out"]] += 1
    return Built(rows, missing, dict(left_out), dict(counts), media_root)


def _rows(items: Iterable[dict[str, Any]], build: Resumable, paths: MediaPaths) -> Iterator[dict[str, Any]]:
    for index, item in enumerate(items):
        result = build.result(index)
        if result is not None and "row" in result:
            yield paths.rewritten({"videos": item["videos"], **result["row"]})
