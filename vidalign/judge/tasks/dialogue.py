"""The dialogue that a caption quotes, as turns of speaker and content (AVoCaDO §3.2.3)."""

from __future__ import annotations

from typing import Any, NamedTuple

from vidalign.judge.tasks.forms import STRING, list_of, object_of
from vidalign.llm.question import Question, Unusable
from vidalign.text.words import words

_INSTRUCTIONS = """\
You copy out the speech that a description of a video quotes. The material has a `caption`.

List each utterance that the caption gives word for word, spoken or sung, by somebody seen or unseen, in the order in which \
they are spoken:
- `speaker`: the caption's own words for who speaks, as short as they identify the person; "unknown" if it does not say.
- `content`: the words spoken, exactly as the caption has them, without quotation marks. An utterance that the caption \
interrupts ("Yes," he says, "of course") is one turn.

Leave out speech that is only reported or summed up, text that is seen and not heard (signs, titles, subtitles as such), \
sounds, and whatever the caption does not present as speech in the video. Invent nothing and correct nothing. No speech: an \
empty list."""

_TURN = object_of(speaker=STRING, content=STRING)


class Turn(NamedTuple):
    """One unit of dialogue."""

    speaker: str
    content: str


def question(caption: str) -> Question[list[Turn]]:
    """The dialogue in a caption -> its turns, in order; [] where it has none."""
    return Question(
        task="dialogue",
        instructions=_INSTRUCTIONS,
        data={"caption": caption},
        # Each turn has a word of the caption to itself.
        schema=object_of(turns=list_of(_TURN, maximum=len(words(caption)))),
        read=lambda answer: read(answer, caption),
    )


def read(answer: Any, caption: str) -> list[Turn]:
    """The answer's turns, without those whose words the caption does not have in that order: a judge that makes up
    dialogue neither helps nor harms the caption.

    Raises:
        Unusable: "wrong_form" or "wrong_type".
    """
    rows = answer.get("turns") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise Unusable("wrong_form", "no list of turns")
    said = words(caption)
    turns = []
    for row in rows:
        if not isinstance(row, dict) or not all(isinstance(row.get(k), str) for k in ("speaker", "content")):
            raise Unusable("wrong_type", f"a turn is {row!r:.80}, not a speaker and a content")
        if _holds(said, words(row["content"])):
            turns.append(Turn(row["speaker"].strip(), row["content"].strip()))
    return turns


def _holds(text: list[str], part: list[str]) -> bool:
    rest = iter(text)
    return bool(part) and all(word in rest for word in part)
