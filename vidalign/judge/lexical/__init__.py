"""The judge without a model: fixed rules on English words, offline and deterministic, for tests and the toy world.

It sees no video and knows no synonyms, and not whom "he" means. What is a verb it guesses from the endings, and "the man who
sees the woman leaves" is a woman who leaves to it. In doubt it says no, and so misses much of what a model finds. Its rules are
in `statements`, `facts`, `dialogue` and `persons`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vidalign.judge.lexical.dialogue import turns
from vidalign.judge.lexical.facts import facts
from vidalign.judge.lexical.persons import same
from vidalign.judge.lexical.statements import stated
from vidalign.llm.ledger import JudgeError
from vidalign.llm.question import Answer, Judge, Question, T, Unusable

_TASKS = ("checklist", "dialogue", "speakers", "keypoints")


@dataclass
class LexicalJudge(Judge):
    """Answers the tasks "checklist", "dialogue", "speakers" and "keypoints" by rules; costs nothing."""

    async def ask(self, question: Question[T]) -> Answer[T]:
        """Raises `JudgeError` for any other task."""
        if question.task not in _TASKS:
            raise JudgeError(
                f"the offline judge cannot do the task {question.task!r}, only {', '.join(_TASKS)}: "
                "set a model as the judge (VIDALIGN_JUDGE)"
            )
        self.ledger.asked += 1
        try:
            value = question.read(_answer(question.task, question.data))
        except Unusable as error:
            self.ledger.unscored[error.reason] += 1
            return Answer(reason=error.reason)
        self.ledger.answered += 1
        return Answer(value)


def _answer(task: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """In the form that the task asks of a model."""
    if task == "dialogue":
        return {"turns": [turn._asdict() for turn in turns(data["caption"])]}
    if task == "keypoints":
        return {"keypoints": [fact._asdict() for fact in facts(data["caption"])]}
    if task == "speakers":
        items, key = data["pairs"], "same"
        found = same([(pair["generated"]["speaker"], pair["reference"]["speaker"]) for pair in items])
    else:
        items, key = data["keypoints"], "mentioned"
        found = stated(data["caption"], [keypoint["text"] for keypoint in items])
    return {"verdicts": [{"index": item["index"], key: yes} for item, yes in zip(items, found, strict=True)]}
