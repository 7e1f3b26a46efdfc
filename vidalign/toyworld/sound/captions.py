"""Scene with sound -> caption, keypoints and dialogue, and back from a caption.

The grammar, events and lines in the order of time:
`the background is grey . a red circle appears on a chime and moves left . a low voice says " kalo mipe " . a blue square
moves up and disappears on a buzz .`, in silent clips without `on a chime`.

What a caption is worth is not decided here: `vidalign.rewards` reads it with the offline judge, as it reads any caption.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from vidalign.rewards import align_dialogue
from vidalign.toyworld.scene import BACKGROUNDS, DIRECTIONS, EVENTS, SHAPES
from vidalign.toyworld.sound.scene import HUES, TONES, VOICES, WORDS, Entrance, Line, SoundScene

Turn = dict[str, str]
"""{"speaker", "content"}, as the `dialogue` column has it."""


@dataclass
class Facts:
    """What a caption states. keypoints: in its order. dialogue: its turns. unreadable: sentences outside the grammar."""

    keypoints: list[str] = field(default_factory=list)
    dialogue: list[Turn] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Piece:
    """Words of a caption that state one thing, and the keypoint or the turn that they state; neither if unreadable."""

    text: str
    keypoint: str | None = None
    turn: Turn | None = None


def caption(scene: SoundScene) -> str:
    """The reference caption: everything, once."""
    return " ".join([f"the background is {scene.background} .", *map(_sentence, scene.story)])


def keypoints(scene: SoundScene) -> list[str]:
    """What there is to see and to hear, as short sentences; what is said is among them."""
    return read_caption(caption(scene)).keypoints


def dialogue(scene: SoundScene) -> list[Turn]:
    """Who says what, in the order of time; [] where nobody speaks."""
    return [{"speaker": f"a {line.voice} voice", "content": line.content} for line in scene.lines]


def read_caption(text: str) -> Facts:
    """The inverse of `caption`, as far as words go; of a caption outside the grammar, what is inside."""
    facts = Facts()
    for piece in pieces(text):
        if piece.keypoint is not None:
            facts.keypoints.append(piece.keypoint)
        if piece.turn is not None:
            facts.dialogue.append(piece.turn)
        if piece.keypoint is None and piece.turn is None:
            facts.unreadable.append(piece.text)
    return facts


def pieces(text: str) -> list[Piece]:
    """The caption cut into the words that state one thing each."""
    *ended, rest = " ".join(text.lower().replace(".", " . ").split()).split(".")
    found = [piece for sentence in ended if sentence.strip() for piece in _read(sentence.strip())]
    return found + ([Piece(rest.strip())] if rest.strip() else [])


def marked(text: str, scene: SoundScene) -> list[tuple[str, bool]]:
    """The caption's pieces, each with whether it is right: for showing captions to people.

    A keypoint is right if the scene has it. A line is right if the scene has it, of the same voice, at its place in the order.
    """
    known, spoken = set(keypoints(scene)), dialogue(scene)
    parts = pieces(text)
    turns = [piece.turn for piece in parts if piece.turn is not None]
    places = {match.i: match.j for match in align_dialogue(turns, spoken, threshold=1.0)}
    said, shown = 0, []
    for piece in parts:
        if piece.turn is not None:
            right = said in places and spoken[places[said]] == piece.turn
            said += 1
        else:
            right = piece.keypoint in known
        shown.append((piece.text, right))
    return shown


def vocabulary() -> list[str]:
    """Every word of every caption, and of the prompt."""
    words = [
        "describe",
        "the",
        "video",
        ".",
        '"',
        "a",
        "is",
        "background",
        "moves",
        "and",
        "on",
        "voice",
        "says",
    ]
    words += [*BACKGROUNDS, *HUES, *SHAPES, *DIRECTIONS, *EVENTS, *TONES, *VOICES, *WORDS]
    return list(dict.fromkeys(words))


_BACKGROUND = re.compile(rf"the background is ({'|'.join(BACKGROUNDS)})")
_OBJECT = rf"a (?P<object>(?:{'|'.join(HUES)}) (?:{'|'.join(SHAPES)}))"
_TONE = rf"(?: on a (?P<tone>{'|'.join(TONES)}))?"
_MOTION = rf"moves (?P<motion>{'|'.join(DIRECTIONS)})"
_EVENTS = [
    re.compile(rf"{_OBJECT} (?P<event>appears){_TONE} and {_MOTION}"),
    re.compile(rf"{_OBJECT} {_MOTION} and (?P<event>disappears){_TONE}"),
]
_LINE = re.compile(
    rf"(?P<speaker>a (?:{'|'.join(VOICES)}) voice) says \" (?P<content>(?:{'|'.join(WORDS)})(?: \w+)*) \""
)


def _sentence(happening: Entrance | Line) -> str:
    if isinstance(happening, Line):
        return f'a {happening.voice} voice says " {happening.content} " .'
    event = f"{happening.event} on a {happening.tone}" if happening.tone else f"{happening.event}"
    motion = f"moves {happening.motion}"
    both = (event, motion) if happening.event == "appears" else (motion, event)
    return f"a {happening.colour} {happening.shape} {both[0]} and {both[1]} ."


def _read(sentence: str) -> list[Piece]:
    if match := _BACKGROUND.fullmatch(sentence):
        return [Piece(f"{sentence} .", sentence)]
    if match := _LINE.fullmatch(sentence):
        return [Piece(f"{sentence} .", sentence, match.groupdict())]
    for form in _EVENTS:
        if match := form.fullmatch(sentence):
            name = match["object"]
            event = match["event"] + (f" on a {match['tone']}" if match["tone"] else "")
            stated = [f"the {name} {event}", f"the {name} moves {match['motion']}"]
            words = [f"{event} and", f"moves {match['motion']} ."]
            if match["event"] == "disappears":
                stated.reverse()
                words = [f"moves {match['motion']} and", f"{event} ."]
            said = [f"a {name}", *words]
            return [Piece(*both) for both in zip(said, [f"there is a {name}", *stated], strict=True)]
    return [Piece(f"{sentence} .")]
