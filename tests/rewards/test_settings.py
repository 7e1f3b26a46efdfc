"""Rewards as a recipe sets them."""

import pickle
from dataclasses import dataclass

import pytest

from vidalign import rewards
from vidalign.judge import LexicalJudge, LLMJudge, TaskJudges
from vidalign.rewards.reward import JudgedReward, Score
from vidalign.rewards.settings import configured

PARTS = ["avocado_checklist_reward", "avocado_dialogue_reward", "avocado_length_reward"]
ROW = {"keypoints": [["a dog barks"]], "dialogue": [[]], "completion_ids": [[1] * 30]}


def named(*names):
    return [(name, getattr(rewards, name)) for name in names]


@dataclass
class Colour(JudgedReward):
    """A user's own."""

    weight: float = 1.0
    __name__ = "colour"

    async def scores(self, batch):
        return [Score(self.weight)] * len(batch.texts)


class Plain:
    """A user's own, without a dataclass."""

    __name__ = "plain"

    def __init__(self, weight: float = 1.0, word="red"):
        self.weight, self.word = weight, word

    def __call__(self, completions, **_):
        return [self.weight * text.count(self.word) for text in completions]


def test_settings_arrive_and_the_named_objects_stay_as_they_are():
    [dialogue, length] = configured(
        named("dialogue_reward", "length_reward"),
        {
            "dialogue_reward": {"threshold": "6e-1", "normalise": False, "media_allow": ["/data"]},
            "length_reward": {"soft_limit": 5},
        },
    )
    assert dialogue == rewards.DialogueReward(None, 0.6, False, None, ("/data",))
    assert (length.soft_limit, length.hard_limit) == (5, 4096)
    assert (
        rewards.dialogue_reward == rewards.DialogueReward()
        and rewards.length_reward == rewards.LengthReward()
    )


def test_without_settings_they_are_the_named_objects_themselves():
    assert configured(named("dialogue_reward"), {})[0] is rewards.dialogue_reward


def test_parts_of_a_sum_stay_together_with_their_settings(run, stand_in, granting):
    names = dict(zip(PARTS, ("checklist_reward", "dialogue_reward", "length_reward"), strict=True))
    made = configured(
        named(*PARTS), {"avocado_length_reward": {"soft_limit": 10, "hard_limit": 50}}, LexicalJudge()
    )
    assert [reward.__name__ for reward in made] == list(names.values())
    assert len({id(reward.joint) for reward in made}) == 1
    assert [run(reward, ["A dog barks."], **ROW) for reward in made] == [
        [1.0],
        [1.0],
        [0.5],
    ]  # (50 - 30) / 40
    assert rewards.avocado_length_reward.joint.rewards[2] == rewards.LengthReward()
    assert pickle.loads(pickle.dumps(made))[2].joint.rewards[2].soft_limit == 10


def test_parts_that_are_not_named_are_not_scored(run):
    """Two of Table 4's lines: without the checklist no keypoints are needed and no judge is asked for them."""
    dialogue, length = configured(named(*PARTS[1:]), {}, LexicalJudge())
    given = {"dialogue": [[]], "completion_ids": [[1]]}
    assert [run(reward, ["A dog barks."], **given) for reward in (dialogue, length)] == [[1.0], [1.0]]
    [alone] = configured(named("avocado_length_reward"), {})
    assert run(alone, ["a"], completion_ids=[[1]]) == [1.0]


def test_a_sum_sets_its_weights_and_its_parts(run):
    [total] = configured(
        named("avocado_reward"),
        {"avocado_reward": {"weights": [1, 1, 0.5], "length_reward": {"soft_limit": 10, "hard_limit": 50}}},
        LexicalJudge(),
    )
    assert run(total, ["A dog barks."], **ROW) == [1 + 1 + 0.25]
    assert rewards.avocado_reward.weights is None


def test_the_class_of_a_sum_is_set_like_an_object():
    [total] = configured(
        [("a.SumReward", rewards.SumReward)],
        {"a.SumReward": {"weights": [1, 2, 3], "dialogue_reward": {"threshold": 0.5}}},
        LLMJudge("openai/a"),
    )
    assert total.weights == [1, 2, 3] and total.rewards[1].threshold == 0.5
    assert {judge.name for judge in total.judges().values()} == {"openai/a"}


