"""Rows with videos -> the same rows with a model's captions, or its answers to several prompts."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vidalign.generate.sample import GREEDY, AsyncSampler, Sample, Sampler, Sampling, check_samples
from vidalign.llm.media import Medium
from vidalign.rows import MediaFolder, media_of, refuse_bad
from vidalign.stages import MissingRows, Pipeline, PipelineError, Stage, Unfinished
from vidalign.stages.media_paths import media_paths
from vidalign.stages.output import Output
from vidalign.stages.tables import JsonRows, check_added, open_rows, write_lines

PROMPT = "Describe the video in detail."
VIDEO_ENDINGS = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".flv")
MADE = ("caption", "captions", "tokens", "finish", "logp", "logps")
_SHOWN = 5


@dataclass(frozen=True)
class Captioned:
    """rows: written. missing: reasons of the input's rows that have no caption, by number. media_root: where the written paths
    start, if not from the output's folder."""

    rows: int
    missing: Mapping[int, str]
    media_root: Path | None = None


def caption_rows(
    sampler: Sampler | Callable[[], Sampler],
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
    wait: Callable[[], None] = lambda: None,
    overwrite: bool = False,
    restart: bool = False,
    allow_missing: bool = False,
    progress: bool = False,
) -> Captioned | None:
    """Writes a row for each row and prompt, in their order: the input's columns, `prompt`, `caption`, `tokens`, `finish`.

    With several samples the last three are lists, and `captions` stands for `caption`. A run that was stopped goes on when it is
    called again; a row whose video's content, prompt, sampling or model changed is captioned again.

    Args:
        sampler: the model, or what loads it once the rows have been looked at.
        rows: a .jsonl or .parquet file, rows in memory, or a folder of videos.
        output: the .jsonl file to write. Relative paths are rewritten to start from its folder if all videos lie in it.
        prompts: put to every row, which reads its video once for all of them. None: each row's `prompt`, or the default.
        n: samples a prompt, 1 for greedy decoding.
        sampling: how they are drawn.
        folder: where relative paths start, as the sampler has it; default the rows' folder.
        batch: rows under way at once.
        rank, world_size: of this process among those that share the rows. Rank 0 writes the output.
        wait: returns when all processes have called it; three times in a run.
        overwrite: replaces columns of the made names that are there.
        restart: throws away what an earlier run left for this output.
        allow_missing: leaves out rows without a caption, such as those whose video cannot be decoded.
        progress: shows a bar on stderr.

    Returns:
        What came of it; None in processes but rank 0.

    Raises:
        PipelineError: files, columns or an earlier run do not fit.
        BadRows: rows whose videos are not there; the first ones are named.
        MissingRows: rows have no caption; the next call tries these again.
        ValueError: several samples of greedy decoding.
    """
    check_samples(n, sampling)
    source = (
        video_rows(rows) if isinstance(rows, (str, os.PathLike)) and os.path.isdir(rows) else open_rows(rows)
    )
    folder = folder or MediaFolder(media_root_of(rows))
    refuse_bad(source.name, (_problem(row, folder) for row in source))
    check_added(source, MADE, overwrite)
    own = [name for name in source.columns() if name not in ("prompt", *MADE)]
    items = [
        {"videos": list(media_of(row, "video")), "prompts": list(prompts) or [row.get("prompt") or PROMPT]}
        for row in source
    ]
    place = Output(output, restart=restart)
    resume = place.resume
    wait()  # all have seen whether there is a finished output
    # Not before all rows have been looked at: a large model takes minutes.
    model = sampler() if callable(sampler) else sampler

    stage = _stage(model, n, sampling, batch)

    def content(item: Mapping[str, Any]) -> list[str]:
        return [Medium("video", folder.locate(video)).fingerprint() for video in item["videos"]]

    if rank:
        wait()  # rank 0 has thrown away what is to be thrown away
        resume = "go-on" if restart else resume
    with Pipeline(
        place.stages, [stage], items, content=content, rank=rank, world_size=world_size, resume=resume
    ) as pipeline:
        if not rank:
            place.begin()
            wait()
        outcome = pipeline.run(progress=progress and not rank)
        failed = {index: reason for index, (_, reason) in outcome.missing.items()}
        for index, reason in failed.items() if rank else ():
            print(f"row {index}: {reason}", file=sys.stderr)  # rank 0 does not learn it
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
        paths = media_paths(source, Path(folder.root) if folder.root is not None else None, place.path.parent)

        def written() -> Iterator[dict[str, Any]]:
            for row, item, found in zip(source, items, answers, strict=True):
                if found is None:
                    continue
                kept = paths.rewritten({name: row.get(name) for name in own})
                for prompt, samples in zip(item["prompts"], found[stage.name], strict=True):
                    yield {**kept, "prompt": prompt, **_columns(samples, n)}

        place.finish(lambda path: write_lines(path, written()))
        count = sum(len(item["prompts"]) for item, found in zip(items, answers, strict=True) if found)
        return Captioned(count, missing, paths.media_root)


def _stage(model: Sampler, n: int, sampling: Sampling, batch: int) -> Stage:
    """Captions of items: one by one where the model takes requests, else in batches."""
    settings = {**model.settings, "n": n, **asdict(sampling)}

    def rows(item: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [{"videos": item["videos"], "prompt": _turn(prompt)} for prompt in item["prompts"]]

    if isinstance(model, AsyncSampler):

        async def ask(item: Any, _: Mapping[str, Any]) -> Any:
            result = _result(await asyncio.gather(*(model.answer(row, n, sampling) for row in rows(item))))
            if isinstance(result, Unfinished):
                raise result
            return result

        return Stage("caption", ask, settings, window=batch)

    def answer(items: Sequence[Any], _: Sequence[Mapping[str, Any]]) -> list[Any]:
        samples = iter(model.samples([row for item in items for row in rows(item)], n, sampling))
        return [_result([next(samples) for _ in item["prompts"]]) for item in items]

    return Stage("caption", answer, settings, batch=batch)


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
