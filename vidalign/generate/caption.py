"""Rows with videos -> the same rows with a model's captions, or its answers to several prompts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vidalign.generate.sample import GREEDY, Sample, Sampler, Sampling
from vidalign.llm.media import Medium
from vidalign.rows import MediaFolder, media_of, refuse_bad
from vidalign.stages import MissingRows, Pipeline, PipelineError, Stage, Unfinished
from vidalign.stages.output import Output
from vidalign.stages.tables import JsonRows, open_rows, write_lines

PROMPT = "Describe the video in detail."
VIDEO_ENDINGS = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".flv")
MADE = ("prompt", "caption", "captions", "tokens", "finish", "logp", "logps")
_SHOWN = 5


@dataclass(frozen=True)
class Captioned:
    """rows: written. missing: reasons of the input's rows that have no caption, by number."""

    rows: int
    missing: Mapping[int, str]


def caption_rows(
    sampler: Sampler,
    rows: str | os.PathLike[str] | Sequence[Mapping[str, Any]],
    output: str | os.PathLike[str],
    *,
    prompts: Sequence[str] = (),
    n: int = 1,
    sampling: Sampling = GREEDY,
    folder: MediaFolder | None = None,
    batch: int = 8,
    rank: int = 0,
    world_size: int = 1,
    wait: Any = None,
    restart: bool = False,
    allow_missing: bool = False,
    progress: bool = False,
) -> Captioned | None:
    """Writes a row for each row and prompt, in their order: the input's columns, `prompt`, `caption`, `tokens`, `finish`.

    With several samples the last three are lists, and `captions` stands for `caption`. A run that was stopped goes on when it is
    called again; a row whose video's content, prompt, sampling or model changed is captioned again.

    Args:
        sampler: the model.
        rows: a .jsonl or .parquet file, rows in memory, or a folder of videos.
        output: the .jsonl file to write.
        prompts: put to every row, which reads its video once for all of them. None: each row's `prompt`, or the default.
        n: samples a prompt.
        sampling: how they are drawn.
        folder: where relative paths start, as the sampler has it; default the rows' folder.
        batch: rows under way at once.
        rank, world_size: of this process among those that share the rows. Rank 0 writes the output.
        wait: called when this process has done its part, and returns when all have.
        restart: throws away what an earlier run left for this output.
        allow_missing: leaves out rows without a caption, such as those whose video cannot be decoded.
        progress: shows a bar on stderr.

    Returns:
        What came of it; None in processes but rank 0.

    Raises:
        PipelineError: files, columns or an earlier run do not fit.
        BadRows: rows whose videos are not there; the first ones are named.
        MissingRows: rows have no caption; the next call tries these again.
    """
    source = (
        video_rows(rows) if isinstance(rows, (str, os.PathLike)) and os.path.isdir(rows) else open_rows(rows)
    )
    folder = folder or MediaFolder(media_root_of(rows))
    own = [name for name in source.columns() if name not in MADE]
    refuse_bad(source.name, (_problem(row, folder) for row in source))
    items = [
        {"videos": list(media_of(row, "video")), "prompts": list(prompts) or [row.get("prompt") or PROMPT]}
        for row in source
    ]

    def answer(items: Sequence[Any], found: Sequence[Mapping[str, Any]]) -> list[Any]:
        asked = [
            {"videos": item["videos"], "prompt": _turn(prompt)}
            for item in items
            for prompt in item["prompts"]
        ]
        samples = iter(sampler.samples(asked, n, sampling))
        return [_result([next(samples) for _ in item["prompts"]]) for item in items]

    settings = {**sampler.settings, "n": n, **asdict(sampling)}
    place = Output(output, restart=restart)
    stage = Stage("caption", answer, settings, batch=batch)
    with Pipeline(
        place.stages,
        [stage],
        items,
        content=lambda item: [
            Medium("video", folder.locate(video)).fingerprint() for video in item["videos"]
        ],
        rank=rank,
        world_size=world_size,
        resume=place.resume,
    ) as pipeline:
        if rank == 0:
            place.begin()
        outcome = pipeline.run(progress=progress and rank == 0)
        failed = {index: reason for index, (_, reason) in outcome.missing.items()}
        for index, reason in failed.items() if rank else ():
            print(f"row {index}: {reason}", file=sys.stderr)  # rank 0 does not learn it
        if wait is not None:
            wait()
        if rank:
            return None
        pipeline.reload()
        answers = [pipeline.results(index) for index in range(pipeline.total)]
        missing = {
            index: failed.get(index, "no caption; the process that had it said why")
            for index, found in enumerate(answers)
            if found is None
        }
        if missing and not (allow_missing and len(missing) < len(items)):
            raise MissingRows(_missing_message(source.name, missing, len(items), place), missing)

        def written() -> Iterator[dict[str, Any]]:
            for row, item, found in zip(source, items, answers, strict=True):
                if found is None:
                    continue
                kept = {name: row.get(name) for name in own}
                for prompt, samples in zip(item["prompts"], found[stage.name], strict=True):
                    yield {**kept, "prompt": prompt, **_columns(samples, n)}

        place.finish(lambda path: write_lines(path, written()))
        return Captioned(
            sum(len(item["prompts"]) for item, found in zip(items, answers, strict=True) if found), missing
        )


