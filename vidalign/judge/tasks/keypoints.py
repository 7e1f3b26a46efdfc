"""A reference caption -> its keypoints over AVoCaDO's five dimensions (§3.2.2)."""

from __future__ import annotations

from typing import Any, NamedTuple

from vidalign.judge.tasks.forms import STRING, list_of, object_of
from vidalign.llm.question import Question, Unusable
from vidalign.text.words import words

DIMENSIONS = {
    "narrative": "how sound and picture explain, complement or lead each other, at the same moment, to what is going on",
    "action": "movements, events, and what people, animals and things do with or to each other",
    "sound": "speech, music, effects and background sound",
    "cinematography": "shots and cuts, camera movement and angle, passing of time, place of a scene, style",
    "entity": "people, animals, things and surroundings: what they are, look like, and where they stand",
}
"""Cross-modal Narrative Logic, Dynamic Action & Interaction, Auditory Elements, Spatio-temporal & Cinematography, Static
Entity Description."""

_INSTRUCTIONS = (
    """\
You take a description of a video apart into the facts that it states. The material has a `caption`.

List every fact of the caption once, as short sentences that can be understood and checked alone: name the person or thing \
instead of a pronoun, keep numbers, colours, directions, quoted words and order of time, and put one fact in one sentence. \
Add nothing that the caption does not say. Give each fact the dimension that fits it best:
"""
    + "\n".join(f"- {name}: {meaning}" for name, meaning in DIMENSIONS.items())
    + '\n"narrative" is only for facts that tie a sound to something seen.'
)

_ITEM = object_of(dimension={"type": "string", "enum": list(DIMENSIONS)}, text=STRING)


class Keypoint(NamedTuple):
    """dimension: a key of `DIMENSIONS`. text: one fact, a short sentence."""

    dimension: str
    text: str


def question(caption: str) -> Question[list[Keypoint]]:
    """The keypoints of a reference caption, none of them twice."""
    return Question(
        task="keypoints",
        instructions=_INSTRUCTIONS,
        data={"caption": caption},
        schema=object_of(keypoints=list_of(_ITEM, maximum=len(words(caption)))),
        read=read,
    )


def read(answer: Any) -> list[Keypoint]:
    """Raises `Unusable`: "wrong_form", "wrong_type" or "no_keypoints"."""
    rows = answer.get("keypoints") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise Unusable("wrong_form", "no list of keypoints")
    found: dict[tuple[str, ...], Keypoint] = {}
    for row in rows:
        if (
            not isinstance(row, dict)
            or row.get("dimension") not in list(DIMENSIONS)
            or not isinstance(row.get("text"), str)
        ):
            raise Unusable("wrong_type", f"a keypoint is {row!r:.80}, not a dimension and a text")
        key = tuple(words(row["text"]))
        if key:
            found.setdefault(key, Keypoint(row["dimension"], row["text"].strip()))
    if not found:
        raise Unusable("no_keypoints", "the caption gave no fact")
    return list(found.values())
