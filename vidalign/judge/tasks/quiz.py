"""A caption -> questions on the video with their answers (LLaVA-Hound §3.2)."""

from __future__ import annotations

from typing import Any, NamedTuple

from vidalign.judge.tasks.forms import STRING, list_of, object_of
from vidalign.llm.question import Question, Unusable
from vidalign.text.words import words

_INSTRUCTIONS = """\
You write questions about a video for somebody who will see it, from a description that is right. The material has the `caption`, \
and `count`, how many questions are wanted.

Each question is about what is to be seen or heard in the video, is open (not to be answered by yes or no), can be understood \
without the description and the other questions, and has one right answer that the description states. Ask about different things: \
what happens and in which order, who or what is there and what it looks like, where, how, why. `answer` is one to three full \
sentences, all of them in the description. Neither question nor answer mentions the description."""


class QA(NamedTuple):
    """One question and its answer by the caption."""

    question: str
    answer: str


def question(caption: str, count: int) -> Question[list[QA]]:
    """`count` questions, none of them twice."""
    return Question(
        task="quiz",
        instructions=_INSTRUCTIONS,
        data={"caption": caption, "count": count},
        schema=object_of(
            questions=list_of(object_of(question=STRING, answer=STRING), minimum=count, maximum=count)
        ),
        read=lambda answer: read(answer, count),
    )


def read(answer: Any, count: int) -> list[QA]:
    """Raises `Unusable`: "wrong_form", "wrong_type", "empty", or "wrong_count" (not so many different ones)."""
    rows = answer.get("questions") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise Unusable("wrong_form", "no list of questions")
    found: dict[tuple[str, ...], QA] = {}
    for row in rows:
        if not isinstance(row, dict) or not all(isinstance(row.get(k), str) for k in ("question", "answer")):
            raise Unusable("wrong_type", f"one is {row!r:.80}, not a question and an answer")
        if not words(row["question"]) or not words(row["answer"]):
            raise Unusable("empty", "a question or an answer has no words")
        found.setdefault(tuple(words(row["question"])), QA(row["question"].strip(), row["answer"].strip()))
    if len(found) < count:
        raise Unusable("wrong_count", f"{len(found)} different questions, not {count}")
    return list(found.values())[:count]
