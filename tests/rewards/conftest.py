import asyncio
from dataclasses import dataclass, field

import pytest

from vidalign.judge import Answer, Judge, Unusable


@dataclass
class StandInJudge(Judge):
    """MOCK of a judge: answers by task with JSON given beforehand, or calls what is given with the question's data; an
    `Unusable` is raised. What it was asked stands in `questions`."""

    answers: dict = field(default_factory=dict)
    media: frozenset = frozenset()
    questions: list = field(default_factory=list)

    async def senses(self, task):
        return self.media

    async def ask(self, question):
        self.questions.append(question)
        self.ledger.book(question.task, asked=1)
        await asyncio.sleep(0)
        given = self.answers[question.task]
        try:
            if callable(given):
                given = given(question.data)
            if isinstance(given, Unusable):
                raise given
            return Answer(question.read(given))
        except Unusable as error:
            self.ledger.book(question.task, unscored=error.reason)
            return Answer(reason=error.reason)


@pytest.fixture
def stand_in():
    return StandInJudge


def grant(key):
    """Every verdict is yes."""

    def answer(data):
        items = data.get("keypoints") or data.get("pairs")
        return {"verdicts": [{"index": item["index"], key: True} for item in items]}

    return answer


@pytest.fixture
def granting():
    return StandInJudge({"checklist": grant("mentioned"), "speakers": grant("same")})


@pytest.fixture
def run():
    """Calls a reward as TRL does, with its log functions; the metrics stand in `run.metrics`, columns in `run.extra`."""

    class Run:
        def __init__(self):
            self.metrics, self.extra = {}, {}

        def __call__(self, reward, completions, **columns):
            self.metrics, self.extra = {}, {}
            return asyncio.run(
                reward(
                    prompts=["p"] * len(completions),
                    completions=completions,
                    log_metric=lambda name, value: self.metrics.__setitem__(name, value),
                    log_extra=lambda name, values: self.extra.__setitem__(name, values),
                    trainer_state=object(),
                    **columns,
                )
            )

    return Run()


@pytest.fixture
def offline():
    from vidalign.judge import LexicalJudge

    return LexicalJudge()
