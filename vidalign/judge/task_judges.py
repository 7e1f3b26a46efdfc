"""One judge a task: AVoCaDO has keypoints extracted, captions checked and speakers compared by three models (§3.2.2, §3.2.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from vidalign.llm.ledger import Ledger
from vidalign.llm.question import Answer, Judge, Question, T


class TaskJudges(Judge):
    """Passes each question to the judge of its task.

    Tasks that are given one and the same object share its limits and its budget.

    Args:
        judges: by task, e.g. {"checklist": LLMJudge("openai/gpt-4.1"), "dialogue": gemini, "speakers": gemini}.
        default: of all other tasks.
    """

    def __init__(self, judges: Mapping[str, Judge], default: Judge) -> None:
        self.judges, self.default = dict(judges), default

    @property
    def ledger(self) -> Ledger:  # type: ignore[override]
        """What all of them did, in all and by task."""
        return Ledger.sum(judge.ledger for judge in self.parts())

    @property
    def name(self) -> str:
        return ", ".join(
            [*(f"{task}: {judge.name}" for task, judge in self.judges.items()), self.default.name]
        )

    def of(self, task: str) -> Judge:
        return self.judges.get(task, self.default).of(task)

    def parts(self) -> list[Judge]:
        every = [part for judge in (*self.judges.values(), self.default) for part in judge.parts()]
        return list({id(judge): judge for judge in every}.values())

    async def senses(self, task: str) -> frozenset[str]:
        return await self.of(task).senses(task)

    async def ask(self, question: Question[T]) -> Answer[T]:
        return await self.of(question.task).ask(question)

    async def ask_all(self, questions: Sequence[Question[T]]) -> list[Answer[T]]:
        places: dict[int, list[int]] = {}
        for place, question in enumerate(questions):
            places.setdefault(id(self.of(question.task)), []).append(place)
        batches = [[questions[place] for place in own] for own in places.values()]
        results = await asyncio.gather(
            *(self.of(batch[0].task).ask_all(batch) for batch in batches), return_exceptions=True
        )
        answers: dict[int, Answer[T]] = {}
        for own, result in zip(places.values(), results, strict=True):
            if isinstance(result, BaseException):
                raise result
            answers.update(zip(own, result, strict=True))
        return [answers[place] for place in range(len(questions))]

    def __eq__(self, other: Any) -> bool:
        if not isinstance(other, TaskJudges):
            return NotImplemented
        return (self.judges, self.default) == (other.judges, other.default)

    def __repr__(self) -> str:
        return f"TaskJudges({self.judges!r}, default={self.default!r})"
