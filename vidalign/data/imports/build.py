"""A data set in another's format -> a folder of rows that the trainers take, each of them checked."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vidalign.data.derived import loading
from vidalign.data.imports.formats import Format, Reader, reader_of
from vidalign.data.imports.media import missing_medium
from vidalign.data.imports.row import BadRow, Converted
from vidalign.data.videos import Videos
from vidalign.report.dataset_card import Card
from vidalign.rows import DIALOGUE, BadRows, MediaFolder, problem
from vidalign.stages.errors import PipelineError
from vidalign.stages.folder import DatasetFolder
from vidalign.stages.journal import Journal
from vidalign.stages.media_paths import media_paths
from vidalign.stages.run import Run, Summary
from vidalign.stages.tables import JsonArray, JsonRows, ParquetRows, open_rows, write_lines

_NAMED = 5  # rows in a message
_MEDIA = ("videos", "audios", "images")


@dataclass(frozen=True)
class Imported(Summary):
    """What came of an import.

    kind: "preference" or "supervised". left_out: rows that gave none, by reason, each with the first one's. dropped: columns that
    were not carried over -> how many rows had them. looked: of a dry run, which has written nothing.
    """

    kind: str = ""
    left_out: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    dropped: Mapping[str, int] = field(default_factory=dict)
    looked: bool = False

    def written(self, output: str) -> str:
        return f"{self.rows} {self.kind} rows {'would be ' if self.looked else ''}written to {output}"

    def further(self) -> list[str]:
        left_out = [
            f"left out ({what}): {count}; the first is {first}"
            for what, (count, first) in self.left_out.items()
        ]
        return [
            *left_out,
            *(f"not carried over: {name} ({count} rows)" for name, count in self.dropped.items()),
        ]


def build_import(
    rows: str | os.PathLike[str] | Iterable[Mapping[str, Any]],
    output: str | os.PathLike[str],
    *,
    format: Format,
    prompt: str | None = None,
    video_ending: str = "",
    missing_media: Literal["error", "skip"] = "error",
    max_bad: float = 0.0,
    media_root: str | os.PathLike[str] | None = None,
    media_allow: Iterable[str] = (),
    run: Run | None = None,
) -> Imported:
    """Writes preference rows (`prompt`, `chosen`, `rejected`, scores) or supervised ones (`messages`) from a data set in another's
    format, with content blocks where its tags of media stood. Nothing is asked.

    Rows keep their order, but for the few that first have a column or a kind of medium, which stand before the others.

    Formats, each with its layout in `vidalign.data.imports`:
    - sharegpt: `conversations` or `messages` of LLaMA-Factory and ms-swift.
    - llava-hound-pairs, llava-hound-captions: what LLaVA-Hound has released.
    - sharegpt4video: ShareGPT4Video's captions.

    Args:
        rows: a .json, .jsonl or .parquet file as it was published; in Python also mappings that can be gone through more than once.
        output: the folder to write.
        format: sharegpt: LLaMA-Factory's and ms-swift's conversations; llava-hound-pairs and llava-hound-captions: LLaVA-Hound's
            released files; sharegpt4video: ShareGPT4Video's captions.
        prompt: what the captions of sharegpt4video answer, which their file does not say.
        video_ending: of the files of LLaVA-Hound's videos, such as .mp4, where rows name a folder of frames.
        missing_media: what becomes of rows whose media are not there. error: nothing is written; skip: they are left out.
        max_bad: most rows that may be left out for what is wrong with them, as a share of all, 0 to 1.
        media_root: where relative paths start; default the folder of the file.
        media_allow: a further folder that paths may lead into; there may be several.
        run: how it runs. `allow_missing` and `window` are without effect.

    Raises:
        PipelineError: settings, files, or rows of both kinds.
        BadRows: rows that cannot be imported; the first ones are named, with column, reason and remedy. Nothing is written then.
    """
    run = run or Run()
    if missing_media not in ("error", "skip"):
        raise PipelineError(f"missing_media={missing_media!r}; known are error, skip")
    if not 0 <= max_bad <= 1:
        raise PipelineError(f"max_bad={max_bad}; it must be 0 ≤ max_bad ≤ 1")
    reader = reader_of(format, prompt, video_ending)
    source = open_published(rows)
    videos = Videos(source, media_root, media_allow)
    folder = DatasetFolder(output, source=source.folder, resume=run.resume)
    run.processes.wait()  # all have seen whether there is a finished output
    looked = _Look(source, reader, videos.folder)
    looked.refuse(missing_media == "skip", max_bad)
    paths = media_paths((converted.row for converted in looked.kept()), videos.root, folder.folder)
    [kind] = looked.kinds
    made = Imported(
        rows=looked.kinds[kind],
        media_root=paths.media_root,
        kind=kind,
        left_out=looked.left_out(),
        dropped=looked.dropped,
        looked=run.dry_run,
    )
    if run.dry_run:
        return made
    given = {
        "rows": Path(source.name).name,
        "format": format,
        "prompt": prompt,
        "video_ending": video_ending or None,
        "missing_media": missing_media,
        "max_bad": max_bad,
    }

    def write(path: Path) -> None:
        try:
            write_lines(path, (paths.rewritten(converted.row) for converted in looked.kept()))
        finally:
            source.check_unchanged()  # a row that cannot be read any more is one that was changed

    if not run.processes.rank:
        card = _card(reader.about, given, made, loading(paths.media_root, folder.folder))
        folder.open()
        try:
            # For its lock: there is no stage whose results it would keep.
            with closing(Journal(folder.stages, {}, resume=folder.resume)):
                folder.begin()
                folder.finish(folder.write_with_card(write, card.text))
        finally:
            folder.close()
    run.processes.wait()
    return made if not run.processes.rank else Imported()


def open_published(rows: str | os.PathLike[str] | Iterable[Mapping[str, Any]]) -> JsonRows | ParquetRows:
    """As `vidalign.stages.tables.open_rows`, and files of one JSON array. Raises PipelineError."""
    if isinstance(rows, (str, os.PathLike)) and Path(rows).suffix.lower() == ".json":
        return JsonArray(rows)
    return open_rows(rows)


class _Look:
    """What is in a data set, after one look at every row."""

    def __init__(self, source: JsonRows | ParquetRows, reader: Reader, folder: MediaFolder) -> None:
        self._source, self._reader, self._folder = source, reader, folder
        self.total = 0
        self.kinds: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self._bad: set[int] = set()
        self._missing: set[int] = set()
        self._ahead: dict[int, Converted] = {}
        self._parts: set[str] = set()
        self._first: dict[str, list[str]] = {"bad": [], "missing": []}
        ids: dict[str, int] = {}
        for index, row in enumerate(source):
            self.total += 1
            self.dropped.update(
                name for name, value in row.items() if name not in reader.columns and value is not None
            )
            try:
                missing = self._look(index, row, ids)
            except BadRow as error:
                self._note("bad", self._bad, index, str(error))
            else:
                if missing is not None:
                    self._note("missing", self._missing, index, missing)

    def _look(self, index: int, row: Mapping[str, Any], ids: dict[str, int]) -> str | None:
        """What the row's media lack. Raises BadRow."""
        converted = self._reader.convert(row)
        name = converted.row.get("id")
        if name is not None and ids.setdefault(name, index) != index:
            raise BadRow(f"id: {name!r} is that of row {ids[name]} as well; rename one, or take it out")
        checked = converted.row
        if converted.kind == "supervised":
            turns = checked["messages"]
            checked = {**checked, "prompt": turns[:-1], "completion": turns[-1:], DIALOGUE: True}
        reason = problem({**checked, **dict.fromkeys(_MEDIA)}, converted.kind, self._folder)
        if reason is not None:
            raise BadRow(reason)
        missing = missing_medium({name: checked[name] for name in _MEDIA if name in checked}, self._folder)
        if missing is None:
            self.kinds[converted.kind] += 1
            if not (parts := _parts(converted.row)) <= self._parts:
                self._parts |= parts
                self._ahead[index] = converted
        return missing

    def _note(self, what: str, where: set[int], index: int, reason: str) -> None:
        where.add(index)
        if len(self._first[what]) < _NAMED:
            self._first[what].append(f"row {index}: {reason}")

    def kept(self) -> Iterator[Converted]:
        """The rows that are imported, read again. First those that bring a column, a kind of medium or a call: `datasets` takes the
        types of a file from its first 10 MB, and fails at what first comes behind."""
        yield from self._ahead.values()
        for index, row in enumerate(self._source):
            if not any(index in others for others in (self._bad, self._missing, self._ahead)):
                yield self._reader.convert(row)

    def left_out(self) -> dict[str, tuple[int, str]]:
        found = {"bad row": (self._bad, "bad"), "media not there": (self._missing, "missing")}
        return {name: (len(where), self._first[what][0]) for name, (where, what) in found.items() if where}

    def refuse(self, skip: bool, max_bad: float) -> None:
        """Raises BadRows or PipelineError unless the rows that are left can be written."""
        name = self._source.name
        if not self.total:
            raise PipelineError(f"{name}: no rows")
        lines: list[str] = []
        if len(self._bad) > max_bad * self.total:
            remedy = "mend them or take them out, or give --max-bad with the share that may be left out"
            lines += self._lines(
                f"{name}: {len(self._bad)} of {self.total} rows cannot be imported", "bad", self._bad, remedy
            )
        if self._missing and not skip:
            remedy = "name the folder that paths start from with --media-root, or leave the rows out with --missing-media skip"
            lines += self._lines(
                f"{name}: the media of {len(self._missing)} of {self.total} rows are not there",
                "missing",
                self._missing,
                remedy,
            )
        if not lines and not self.kinds:
            first = next(reasons[0] for reasons in self._first.values() if reasons)
            lines = [f"{name}: none of {self.total} rows is left; {first}"]
        if lines:
            raise BadRows("\n".join(lines))
        if len(self.kinds) > 1:
            counts = " and ".join(f"{count} {kind}" for kind, count in self.kinds.items())
            raise PipelineError(f"{name}: {counts} rows, and a data set has one kind; make a file of each")

    def _lines(self, head: str, what: str, where: set[int], remedy: str) -> list[str]:
        shown = self._first[what]
        more = [f"  ... and {len(where) - len(shown)} more"] if len(where) > len(shown) else []
        return [head, *(f"  {line}" for line in shown), *more, f"  ({remedy})"]


def _parts(row: Mapping[str, Any]) -> set[str]:
    """What a row has of what only some rows have."""
    turns = row.get("messages") or row["prompt"]
    return {
        *row,
        *(block["type"] for turn in turns for block in turn["content"]),
        *(key for turn in turns for key in turn),
    }


def _card(about: str, settings: Mapping[str, Any], made: Imported, loading: str) -> Card:
    preference = made.kind == "preference"
    rows = (
        "A row has a `prompt`, the better response (`chosen`) and the worse (`rejected`)."
        if preference
        else "A row has the turns of a conversation (`messages`), the last of them the assistant's."
    )
    return Card(
        title=f"{made.kind.capitalize()} rows, imported",
        about=f"Made from {about}. {rows} Who made the data and what they may be used for is said where they were published.",
        kind="import",
        judge=None,
        settings=settings,
        tables={
            "Rows": {
                "written": made.rows,
                **{f"left out ({what})": count for what, (count, _) in made.left_out.items()},
            },
            "Columns that were not carried over": made.dropped,
        },
        tags=("preference",) if preference else ("sft",),
        language=(),
        loading=loading,
    )
