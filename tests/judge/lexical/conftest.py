import asyncio

import pytest

from vidalign.judge import LexicalJudge
from vidalign.judge.tasks import checklist, dialogue, keypoints, speakers
from vidalign.judge.tasks.dialogue import Turn


class Asked:
    """The offline judge's answers to the questions that rewards and builds ask."""

    def __init__(self):
        self.judge = LexicalJudge()

    def value(self, question):
        return asyncio.run(self.judge.ask(question)).value

    def stated(self, caption, points):
        """One verdict a keypoint."""
        return self.value(checklist.question(caption, points))

    def states(self, caption, keypoint):
        return self.stated(caption, [keypoint]) == [True]

    def turns(self, caption):
        """(speaker, content) of each turn."""
        return [tuple(turn) for turn in self.value(dialogue.question(caption))]

    def same(self, pairs):
        """One verdict a pair of descriptions."""
        return self.value(speakers.question([(Turn(one, "x"), Turn(other, "x")) for one, other in pairs]))

    def facts(self, caption):
        """(dimension, text) of each keypoint."""
        return [tuple(fact) for fact in self.value(keypoints.question(caption)) or []]


@pytest.fixture(scope="session")
def asked():
    return Asked()
