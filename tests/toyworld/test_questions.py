"""Questions on chains of toy-world captions: their answers pass the checks that a model's must pass."""

import random
from itertools import pairwise

import pytest

from vidalign.judge import Unusable
from vidalign.judge.tasks import choices, yes_no
from vidalign.toyworld.captions import caption
from vidalign.toyworld.degrade import degrade
from vidalign.toyworld.questions import ANSWERS
from vidalign.toyworld.scene import random_scene

CHAIN = [
    "the background is grey . a red circle moves left . a blue square stays at the top right .",
    "the background is grey . a red circle moves up . a blue square stays at the top right .",
    "the background is pink . a red circle moves up . a blue square stays at the top right .",
]


def answer(task, captions):
    question = task.question(captions)
    return question.read(ANSWERS[question.task](question.data))


def test_what_varies_in_a_chain_is_asked_for():
    asked, options = answer(choices, CHAIN)
    assert asked == "what is there to see in the video ?"
    assert options == [
        "the background is grey , a red circle moves left",
        "the background is grey , a red circle moves up",
        "the background is pink , a red circle moves up",
    ]
    assert answer(yes_no, CHAIN) == [
        f"is it true that {option.replace(' ,', ' and')} ?" for option in options
    ]


def test_chains_of_the_toy_worlds_own_errors_are_always_answered():
    lengths = set()
    for seed in range(200):
        captions = [caption(random_scene(random.Random(seed), events=seed % 2 == 0))]
        while len(captions) < 5:
            earlier = [{"before": a, "after": b} for a, b in pairwise(captions)]
            step = degrade({"caption": captions[-1], "earlier": earlier})
            if not step["possible"]:
                break
            captions.append(step["caption"])
        lengths.add(len(captions))
        assert len(set(answer(choices, captions).options)) == len(captions)
        assert len(set(answer(yes_no, captions))) == len(captions)
    assert max(lengths) == 5


@pytest.mark.parametrize(
    "captions",
    [
        ["a dog runs .", "a cat runs ."],
        [CHAIN[0], CHAIN[0].split(" . ", 1)[1]],  # one sentence fewer
        [CHAIN[0], CHAIN[0]],
    ],
)
def test_what_is_no_chain_of_the_toy_world_has_no_answer(captions):
    for task in (choices, yes_no):
        with pytest.raises(Unusable):
            answer(task, captions)
