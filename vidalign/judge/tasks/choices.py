"""A caption chain -> a multiple-choice question whose options are of decreasing quality (caption chains §4.2.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vidalign.judge.tasks import texts
from vidalign.judge.tasks.chain import ABOUT, material
from vidalign.judge.tasks.forms import STRING, object_of
from vidalign.llm.question import Question, Unusable
from vidalign.text.words import words

_INSTRUCTIONS = f"""\
You turn descriptions of one video into a multiple-choice question. {ABOUT}

- `question`: one question about the video that asks for just what varies between the captions. It names nothing that \
varies, lists no options, and speaks of the video, never of captions.
- `options`: for each caption, by its index, the answer that this caption gives: in as few words as say everything that \
varies between the captions, so that the third option holds both mistakes of the third caption. All options have one \
structure, and the captions' own words wherever that is possible. No two options are the same, none stands whole inside \
another one, and none begins with a letter or a number of its own such as "(a)" or "1.": these are added later, in another \
order.

`fault`, if there, says why an earlier answer could not be used."""

FAULTS = {
    "wrong_count": "There must be exactly one option for each caption, with the caption's index.",
    "empty": "The question and every option must say something.",
    "repeated": "Two options were the same: each must say what its caption alone has.",
    "contained": "One option stood whole inside another one: word them so that none does.",
    "lettered": "Options have no letter or number before them, and the question does not list them.",
    "gives_away": "The question held an option: it must name nothing that varies.",
    "too_long": "An option was longer than its caption: only what varies belongs into it.",
    "mixed_up": "An option has words of another caption than that of its index.",
}
"""What to say of an answer that another attempt may mend, by reason."""

_LETTER = re.compile(r"\s*(?:\((?:[A-Za-z]|\d{1,2})\)|(?:[A-Za-z]|\d{1,2})[.):])(?=\s|$)")
_LISTED = re.compile(r"\([Aa1]\)|(?:^|\s)[Aa1]\)\s")


class Choices(NamedTuple):
    """question: without the options. options: one a caption, best first."""

    question: str
    options: list[str]


def question(
    captions: Sequence[str], errors: Sequence[Mapping[str, Any]] | None = None, *, fault: str | None = None
) -> Question[Choices]:
    """A multiple-choice question on what varies between captions, best first; `fault` of an earlier answer."""
    return Question(
        task="choices",
        instructions=_INSTRUCTIONS,
        data=material(captions, errors, fault),
        schema=object_of(question=STRING, options=texts.schema(len(captions))),
        read=lambda answer: read(answer, captions),
    )


def read(answer: Any, captions: Sequence[str]) -> Choices:
    """Raises `Unusable`: "wrong_form", "wrong_type", or a key of `FAULTS`."""
    options = texts.read(answer, "options", len(captions))
    asked = answer.get("question")
    if not isinstance(asked, str):
        raise Unusable("wrong_type", f"the question is {asked!r:.80}")
    asked = " ".join(asked.split())
    if not words(asked):
        raise Unusable("empty", "the question has no words")
    if any(_LETTER.match(option) for option in options) or _LISTED.search(asked):
        raise Unusable("lettered", "an option begins with a letter of its own, or the question lists them")
    said = [words(option) for option in options]
    if any(_holds(whole, part) for whole in said for part in said if whole is not part):
        raise Unusable("contained", "one option stands in another")
    if any(_holds(words(asked), option) for option in said):
        raise Unusable("gives_away", "an option stands in the question")
    if any(len(option) > len(words(caption)) for option, caption in zip(said, captions, strict=True)):
        raise Unusable("too_long", "an option has more words than its caption")
    texts.check_match(options, captions)
    return Choices(asked, options)


def _holds(whole: list[str], part: list[str]) -> bool:
    return any(whole[at : at + len(part)] == part for at in range(len(whole) - len(part) + 1))
