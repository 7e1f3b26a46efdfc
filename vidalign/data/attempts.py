"""A question that is put again with what was wrong with the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from vidalign.llm.question import Judge, Question
from vidalign.stages.errors import Unfinished

T = TypeVar("T")
TRIES = 3


async def answered(
    judge: Judge, question: Callable[[str | None], Question[T]], faults: Mapping[str, str], tries: int
) -> T:
    """The value of the first usable answer.

    At temperature 0 a model gives the same answer to the same question: so the next one says what was wrong.

    Args:
        judge: who is asked.
        question: what was wrong with an earlier answer, None at first -> the question.
        faults: what to say, by the reason of an answer that could not be used; others end the attempts.
        tries: ≥ 1.

    Raises:
        Unfinished: no attempt had a usable answer.
    """
    fault = None
    for _ in range(tries):
        asked = question(fault)
        answer = await judge.ask(asked)
        if answer.value is not None:
            return answer.value
        fault = faults.get(answer.reason or "")
        if fault is None:
            break
    raise Unfinished(f"{asked.task}: {answer.reason}")
