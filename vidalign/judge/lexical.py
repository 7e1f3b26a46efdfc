"""The judge without a model: fixed rules on words, offline and deterministic.

It knows no synonyms and sees no video: what is not said in nearly the same words does not count, so it misses much of
what a model finds. Its rules are in `statements`, `spoken`, `persons` and `facts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vidalign.judge.facts import facts
from vidalign.judge.ledger import JudgeError
from vidalign.judge.persons import same
from vidalign.judge.question import Answer, Judge, Question, T, Unusable
from vidalign.judge.spoken import turns
from vidalign.judge.statements import stated


@dataclass
class LexicalJudge(Judge):
    """Answers the tasks "checklist", "dialogue", "speakers" and "keypoints" by rules; costs nothing."""

    async def ask(self, question: Question[T]) -> Answer[T]:
        """Raises `JudgeError` for any other task."""
        if question.task not in _ANSWERS:
            raise JudgeError(
                f"the offline judge cannot do the task {question.task!r}, only {', '.join(_ANSWERS)}: "
                "set a model as the judge (VIDALIGN_JUDGE)"
            )
        self.ledger.asked += 1
        try:
            value = question.read(_ANSWERS[question.task](question.data))
        except Unusable as error:
            self.ledger.unscored[error.reason] += 1
            return Answer(reason=error.reason)
        self.ledger.answered += 1
        return Answer(value)


def _checklist(data: Mapping[str, Any]) -> dict[str, Any]:
    found = stated(data["caption"], [keypoint["text"] for keypoint in data["keypoints"]])
    return _verdicts("mentioned", data["keypoints"], found)


def _dialogue(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"turns": [turn._asdict() for turn in turns(data["caption"])]}


def _speakers(data: Mapping[str, Any]) -> dict[str, Any]:
    pairs = data["pairs"]
    found = same([(pair["generated"]["speaker"], pair["reference"]["speaker"]) for pair in pairs])
    return _verdicts("same", pairs, found)


def _keypoints(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"keypoints": [fact._asdict() for fact in facts(data["caption"])]}


def _verdicts(key: str, items: list[dict[str, Any]], found: list[bool]) -> dict[str, Any]:
    return {"verdicts": [{"index": item["index"], key: yes} for item, yes in zip(items, found, strict=True)]}


_ANSWERS: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "checklist": _checklist,
    "dialogue": _dialogue,
    "speakers": _speakers,
    "keypoints": _keypoints,
}
