"""Scene -> caption, caption -> facts, and how right a caption is: keypoint recall and precision.

The grammar: `the background is grey . a red circle moves left . a blue square stays at the top right .`, with
`a red circle appears and moves left .` or `a red circle moves left and disappears .` for events.

What counts, so that no way of talking scores better than being right once:
- A statement counts once, however often it is made. Articles and case do not matter.
- Two different values for one subject (two backgrounds, two shapes of one colour, two motions of one object) are a
  contradiction: none of them is right, and all of them count as made. A contradicted colour also voids what is said
  of the motion of either shape of it.
- A motion or an event is right only together with the right object: colour and shape.
- A sentence outside the grammar makes one wrong statement, and so does a caption cut off in a sentence.
- An empty caption has precision 0: silence is not rewarded.
Listing every colour still finds some objects, so recall alone may be fished for: candidates are ranked by F1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from vidalign.toyworld.scene import BACKGROUNDS, COLOURS, DIRECTIONS, EVENTS, QUADRANTS, SHAPES, Scene, Shape


@dataclass(frozen=True, order=True)
class Fact:
    """One statement. kind: "background", "object", "motion" or "event".

    subject: "" for the background, the colour for an object ("red"), colour and shape for the rest ("red circle").
    value: the background's colour, the shape, the motion (one of `MOTIONS`) or the event.
    """

    kind: str
    subject: str
    value: str

    def keypoint(self) -> str:
        """The statement as a short sentence, as the `keypoints` column has it."""
        if self.kind == "background":
            return f"the background is {self.value}"
        if self.kind == "object":
            return f"there is a {self.subject} {self.value}"
        if self.kind == "motion":
            return f"the {self.subject} {_motion_words(self.value)}"
        return f"the {self.subject} {self.value}"


@dataclass(frozen=True)
class Score:
    """right: true statements made. made: statements made. expected: statements that the scene has."""

    right: int
    made: int
    expected: int

    @property
    def recall(self) -> float:
        return self.right / self.expected

    @property
    def precision(self) -> float:
        return self.right / self.made if self.made else 0.0

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.made + self.expected)


@dataclass(frozen=True)
class Statement:
    """The words of a caption that make one statement (or an unreadable sentence), and whether it is right."""

    text: str
    right: bool


def scene_facts(scene: Scene) -> list[Fact]:
    """All facts of a scene, in the order in which its caption states them."""
    facts = [Fact("background", "", scene.background)]
    for shape in scene.shapes:
        name = f"{shape.colour} {shape.shape}"
        facts += [Fact("object", shape.colour, shape.shape), Fact("motion", name, shape.motion)]
        facts += [Fact("event", name, shape.event)] if shape.event else []
    return facts


def caption(scene: Scene) -> str:
    """The reference caption: every fact, once."""
    sentences = [f"the background is {scene.background} .", *map(_sentence, scene.shapes)]
    return " ".join(sentences)


def caption_facts(text: str) -> tuple[set[Fact], int]:
    """The distinct facts that a caption states, contradicted or not, and its number of distinct unreadable sentences."""
    facts: set[Fact] = set()
    unreadable = set()
    for sentence, complete in _sentences(text):
        stated = _read(sentence) if complete else []
        facts.update(fact for _, fact in stated)
        if not stated:
            unreadable.add(sentence)
    return facts, len(unreadable)


def score(text: str, scene: Scene) -> Score:
    """Keypoint recall and precision of a caption, by the rules at the top of this file."""
    facts, unreadable = caption_facts(text)
    truth = scene_facts(scene)
    return Score(right=len(_valid(facts) & set(truth)), made=len(facts) + unreadable, expected=len(truth))


def statements(text: str, scene: Scene) -> list[Statement]:
    """The caption in pieces, each with whether it is right by the rules of `score`: for showing captions to people."""
    facts, _ = caption_facts(text)
    right = _valid(facts) & set(scene_facts(scene))
    marked = []
    for sentence, complete in _sentences(text):
        stated = _read(sentence) if complete else []
        pieces = [(words, fact in right) for words, fact in stated] or [(sentence, False)]
        if complete:
            pieces[-1] = (pieces[-1][0] + " .", pieces[-1][1])
        marked += [Statement(*piece) for piece in pieces]
    return marked


def vocabulary() -> list[str]:
    """Every word of every caption and keypoint, and of the prompt."""
    words = ["describe", "the", "video", ".", "a", "there", "is", "background", "moves", "stays", "at", "and"]
    words += [*BACKGROUNDS, *COLOURS, *SHAPES, *DIRECTIONS, *EVENTS, "top", "bottom"]
    return list(dict.fromkeys(words))


_COLOUR, _SHAPE, _EVENT = "|".join(COLOURS), "|".join(SHAPES), "|".join(EVENTS)
_BACKGROUND = re.compile(rf"background is ({'|'.join(BACKGROUNDS)})")
_OBJECT = re.compile(
    rf"({_COLOUR}) ({_SHAPE})(?: (appears) and)? (?:moves ({'|'.join(DIRECTIONS)})|stays at (?:the )?({'|'.join(QUADRANTS)}))"
    r"(?: and (disappears))?"
)


def _motion_words(motion: str) -> str:
    return f"moves {motion}" if motion in DIRECTIONS else f"stays at the {motion}"


def _sentence(shape: Shape) -> str:
    before = " appears and" if shape.event == "appears" else ""
    after = " and disappears" if shape.event == "disappears" else ""
    return f"a {shape.colour} {shape.shape}{before} {_motion_words(shape.motion)}{after} ."


def _sentences(text: str) -> list[tuple[str, bool]]:
    """Sentences in lower case, and whether each was ended by a full stop."""
    *ended, rest = " ".join(text.lower().replace(".", " . ").split()).split(".")
    return [(s.strip(), True) for s in ended if s.strip()] + ([(rest.strip(), False)] if rest.strip() else [])


def _read(sentence: str) -> list[tuple[str, Fact]]:
    """The facts of one sentence, each with the words that state it. Empty where the sentence is outside the grammar."""
    bare = re.sub(r"^(a|an|the) ", "", sentence)
    if match := _BACKGROUND.fullmatch(bare):
        return [(sentence, Fact("background", "", match[1]))]
    if not (match := _OBJECT.fullmatch(bare)):
        return []
    colour, shape, appears, direction, quadrant, disappears = match.groups()
    name, motion = f"{colour} {shape}", direction or quadrant
    pieces = [
        (f"a {name}", Fact("object", colour, shape)),
        ("appears and", Fact("event", name, appears or "")),
        (_motion_words(motion), Fact("motion", name, motion)),
        ("and disappears", Fact("event", name, disappears or "")),
    ]
    return [(words, fact) for words, fact in pieces if fact.value]


def _valid(facts: Iterable[Fact]) -> set[Fact]:
    """The facts that no other contradicts."""
    values: dict[tuple[str, str], set[str]] = {}
    for fact in facts:
        values.setdefault((fact.kind, fact.subject), set()).add(fact.value)

    def alone(kind: str, subject: str) -> bool:
        return len(values.get((kind, subject), ())) == 1

    return {
        fact
        for fact in facts
        if alone(fact.kind, fact.subject)
        and (fact.kind not in ("motion", "event") or alone("object", fact.subject.split()[0]))
    }
