"""The facts of a caption: those of its sentences that it states, each with one of the keypoints' dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from vidalign.judge.lexical.english import SPEECH
from vidalign.judge.lexical.statements import stated
from vidalign.judge.tasks.keypoints import Keypoint
from vidalign.text.english import inflected
from vidalign.text.sentences import Token, sentences
from vidalign.text.stems import stem_set

_TIES = stem_set("as while when whenever rhythm beat sync")
_SOUND = SPEECH | stem_set(
    "sound music song melody beat rhythm voice noise audio silence silent quiet loud loudly bark meow chirp click thud bang crash "
    "hum buzz ring roar applause applaud laughter clap whistle drum guitar piano violin narrator speech hear heard audible rumble "
    "rustle splash echo footsteps siren honk beep tune soundtrack engine dialogue"
)
_CAMERA = stem_set(
    "camera shot zoom pan tilt dolly close-up closeup frame transition fade cut montage angle handheld footage lens timelapse "
    "flashback viewpoint scene cinematic animation animated"
)
_STILL = stem_set("stand sit wear have contain feature lie hang show include consist look stay")


def facts(caption: str) -> list[Keypoint]:
    """In order, none twice. By the rules of `statements` a question, for example, states nothing, not even itself."""
    parts = [sentence.tokens for sentence in sentences(caption)]
    tokens = {" ".join(caption[part[0].start : part[-1].end].split()): part for part in parts}
    held = zip(tokens, stated(caption, list(tokens)), strict=True)
    return [Keypoint(_dimension(tokens[text]), text) for text, yes in held if yes]


def _dimension(tokens: Sequence[Token]) -> str:
    stems = {token.stem for token in tokens}
    if stems & _SOUND or any(token.role == "quote" for token in tokens):
        return "narrative" if stems & _TIES else "sound"
    if stems & _CAMERA:
        return "cinematography"
    moves = any(t.role == "word" and inflected(t.word) and t.stem not in _STILL for t in tokens[1:])
    return "action" if moves or stems & {"do", "does", "did"} else "entity"
