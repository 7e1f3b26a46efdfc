"""From verdicts to the best and the worst, by hand."""

import asyncio
from dataclasses import dataclass, field

import pytest

from vidalign.data.pair_methods import (
    Asked,
    by_claims,
    by_comparison,
    by_improvement,
    distinct,
    outcome,
    standings,
)
from vidalign.llm.question import Answer, Judge, Unusable
from vidalign.stages.errors import Unfinished


@dataclass
class Scripted(Judge):
    """`answer`: (task, material) -> the answer as JSON."""

    answer: object = None
    asked: list = field(default_factory=list)

    async def ask(self, question):
        self.asked.append((question.task, dict(question.data)))
        try:
            return Answer(question.read(self.answer(question.task, question.data)))
        except Unusable as error:
            return Answer(reason=error.reason)


@pytest.mark.parametrize(
    ("forward", "backward", "result"),
    [
        (1, 2, "first"),
        (2, 1, "second"),
        (1, 1, "contradiction"),  # whichever stands first
        (2, 2, "contradiction"),
        (0, 0, "tie"),
        (0, 1, "tie"),
        (2, 0, "tie"),
    ],
)
def test_both_orders_must_agree(forward, backward, result):
    assert outcome(forward, backward) == result


def test_points_are_wins_less_losses():
    # 0 beats 1 and 2, 1 beats 2, 3 ties with all: 2, 0, -2, 0
    outcomes = {
        (0, 1): "first",
        (0, 2): "first",
        (1, 2): "first",
        (0, 3): "tie",
        (1, 3): "contradiction",
        (2, 3): "tie",
    }
    assert standings(4, outcomes) == [2, 0, -2, 0]
    # Exchanging the two names of a game and its result changes nothing.
    assert standings(2, {(0, 1): "second"}) == [-1, 1] == standings(2, {(1, 0): "first"})


def test_equal_and_wordless_responses_are_no_candidates():
    assert distinct(["A dog.", "", "a DOG", " ... ", "a cat"]) == ["A dog.", "a cat"]


def compared(strength, *, texts=("low", "high", "middle")):
    """A comparison in which `strength(first, second)` is the verdict."""

    def answer(task, data):
        return {"better": strength(*(row["text"] for row in data["responses"]))}

    judge = Scripted(answer)
    return asyncio.run(by_comparison(judge, Asked("r", texts, "c"))), judge


RANK = {"low": 0, "middle": 1, "high": 2}


def test_a_round_robin_ends_with_the_best_against_the_worst():
    pair, judge = compared(lambda a, b: 1 if RANK[a] > RANK[b] else 2)
    assert (pair.chosen, pair.rejected, pair.reason) == (("high", 2.0), ("low", -2.0), None)
    assert pair.counts == {"comparisons": 3, "contradictions": 0, "ties": 0}
    asked = [tuple(row["text"] for row in data["responses"]) for _, data in judge.asked]
    assert len(asked) == 6 == len(set(asked)) and {pair[::-1] for pair in asked} == set(asked)


def test_a_judge_that_favours_a_place_or_none_gives_no_pair():
    for favourite in (1, 2):
        pair, _ = compared(lambda a, b, favourite=favourite: favourite)
        assert (pair.chosen, pair.reason, pair.counts["contradictions"]) == (None, "contradiction", 3)
    pair, _ = compared(lambda a, b: 0)
    assert (pair.chosen, pair.reason, pair.counts["ties"]) == (None, "tie", 3)


def test_a_circle_gives_no_pair():
    beats = {("low", "high"), ("high", "middle"), ("middle", "low")}
    pair, _ = compared(lambda a, b: 1 if (a, b) in beats else 2)
    assert (pair.chosen, pair.reason) == (None, "cycle")


def test_the_best_in_all_is_not_set_against_one_that_beat_it():
    beats = {("a", "e"), ("a", "f"), ("d", "a"), ("e", "d"), ("f", "d"), ("e", "f")}
    pair, _ = compared(lambda x, y: 1 if (x, y) in beats else 2, texts=tuple("adef"))
    # Points: a 2 - 1 = 1, d 1 - 2 = -1, e 2 - 1 = 1, f 1 - 2 = -1. The first best is a and the first worst d, which beat it.
    assert (pair.chosen, pair.reason) == (None, "cycle")


def test_too_few_responses_are_not_asked_about():
    for texts in ((), ("one",), ("one", "One.", "")):
        pair, judge = compared(lambda a, b: 1, texts=texts)
        assert (pair.reason, judge.asked) == ("too_few_responses", [])


def test_one_comparison_without_an_answer_leaves_the_row_unfinished():
    with pytest.raises(Unfinished, match="compare: out_of_range"):
        compared(lambda a, b: 7 if (a, b) == ("middle", "low") else 1)


def claimed(claims, wrong, texts):
    """claims: response -> its claims. wrong: the claims that are wrong."""

    def answer(task, data):
        if task == "claims":
            return {"claims": claims[data["response"]]}
        return {
            "verdicts": [{"index": row["index"], "wrong": row["text"] in wrong} for row in data["claims"]]
        }

    judge = Scripted(answer)
    return asyncio.run(by_claims(judge, Asked("r", texts, "c"))), judge


CLAIMS = {"x": ["p", "q"], "y": ["p", "r", "s"], "z": ["q"], "none": []}


def test_the_fewest_wrong_claims_against_the_most():
    pair, judge = claimed(CLAIMS, {"q", "r", "s"}, ("x", "y", "z"))
    # Wrong: x 1, y 2, z 1. Among equals the first.
    assert (pair.chosen, pair.rejected) == (("x", -1.0), ("y", -2.0))
    assert pair.counts == {"claims": 6, "wrong claims": 4, "responses without a claim": 0}
    # The response itself, which may praise itself, does not reach who checks.
    assert all(set(data) == {"claims", "caption"} for task, data in judge.asked if task == "claim_check")


def test_a_response_that_claims_nothing_is_not_the_best():
    pair, _ = claimed(CLAIMS, {"q", "r", "s"}, ("none", "x", "y"))
    assert (pair.chosen, pair.rejected) == (("x", -1.0), ("y", -2.0))
    pair, _ = claimed(CLAIMS, {"q"}, ("none", "x"))
    assert (pair.chosen, pair.reason, pair.counts) == (None, "no_claims", {"responses without a claim": 1})


def test_equal_numbers_of_wrong_claims_give_no_pair():
    pair, _ = claimed(CLAIMS, {"q"}, ("x", "z"))
    assert (pair.chosen, pair.reason) == (None, "equal_scores")


def improved(text, response="A dog runs."):
    judge = Scripted(lambda task, data: {"text": text})
    return asyncio.run(by_improvement(judge, Asked("r", [response], "c"))), judge


def test_the_teachers_version_over_the_response():
    pair, judge = improved("A red dog runs.")
    assert (pair.chosen, pair.rejected) == (("A red dog runs.", None), ("A dog runs.", None))
    assert judge.asked == [("improve", {"request": "r", "response": "A dog runs.", "caption": "c"})]
    assert improved("a dog runs!")[0].reason == "unchanged"
    pair, judge = improved("A dog.", response=" ")
    assert (pair.reason, judge.asked) == ("empty_response", [])
    with pytest.raises(Unfinished, match="improve: names_sources"):
        improved("As the reference caption says, a dog runs.")
