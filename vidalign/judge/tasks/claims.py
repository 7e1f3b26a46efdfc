"""A response -> the claims that it makes about the video: the first step of RLAIF-V, a baseline of caption chains (§4.1.1)."""

from __future__ import annotations

from typing import Any

from vidalign.judge.tasks.forms import STRING, list_of, object_of
from vidalign.llm.question import Question, Unusable
from vidalign.text.words import words

_INSTRUCTIONS = """\
You take a response about a video apart into what it claims. The material has a `response`.

List every claim that it makes about the video once, true or not, as short sentences that can be understood and checked \
alone: name the person or thing instead of a pronoun, keep numbers, colours, directions, quoted words and order of time, \
and put one claim in one sentence. Add nothing and correct nothing. Leave out what is no claim about the video: opinions, \
greetings, and what the response says of itself, of its quality or to its reader. No claims: an empty list."""


def question(response: str) -> Question[list[str]]:
    """The claims of a response, none of them twice; [] where it makes none."""
    return Question(
        task="claims",
        instructions=_INSTRUCTIONS,
        data={"response": response},
        schema=object_of(claims=list_of(STRING, maximum=len(words(response)))),
        read=read,
    )


def read(answer: Any) -> list[str]:
    """Raises `Unusable`: "wrong_form" or "wrong_type"."""
    rows = answer.get("claims") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise Unusable("wrong_form", "no list of claims")
    found: dict[tuple[str, ...], str] = {}
    for row in rows:
        if not isinstance(row, str):
            raise Unusable("wrong_type", f"a claim is {row!r:.80}")
        if key := tuple(words(row)):
            found.setdefault(key, row.strip())
    return list(found.values())
