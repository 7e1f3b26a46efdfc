"""Sound that is asked for and is not there: a model that does not hear, a file without an audio track."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from vidalign.families import FAMILIES
from vidalign.families.family import Family
from vidalign.rows import MediaFolder, media_of, refuse_bad
from vidalign.video import VideoError, has_audio

AUDIO_COLUMNS = ("audio", "audios")
SILENCE = (
    "Drop the row, or set missing_audio to silence: the video is then heard as silence of its own length"
)
"""What to do about a video without an audio track."""

# Opening a file is waiting for a disk, and FFmpeg lets go of the interpreter while it reads headers.
_THREADS = 8
_CHUNK = 256  # rows in memory at a time: they may hold the files themselves


def refuse_deaf(family: Family | None, asked: str) -> None:
    """asked: what in the data or the settings asks for sound, for the message.

    Raises:
        ValueError: the family does not hear.
    """
    if family is not None and family.audio_tower:
        return
    hearing = ", ".join(known.name for known in FAMILIES.values() if known.audio_tower)
    name = family.name if family is not None else "a model of no known family"
    raise ValueError(f"{asked}, but {name} does not hear; load one of {hearing}, or leave it out")


def refuse_soundless(
    dataset: Any, folder: MediaFolder, *, name: str, soundtracks: bool, columns: Collection[str]
) -> None:
    """Opens the files of a dataset before training starts.

    Args:
        dataset: a `datasets.Dataset` of rows.
        folder: where the media are.
        name: of the dataset, for the message.
        soundtracks: whether videos need an audio track; what stands in `audios` needs one in any case.
        columns: those of the dataset.

    Raises:
        BadRows: files without an audio track, or that cannot be opened; the first rows are named.
    """
    kinds = {"audio": AUDIO_COLUMNS, **({"video": ("video", "videos")} if soundtracks else {})}
    read = [column for group in kinds.values() for column in group if column in columns]
    if not read:
        return
    known: dict[str, str | None] = {}

    def problem(row: Mapping[str, Any]) -> str | None:
        for kind in kinds:
            for medium in media_of(row, kind):
                located = folder.locate(medium)
                if isinstance(located, bytes):
                    reason = _no_sound(located, kind)
                else:
                    if located not in known:
                        known[located] = _no_sound(located, kind)
                    reason = known[located]
                if reason is not None:
                    return f"{kind}s: {reason}"
        return None

    def problems() -> Iterator[str | None]:
        rows = iter(dataset.select_columns(read))
        with ThreadPoolExecutor(_THREADS) as pool:
            while chunk := list(islice(rows, _CHUNK)):
                yield from pool.map(problem, chunk)

    refuse_bad(name, problems())


def _no_sound(source: str | bytes, kind: str) -> str | None:
    try:
        if has_audio(source):
            return None
    except VideoError as error:
        return str(error)
    shown = f"{source!r}" if isinstance(source, str) else f"<bytes, {len(source)} B>"
    remedy = SILENCE if kind == "video" else "Give a file with one, or drop the row"
    return f"{shown}: there is no audio track. {remedy}"
