"""A caption chain -> one yes-or-no question a caption, increasingly mistaken (caption chains §4.2.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vidalign.judge.tasks import texts
from vidalign.judge.tasks.chain import ABOUT, material
from vidalign.judge.tasks.forms import object_of
from vidalign.llm.question import Question, Unusable
from vidalign.text.words import words

_INSTRUCTIONS = f"""\
You turn descriptions of one video into yes-or-no questions. {ABOUT}

`questions`: for each caption, by its index, one question about the video that is answered by yes if that caption is right. \
It asks for everything that varies between the captions, as that caption has it, and for nothing else, so that the third \
question holds both mistakes of the third caption ("Is there a blue cup to the left of the plate?"). All questions have one \
structure, and the captions' own words wherever that is possible. Each ends with a question mark, asks in the positive \
("Is there ...?", never "Is there no ...?"), and speaks of the video, never of captions. No two are the same.

`fault`, if there, says why an earlier answer could not be used."""

FAULTS = {
    "wrong_count": "There must be exactly one question for each caption, with the caption's index.",
    "empty": "Every question must say something.",
    "repeated": "Two questions were the same: each must ask for what its caption alone has.",
    "no_question": "Each must be a question that yes or no answers, and end with a question mark.",
    "mixed_up": "A question has words of another caption than that of its index.",
}
"""What to say of an answer that another attempt may mend, by reason."""

_OPEN = frozenset(["what", "which", "who", "whom", "whose", "where", "when", "why", "how"])
_MARKS = ("?", "？", "؟")


def question(
    captions: Sequence[str], errors: Sequence[Mapping[str, Any]] | None = None, *, fault: str | None = None
) -> Question[list[str]]:
    """A question for each of the captions, in their order; `fault` of an earlier answer."""
    return Question(
        task="yes_no",
        instructions=_INSTRUCTIONS,
        data=material(captions, errors, fault),
        schema=object_of(questions=texts.schema(len(captions))),
        read=lambda answer: read(answer, captions),
    )


def read(answer: Any, captions: Sequence[str]) -> list[str]:
    """Raises `Unusable`: "wrong_form", "wrong_type", or a key of `FAULTS`."""
    asked = texts.read(answer, "questions", len(captions))
    for text in asked:
        if not text.endswith(_MARKS) or words(text)[0] in _OPEN:
            raise Unusable("no_question", f"{text!r:.80} is none that yes or no answers")
    texts.check_match(asked, captions)
    return asked
