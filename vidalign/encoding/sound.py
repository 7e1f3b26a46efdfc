"""Sound that is asked for: of a model that does not hear, and what to do about a file without an audio track."""

from __future__ import annotations

from typing import Any

from vidalign.families import FAMILIES
from vidalign.families.family import Family

AUDIO_COLUMNS = ("audio", "audios")
SILENCE = (
    "Drop the row, or set missing_audio to silence: the video is then heard as silence of its own length"
)
"""What to do about a video without an audio track."""


def require_audio(family: Family | None, asked: str) -> None:
    """asked: what in the data or the settings asks for sound, for the message.

    Raises:
        ValueError: the family does not hear.
    """
    if family is not None and family.audio_tower:
        return
    hearing = ", ".join(known.name for known in FAMILIES.values() if known.audio_tower)
    name = family.name if family is not None else "a model of no known family"
    raise ValueError(f"{asked}, but {name} does not hear; load one of {hearing}, or leave it out")


def take_over_chunks(processor: Any, config: Any) -> None:
    """How sound is cut among the frames is the model's, and not saved with processors, which come back with a default."""
    for name in ("seconds_per_chunk", "position_id_per_seconds"):
        if hasattr(processor, name) and getattr(config, name, None) is not None:
            setattr(processor, name, float(getattr(config, name)))
