"""The types of error that chains are made of: what a video shows, and by which words a caption tells of it (§3.2).

The types are ours: the paper lists its own in Fig. 3, which our copy of it lacks. Section 3.2 says only that they are grounded in
what is seen, that rules on words and their parts of speech tell which fit a caption, and that one of these is drawn uniformly;
§3.1 names objects and attributes as what a model left free would mostly change.

Which types fit a caption is decided by rules on its words, in English: closed lists, compared as whole words or their stems,
so that "covered" holds no red, and a few words around those with two uses. They err on the side of yes: a model that finds
no place for the error says so, and another type is taken. For other languages there is `unconditioned`.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from vidalign.data.chains import lists
from vidalign.stages.errors import PipelineError
from vidalign.text.english import FUNCTION_WORDS, NEGATIONS, PRONOUNS
from vidalign.text.stems import stem

FREE = "free"
"""What is recorded as the type of an error that the model chose itself."""

Rule = Callable[[Sequence[str]], bool]


@dataclass(frozen=True)
class ErrorType:
    """meaning: for the model. applies: whether a caption's words, "" for those that may not be touched, tell of it.

    moves: whether the error may exchange clauses.
    """

    name: str
    meaning: str
    applies: Rule
    moves: bool = False


def _any_word(of: Set[str]) -> Rule:
    return lambda words: not of.isdisjoint(words)


def _any_stem(of: Set[str]) -> Rule:
    return lambda words: not of.isdisjoint(map(stem, words))


def _object(words: Sequence[str]) -> bool:
    """A word of content within three after a determiner or a number, which is no person."""
    for at, word in enumerate(words):
        if word in lists.DETERMINERS or word in lists.NUMBERS:
            for near in words[at + 1 : at + 4]:
                if near in FUNCTION_WORDS or not near:
                    break
                if _is_noun(near):
                    return True
    return False


def _is_noun(word: str) -> bool:
    root = stem(word)
    return not (
        word in lists.COLOURS
        or root in lists.SIZES
        or root in lists.ATTRIBUTES
        or word in lists.PERSONS
        or word in lists.NUMBERS
        or word in PRONOUNS
        or word in NEGATIONS
        or word.endswith("ly")
    )


def _count(words: Sequence[str]) -> bool:
    """A number; "one" only before a noun-like word, not in "no one" or "one of them"."""
    for at, word in enumerate(words):
        if word in lists.NUMBERS or (word.isdecimal() and len(word) < 4):
            return True
        after = words[at + 1] if at + 1 < len(words) else ""
        if (
            word == "one"
            and after
            and after not in FUNCTION_WORDS
            and (not at or words[at - 1] not in ("no", "another"))
        ):
            return True
    return False


def _action(words: Sequence[str]) -> bool:
    """A verb in -ing, or a verb of the list that no determiner makes a noun ("a walk")."""
    for at, word in enumerate(words):
        if not word or word in lists.NO_ACTIONS:
            continue
        if word.endswith("ing") and len(word) > 4:
            return True
        if stem(word) in lists.ACTIONS and (not at or words[at - 1] not in lists.DETERMINERS):
            return True
    return False


def _direction(words: Sequence[str]) -> bool:
    """A word of direction, or one of a side up to three words after a verb of motion ("turns to the left").

    "Leaves the room" and "has left the room" have none: there the side is no side.
    """
    for at, word in enumerate(words):
        if word in lists.DIRECTIONS:
            return True
        if word in lists.SIDES and any(
            stem(near) in lists.MOTIONS for near in words[max(0, at - 3) : at] if near
        ):
            return True
        if words[at : at + 3] in (["left", "to", "right"], ["right", "to", "left"]):
            return True
    return False


def _spatial(words: Sequence[str]) -> bool:
    """A word of place; a side only as one ("on the left", "left of", "left side")."""
    for at, word in enumerate(words):
        before = words[at - 1] if at else ""
        after = words[at + 1] if at + 1 < len(words) else ""
        if word in lists.PLACES:
            return True
        if word in ("left", "right") and (
            before in lists.DETERMINERS
            or before in ("top", "bottom", "upper", "lower", "far")
            or after in ("of", "side", "hand")
        ):
            return True
        if word == "next" and after == "to":
            return True
        if (
            word == "background"
            and before in ("the", "in")
            and at > 1
            and words[at - 2] in ("in", "into", "and")
        ):
            return True
    return False


def _order(words: Sequence[str]) -> bool:
    """A word of order; "first" and "second" not of a person or a floor ("first-person")."""
    for at, word in enumerate(words):
        after = words[at + 1] if at + 1 < len(words) else ""
        if word in ("first", "second") and after in ("person", "floor", "place", "hand"):
            continue
        if word == "next" and after == "to":
            continue
        if word in lists.ORDER:
            return True
    return False


def _camera(words: Sequence[str]) -> bool:
    """A word of the camera; "shot" and "view" only as nouns, and "pans" only soon after one of them: there are pans to cook in."""
    last = -9
    for at, word in enumerate(words):
        before = words[at - 1] if at else ""
        after = words[at + 1] if at + 1 < len(words) else ""
        if word in lists.CAMERA or (word, after) in lists.CAMERA_PAIRS:
            return True
        if word in ("shot", "view", "scene", "frame", "video"):
            last = at
            if word in ("shot", "view") and (before in lists.DETERMINERS or before in lists.SHOTS):
                return True
        if word in lists.CAMERA_MOVES and at - last <= 3:
            return True
    return False


def _material(words: Sequence[str]) -> bool:
    """A material before what is made of it, or after "of": "a paper bag", and not "signs a paper"."""
    for at, word in enumerate(words):
        if word and stem(word) in lists.MATERIALS:
            after = words[at + 1] if at + 1 < len(words) else ""
            if (after and after not in FUNCTION_WORDS) or (at and words[at - 1] == "of"):
                return True
    return False


def _text(words: Sequence[str]) -> bool:
    """A word for written things; verbs of it ("reads") only after one: "she reads" has no text on the screen."""
    seen = False
    for at, word in enumerate(words):
        noun = word in lists.TEXT and (not at or words[at - 1] not in PRONOUNS)
        # A man "signs" and a shirt has no title: of what is also a verb the plural is not counted.
        seen = (
            seen
            or bool(noun and word != "signs")
            or (word in ("word", "words", "letters") and "written" in words)
        )
    return seen


def _role(words: Sequence[str]) -> bool:
    """Two different persons, and something that one does."""
    persons = {stem(word) for word in words if word in lists.PERSONS}
    return len(persons) > 1 and _action(words)


TYPES: dict[str, ErrorType] = {
    kind.name: kind
    for kind in (
        ErrorType("object", "a thing or an animal is named as another one, such as a cup as a bowl", _object),
        ErrorType(
            "person",
            "a person is named as one of another sex, age, occupation or role; choose one that no pronoun elsewhere gives away",
            _any_word(lists.PERSONS),
        ),
        ErrorType("clothing", "a piece of clothing or something worn is named as another one", _any_word(lists.CLOTHES)),
        ErrorType("colour", "a thing has another colour", _any_word(lists.COLOURS)),
        ErrorType("size", "a thing has another size, length, height or width", _any_stem(lists.SIZES)),
        ErrorType("material", "a thing is made of another material", _material),
        ErrorType(
            "attribute",
            "a thing or a person has another property that is seen: pattern, shape, state, age, texture; not colour or size",
            _any_stem(lists.ATTRIBUTES),
        ),
        ErrorType("count", "there are another number of things or persons, or something happens another number of times", _count),
        ErrorType("action", "somebody or something does something else", _action),
        ErrorType("manner", "something is done at another speed or in another manner", _any_word(lists.SPEEDS)),
        ErrorType("expression", "a face shows something else, or somebody is in another mood", _any_stem(lists.FACES)),
        ErrorType("role", "who does something and whom it is done to are exchanged", _role, moves=True),
        ErrorType("direction", "something moves, turns or points in another direction", _direction),
        ErrorType("spatial", "a thing or a person is in another place relative to something else, or in the picture", _spatial),
        ErrorType(
            "order",
            "two events come in another order: by the word that orders them, or by exchanging the two",
            _order,
            moves=True,
        ),
        ErrorType("camera", "the camera moves otherwise, or shows it from another angle, distance or point of view", _camera),
        ErrorType("text", "text that is read on screen or on a thing is another one", _text),
        ErrorType("scene", "it takes place somewhere else, or the background is another one", _any_word(lists.SCENES | {"background"})),
        ErrorType("time", "it is another time of day, season or weather", _any_word(lists.TIMES)),
    )
}  # fmt: skip
"""By name, in the order in which they are drawn from."""


def types_named(names: Sequence[str] | None) -> tuple[ErrorType, ...]:
    """The types of these names, in the order of `TYPES`; all for None.

    Raises:
        PipelineError: an unknown name, or none.
    """
    if names is None:
        return tuple(TYPES.values())
    if unknown := [name for name in names if name not in TYPES]:
        close = difflib.get_close_matches(unknown[0], list(TYPES), n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise PipelineError(f"{unknown[0]!r} is no type of error{hint} Known are {', '.join(TYPES)}")
    if not names:
        raise PipelineError(f"no type of error; known are {', '.join(TYPES)}")
    return tuple(kind for name, kind in TYPES.items() if name in names)
