"""Rows with videos -> the same rows with a model's captions, or its answers to several prompts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vidalign.generate.aspects import with_aspect
from vidalign.generate.options import ModelOptions
from vidalign.generate.sample import GREEDY, Sampler, Sampling, check_samples
from vidalign.generate.stage import sampling_stage, turn
from vidalign.llm.media import Medium
from vidalign.rows import MediaFolder, media_of, refuse_bad
from vidalign.stages import PipelineError, Run, Running, Summary
from vidalign.stages.media_paths import media_paths
from vidalign.stages.output import Output
from vidalign.stages.tables import JsonRows, check_added, open_rows, write_lines

PROMPT = "Describe the video in detail."
VIDEO_ENDINGS = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".flv")
MADE = ("caption", "captions", "tokens", "finish", "logp", "logps")


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
    overwrite: bool = False,
    run: Run | None = None,
) -> Summary:
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
        overwrite: replaces columns of the made names that are there.
        run: how it runs. Rows without a caption are for example those whose video cannot be decoded.

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
    run = run or Run()
    place = Output(output, resume=run.resume)
    # Not before all rows have been looked at: a large model takes minutes.
    model = sampler() if callable(sampler) else sampler

    def content(item: Mapping[str, Any]) -> list[str]:
        return [Medium("video", folder.locate(video)).fingerprint() for video in item["videos"]]

    def asked(item: Mapping[str, Any], _: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [{"videos": item["videos"], "prompt": turn(prompt)} for prompt in item["prompts"]]

    stage = sampling_stage("caption", model, asked, n, sampling, batch=batch)
    running = Running(place, [stage], items, content=content, run=run)
    if run.dry_run:
        return Summary(estimate=running.estimate())
    with running:
        missing = running.work(source.name, "no caption")
        if missing is None:
            return Summary()
        answers = [running.pipeline.results(index) for index in range(len(items))]
        paths = media_paths(source, Path(folder.root) if folder.root is not None else None, place.path.parent)

        def written() -> Iterator[dict[str, Any]]:
            for row, item, found in zip(source, items, answers, strict=True):
                if found is None:
                    continue
                kept = paths.rewritten({name: row.get(name) for name in own})
                for prompt, samples in zip(item["prompts"], found[stage.name], strict=True):
                    yield {**kept, "prompt": prompt, **_columns(samples, n)}

        running.finish(lambda path: write_lines(path, written()))
        count = sum(len(item["prompts"]) for item, found in zip(items, answers, strict=True) if found)
        return Summary(count, missing, paths.media_root)


def caption(
    model: str,
    rows: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    prompt: Sequence[str] = (),
    aspect: str | None = None,
    n: int = 1,
    temperature: float = 0.0,
    top_p: float = 1.0,
    top_k: int = 0,
    max_new_tokens: int = 2048,
    seed: int = 0,
    contrast: float = 0.0,
    retrospection: bool = False,
    media_root: str | os.PathLike[str] | None = None,
    media_allow: Iterable[str] = (),
    overwrite: bool = False,
    options: ModelOptions | None = None,
    run: Run | None = None,
) -> Summary:
    """A model's captions of videos, or its answers to several prompts.

    Args:
        model: a folder, or a name on the Hub; an adapter brings its base. With server its name there.
        rows: a .jsonl or .parquet file with videos, or a folder of videos.
        output: the .jsonl file to write.
        prompt: put to every video. There may be several, and the video is read once for all; default each row's `prompt`, or
            "Describe the video in detail."
        aspect: temporal or spatial; behind every prompt stands a request to attend to it above all (AVC-DPO).
        n: samples of each prompt.
        temperature: 0 is greedy.
        top_p: of the tokens sampled from.
        top_k: of the tokens sampled from; 0 is all.
        max_new_tokens: of a caption; a longer one is cut.
        seed: of the samples.
        contrast: of the whole video with a third of its frames (SynPO; 0.5 in its code); 0 is none.
        retrospection: each caption is put before the model again, which gives it anew (SynPO).
        media_root: where relative paths start; default the rows' folder.
        media_allow: a further folder that paths may lead into; there may be several.
        overwrite: replace columns of rows that have captions already.
        options: how the model is asked.
        run: how it runs.

    Raises:
        ValueError, OSError: options, rows, model or an earlier run do not fit; before any caption.
        MissingRows: rows have no caption; the next call tries these again.
    """
    sampling = Sampling(temperature, top_p, top_k, max_new_tokens, seed, contrast, retrospection)
    folder = MediaFolder(media_root or media_root_of(rows), tuple(media_allow))
    options = options or ModelOptions()
    return caption_rows(
        lambda: options.sampler(model, folder, n),
        rows,
        output,
        prompts=prompt
        if aspect is None
        else [with_aspect(text, aspect) for text in list(prompt) or [PROMPT]],
        n=n,
        sampling=sampling,
        folder=folder,
        batch=options.batch_size,
        overwrite=overwrite,
        run=run,
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


def _columns(samples: Sequence[Mapping[str, Any]], n: int) -> dict[str, Any]:
    columns = {
        "caption" if n == 1 else "captions": [sample["text"] for sample in samples],
        "tokens": [sample["tokens"] for sample in samples],
        "finish": [sample["finish"] for sample in samples],
    }
    if any(sample["logp"] is not None for sample in samples):
        columns["logp" if n == 1 else "logps"] = [sample["logp"] for sample in samples]
    return {name: values[0] for name, values in columns.items()} if n == 1 else columns
