import asyncio

import pytest

from vidalign.data.attempts import answered
from vidalign.judge.tasks import recaption
from vidalign.llm.question import Answer, Judge
from vidalign.stages.errors import Unfinished

FAULTS = {"too_short": "make it longer", "empty": "say something"}


def ask(*answers, tries=3):
    """The value or the reason, and the faults that were told."""
    told, given = [], iter(answers)

    class Scripted(Judge):
        async def ask(self, question):
            return next(given)

    def question(fault):
        told.append(fault)
        return recaption.question(["a"], min_words=1, max_words=2, fault=fault)

    try:
        return asyncio.run(answered(Scripted(), question, FAULTS, tries)), told
    except Unfinished as error:
        return str(error), told


def test_the_next_question_says_what_was_wrong():
    assert ask(Answer("fine")) == ("fine", [None])
    assert ask(Answer(reason="too_short"), Answer(reason="empty"), Answer("fine")) == (
        "fine",
        [None, "make it longer", "say something"],
    )


@pytest.mark.parametrize("reason", ["refusal", "timeout", "wrong_form"])
def test_what_telling_does_not_mend_ends_it(reason):
    assert ask(Answer(reason=reason)) == (f"recaption: {reason}", [None])
    assert ask(Answer(reason="empty"), Answer(reason=reason)) == (
        f"recaption: {reason}",
        [None, FAULTS["empty"]],
    )


def test_after_the_last_try_the_last_reason_is_told():
    two = [Answer(reason="empty"), Answer(reason="too_short")]
    assert ask(*two, tries=2) == ("recaption: too_short", [None, "say something"])


def test_an_empty_value_is_a_value():
    assert ask(Answer([])) == ([], [None])
