"""Sound that is asked for: of a model that does not hear, and what to do about a file without an audio track."""

from __future__ import annotations

from vidalign.families import FAMILIES
from vidalign.families.family import Family

AUDIO_COLUMNS = ("audio", "audios")
SILENCE = (
    "Drop the row, or set missing_audio to silence: the video is then heard as silence of its own length"
)
"""What to do about a video without an audio track."""


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