def test_classes_are_made_with_their_settings():
    [length, plain, colour] = configured(
        [("a.LengthReward", rewards.LengthReward), ("b.Plain", Plain), ("c.Colour", Colour)],
        {
            "a.LengthReward": {"soft_limit": 5},
            "b.Plain": {"weight": 2, "word": "blue"},
            "c.Colour": {"weight": 3},
        },
        LexicalJudge(),
    )
    assert length == rewards.LengthReward(5) and plain(["a blue blue dog"]) == [4]
    assert colour == Colour(LexicalJudge(), 3.0)


def test_the_runs_judge_is_for_all_that_have_none_of_their_own():
    gemini = TaskJudges({"speakers": LLMJudge("gemini/a")}, LexicalJudge())
    made = configured(
        [*named("avocado_reward", *PARTS), ("colour", Colour())],
        {
            "avocado_dialogue_reward": {"judge": "openai/own"},
            "avocado_reward": {"dialogue_reward": {"judge": {"model": "openai/a", "max_calls": 3}}},
        },
        gemini,
    )
    total, checklist, dialogue, _, colour = made
    assert checklist.joint.rewards[0].judge is gemini and colour.judge is gemini
    assert dialogue.joint.rewards[1].judge == LLMJudge("openai/own")
    assert total.rewards[0].judge is gemini and total.rewards[1].judge == LLMJudge("openai/a", max_calls=3)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("dialogue_reward", {"treshold": 1}, "dialogue_reward: treshold is no setting of this reward; known are judge, media_allow, media_root, normalise, threshold"),
        ("dialogue_reward", {"threshold": 1.5}, "dialogue_reward: threshold=1.5; it must lie in"),
        ("dialogue_reward", {"threshold": "high"}, "dialogue_reward: threshold='high' is not of the kind float"),
        ("dialogue_reward", {"normalise": "no"}, "normalise='no' is not of the kind bool"),
        ("dialogue_reward", {"normalise": ""}, "normalise='' is not of the kind bool"),
        ("dialogue_reward", {"media_root": 3}, "media_root=3 is not of the kind str"),
        ("dialogue_reward", {"judge": {"modle": "a"}}, "dialogue_reward: judge: dict without `model`"),
        ("dialogue_reward", 0.6, "dialogue_reward: 0.6 is not a mapping"),
        ("length_reward", {"soft_limit": 10.5}, "soft_limit=10.5 is not of the kind int"),
        ("length_reward", {"soft_limit": 9999}, "length_reward: soft_limit=9999 and hard_limit=4096"),
        ("avocado_length_reward", {"judge": "lexical"}, "avocado_length_reward: judge is no setting of this reward; known are hard_limit, soft_limit"),
        ("avocado_reward", {"threshold": 1}, "known are checklist_reward, dialogue_reward, length_reward, weights"),
        ("avocado_reward", {"dialogue_reward": {"treshold": 1}}, "avocado_reward: dialogue_reward: treshold is no setting"),
        ("avocado_reward", {"weights": [1]}, "avocado_reward: 1 weights for 3 rewards"),
    ],
)  # fmt: skip
def test_what_cannot_be_names_the_reward_and_the_known_settings(name, settings, said):
    with pytest.raises(ValueError) as caught:
        configured(named(name), {name: settings})
    assert said in str(caught.value)


def test_what_takes_no_settings():
    with pytest.raises(ValueError, match="plain: Plain takes no settings; name a class"):
        configured([("plain", Plain())], {"plain": {"weight": 2}})
    with pytest.raises(ValueError, match="function takes no settings"):
        configured([("f", lambda **_: [])], {"f": {"weight": 2}})
    with pytest.raises(
        ValueError, match="Plain: colour is no setting of this reward; known are weight, word"
    ):
        configured([("Plain", Plain)], {"Plain": {"colour": 2}})


def test_a_judge_that_nobody_asks():
    with pytest.raises(ValueError, match="none of length_reward asks one"):
        configured(named("length_reward"), {}, LexicalJudge())
