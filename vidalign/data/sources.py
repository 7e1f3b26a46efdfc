"""What a build starts from: rows in a file, or the videos of a folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vidalign.generate.caption import video_rows
from vidalign.stages.tables import JsonRows, ParquetRows, open_rows


def open_videos(
    rows: str | os.PathLike[str] | Iterable[Mapping[str, Any]],
) -> JsonRows | ParquetRows:
    """Rows of a file or in memory, or a row for each video in a folder and those below it.

    Raises:
        PipelineError: it cannot be read, or a folder has no videos.
    """
    if isinstance(rows, (str, os.PathLike)) and Path(rows).is_dir():
        return video_rows(rows)
    return open_rows(rows)