def media_root_of(rows: Any) -> Path | None:
    """Where relative paths of rows start: the folder of videos, that of the file, or, for rows in memory, the current one."""
    if not isinstance(rows, (str, os.PathLike)):
        return None
    return Path(rows) if os.path.isdir(rows) else Path(os.path.realpath(rows)).parent


def video_rows(folder: str | os.PathLike[str]) -> JsonRows:
    """A row for each video in a folder and those below it, by name."""
    root = Path(folder)
    found = sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.suffix.lower() in VIDEO_ENDINGS and path.is_file()
    )
    if not found:
        raise PipelineError(f"{str(folder)!r} has no videos ({', '.join(VIDEO_ENDINGS)})")
    return JsonRows([{"videos": [name]} for name in found])


def _problem(row: Mapping[str, Any], folder: MediaFolder) -> str | None:
    if media_of(row, "image") or media_of(row, "audio"):
        return "images, audios: captions are of videos; take these columns out"
    if not media_of(row, "video"):
        return "videos: missing"
    for medium in media_of(row, "video"):
        if not isinstance(medium, str):
            return "videos: bytes, where the path of a file is taken"
        try:
            folder.locate(medium)
        except ValueError as error:
            return f"videos: {error}"
    return None


def _turn(prompt: Any) -> Any:
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt


def _result(by_prompt: Sequence[Sequence[Sample]]) -> Any:
    """JSON of an item's samples; `Unfinished` if one of them is missing."""
    for samples in by_prompt:
        for sample in samples:
            if sample.text is None:
                return Unfinished(sample.reason or "no answer")
    return [[asdict(sample) for sample in samples] for samples in by_prompt]


def _columns(samples: Sequence[Mapping[str, Any]], n: int) -> dict[str, Any]:
    columns = {
        "caption" if n == 1 else "captions": [sample["text"] for sample in samples],
        "tokens": [sample["tokens"] for sample in samples],
        "finish": [sample["finish"] for sample in samples],
    }
    if any(sample["logp"] is not None for sample in samples):
        columns["logp" if n == 1 else "logps"] = [sample["logp"] for sample in samples]
    return {name: values[0] for name, values in columns.items()} if n == 1 else columns


def _missing_message(name: str, missing: Mapping[int, str], total: int, place: Output) -> str:
    lines = [f"{name}: {len(missing)} of {total} rows have no caption"]
    lines += [f"  row {index}: {reason}" for index, reason in list(missing.items())[:_SHOWN]]
    if len(missing) > _SHOWN:
        lines.append(f"  ... and {len(missing) - _SHOWN} more")
    if len(missing) < total:
        lines.append(
            f"The others are kept in {str(place.stages)!r}: run the same again to try these only, or give --allow-missing to "
            "leave them out."
        )
    return "\n".join(lines)
