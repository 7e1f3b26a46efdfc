"""The look into media files before training: whether each one opens, and what becomes of rows whose media are bad."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, NamedTuple

from accelerate import PartialState
from accelerate.utils import gather_object

from vidalign.encoding.images import check_image
from vidalign.encoding.keys import COLUMNS, KINDS, held, media_key
from vidalign.encoding.sound import SILENCE
from vidalign.rows import BadRows, MediaFolder, MissingMedium, is_picture, refuse_bad
from vidalign.video import NoAudioStream, check_audio, probe
from vidalign.video.errors import name_of

ON_BAD = ("error", "skip")
"""What becomes of a row whose media are bad: training does not start, or the row is left out."""

# Opening a file is waiting for a disk, and FFmpeg and Pillow let go of the interpreter while they read and decode.
_THREADS = 8
_CHUNK = 256  # rows in memory at a time: they may hold the files themselves
_SHOWN = 3

logger = logging.getLogger("vidalign.trainers")


class _Fault(NamedTuple):
    reason: str
    skipped: bool


class _Found(NamedTuple):
    """A fault, so that of a row the one that stops training comes first. place: of the medium within the row."""

    row: int
    skipped: bool
    place: int
    reason: str


class MediaLook:
    """Opens each distinct file once: of a video the first frame is decoded, of a sound the first samples; an image is
    decoded at its smallest scale. What breaks further into a file is found when its batch is read, and stops training then.

    Args:
        folder: where the media are.
        soundtracks: whether videos need an audio track; what stands in `audios` needs one in any case.
        max_seconds: longest video; None for no limit.
        bad_media, long_videos: "error" or "skip", for rows with a file that is missing, cannot be opened or lacks its sound,
            and for rows with a longer video. Paths that may not be opened at all are no matter of these.
    """

    def __init__(
        self,
        folder: MediaFolder,
        *,
        soundtracks: bool = False,
        max_seconds: float | None = None,
        bad_media: str = "error",
        long_videos: str = "error",
    ) -> None:
        self.folder, self.soundtracks, self.max_seconds = folder, soundtracks, max_seconds
        self.skip_bad, self.skip_long = bad_media == "skip", long_videos == "skip"
        self._settings = f"bad_media: {bad_media}, long_videos: {long_videos}"
        self._seen: dict[str, _Fault | None] = {}

    def usable(self, dataset: Any, name: str) -> Any:
        """The rows of a `datasets.Dataset` that can be used. The same in all processes: a node's share the files, and what
        one finds counts for all.

        Args:
            dataset: rows whose paths may be opened (`vidalign.rows.validate`).
            name: of the dataset, for messages.

        Raises:
            BadRows: rows that are not to be left out, the first of them by number; or none is left.
        """
        columns = [column for column in COLUMNS if column in dataset.column_names]
        found = gather_object(list(self._found(dataset.select_columns(columns)))) if columns else []
        faults: dict[int, _Found] = {}
        for fault in sorted(found):
            faults.setdefault(fault[0], _Found(*fault))
        stops = {row: fault.reason for row, fault in faults.items() if not fault.skipped}
        if stops:
            refuse_bad(name, (stops.get(row) for row in range(len(dataset))))
        if not faults:
            return dataset
        shown = [f"row {fault.row}: {fault.reason}" for fault in list(faults.values())[:_SHOWN]]
        more = [f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        said = (
            f"{len(faults)} of {len(dataset)} rows left out ({self._settings}): {'; '.join([*shown, *more])}"
        )
        if len(faults) == len(dataset):
            raise BadRows(f"{name}: no rows left. {said}")
        if PartialState().is_main_process:
            logger.warning("%s: %s", name, said)
        return dataset.select([row for row in range(len(dataset)) if row not in faults])

    def watched(self, stream: Any, name: str) -> Any:
        """A `datasets.IterableDataset` whose rows are looked at as they come, where that changes anything."""
        if not self.skip_bad and self.max_seconds is None:
            return stream  # its reader names the row
        return stream.filter(_Watch(self, name))

    def fault(self, row: Mapping[str, Any]) -> _Fault | None:
        """What is wrong with one row."""
        worst = None
        for _, medium in self._media(row):
            fault = medium if isinstance(medium, _Fault) else self._open(*medium)
            if fault is not None and not fault.skipped:
                return fault
            worst = worst or fault
        return worst

    def _found(self, rows: Any) -> Iterator[_Found]:
        """The faults of the files that fall to this process."""
        rank, share = _share()
        numbered = enumerate(rows)
        with ThreadPoolExecutor(_THREADS) as pool:
            while chunk := list(islice(numbered, _CHUNK)):
                media = [(number, *found) for number, row in chunk for found in self._media(row)]
                keys: list[str | None] = []
                new: dict[str, tuple[str, Any]] = {}
                for _, _, medium in media:
                    key = None if isinstance(medium, _Fault) else media_key({medium[0]: [medium[1]]}, None)
                    keys.append(key)
                    if key is not None and key not in self._seen and int(key[:8], 16) % share == rank:
                        new[key] = medium
                self._seen.update(
                    zip(new, pool.map(lambda medium: self._open(*medium), new.values()), strict=True)
                )
                for (row, place, medium), key in zip(media, keys, strict=True):
                    fault = medium if isinstance(medium, _Fault) else self._seen.get(str(key))
                    if fault is not None:
                        yield _Found(row, fault.skipped, place, fault.reason)

    def _media(self, row: Mapping[str, Any]) -> Iterator[tuple[int, _Fault | tuple[str, Any]]]:
        """(place, (kind, path or bytes)) of a row's files, or what is wrong with one that is not there."""
        place = 0
        for kind in KINDS:
            for medium in held(row, kind):
                place += 1
                if kind == "image" and is_picture(medium):
                    continue
                try:
                    yield place, (kind, self.folder.locate(medium))
                except MissingMedium as error:
                    yield place, _Fault(f"{kind}s: {error}", self.skip_bad)

    def _open(self, kind: str, source: str | bytes) -> _Fault | None:
        try:
            if kind == "image":
                check_image(source)
            elif kind == "audio":
                check_audio(source)
            else:
                return self._open_video(source)
        except NoAudioStream:
            return self._silent("audios", source, "Give a file with one, or drop the row")
        except ValueError as error:
            return _Fault(f"{kind}s: {error}", self.skip_bad)
        return None

    def _open_video(self, source: str | bytes) -> _Fault | None:
        info = probe(source)
        if self.soundtracks and not info.has_audio:
            return self._silent("videos", source, SILENCE)
        if self.max_seconds is not None and info.duration > self.max_seconds:
            reason = f"it lasts {info.duration:.1f} s, longer than max_video_seconds={self.max_seconds:g}"
            remedy = "Cut it (vidalign.clips), or leave such rows out with long_videos: skip"
            return _Fault(f"videos: {_shown(source)}: {reason}. {remedy}", self.skip_long)
        return None

    def _silent(self, column: str, source: str | bytes, remedy: str) -> _Fault:
        return _Fault(f"{column}: {_shown(source)}: there is no audio track. {remedy}", self.skip_bad)


class _Watch:
    """The filter of a stream. A class, since workers get it by pickle."""

    def __init__(self, look: MediaLook, name: str) -> None:
        self.look, self.name = look, name

    def __call__(self, row: Mapping[str, Any]) -> bool:
        fault = self.look.fault(row)
        if fault is None:
            return True
        if not fault.skipped:
            raise BadRows(f"{self.name}: {fault.reason}")
        logger.warning("%s: a row is left out: %s", self.name, fault.reason)
        return False


def _shown(source: str | bytes) -> str:
    return repr(source) if isinstance(source, str) else name_of(source)


def _share() -> tuple[int, int]:
    """(which, of how many) parts of a node's files this process opens; (0, 1) where that is not known."""
    state = PartialState()
    if state.num_processes == 1:
        return 0, 1
    return state.local_process_index, int(os.environ.get("LOCAL_WORLD_SIZE", "0")) or 1
