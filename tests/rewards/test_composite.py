import asyncio
import pickle

import pytest

import vidalign.rewards as rewards
from vidalign.judge import LexicalJudge, Unusable
from vidalign.rewards import LengthReward, SumReward, avocado_rewards, joint_rewards
from vidalign.rewards.checklist import ChecklistReward
from vidalign.rewards.dialogue import DialogueReward

KEYPOINTS = ["a dog barks", "a bell rings"]
TURNS = [{"speaker": "a man", "content": "come here boy"}]
CAPTION = 'A dog barks. A man says, "Come here, boy!"'


def judge_of(stand_in, **changed):
    answers = {
        "checklist": {"verdicts": [{"index": 1, "mentioned": True}, {"index": 2, "mentioned": False}]},
        "dialogue": {"turns": [{"speaker": "a man", "content": "Come here, boy!"}]},
        "speakers": {"verdicts": [{"index": 1, "same": True}]},
    }
    return stand_in({**answers, **changed})


def three(judge, **limits):
    return [ChecklistReward(judge), DialogueReward(judge), LengthReward(**limits)]


def columns(n=1, tokens=3072):
    return {"keypoints": [KEYPOINTS] * n, "dialogue": [TURNS] * n, "completion_ids": [[0] * tokens] * n}


def call_all(parts, completions, **given):
    """All functions of one step at once, as TRL calls them."""

    async def step():
        return await asyncio.gather(*(part(prompts=None, completions=completions, **given) for part in parts))

    return asyncio.run(step())


def test_the_sum(stand_in, run):
    # R_C = 1/2, R_D = 1, R_L(3072) = 1/2
    assert run(SumReward(three(judge_of(stand_in))), [CAPTION], **columns()) == [2.0]
    assert run.metrics["avocado_reward/checklist_reward"] == 0.5
    assert run.metrics["avocado_reward/dialogue_reward"] == 1.0
    assert run.metrics["avocado_reward/length_reward"] == 0.5


def test_weights(stand_in, run):
    reward = SumReward(three(judge_of(stand_in)), weights=[2.0, 1.0, 0.5])
    assert run(reward, [CAPTION], **columns()) == [2.25]
    with pytest.raises(ValueError, match="2 weights for 3 rewards"):
        SumReward(three(judge_of(stand_in)), weights=[1.0, 1.0])


@pytest.mark.parametrize("task", ["checklist", "dialogue", "speakers"])
def test_an_unscored_part_leaves_the_sum_unscored(stand_in, run, task):
    judge = judge_of(stand_in, **{task: Unusable("refusal")})
    assert run(SumReward(three(judge)), [CAPTION], **columns()) == [None]


def test_a_part_that_does_not_apply_is_left_out(stand_in, run):
    given = columns() | {"keypoints": [None]}
    assert run(SumReward(three(judge_of(stand_in))), [CAPTION], **given) == [1.5]
    nothing = {"keypoints": [None], "dialogue": [None]}
    assert run(SumReward(three(judge_of(stand_in))[:2]), [CAPTION], **nothing) == [None]


def test_three_functions_have_three_names_and_values(stand_in):
    parts = joint_rewards(three(judge_of(stand_in)))
    assert [part.__name__ for part in parts] == ["checklist_reward", "dialogue_reward", "length_reward"]
    assert call_all(parts, [CAPTION], **columns()) == [[0.5], [1.0], [0.5]]


def test_one_unscored_part_takes_the_others_of_that_completion_only(stand_in):
    def answer(data):
        if data["caption"] == "bad":
            return Unusable("truncated")
        return {"verdicts": [{"index": 1, "mentioned": True}, {"index": 2, "mentioned": True}]}

    parts = joint_rewards(three(judge_of(stand_in, checklist=answer)))
    values = call_all(parts, [CAPTION, "bad", CAPTION], **columns(3))
    assert values == [[1.0, None, 1.0], [1.0, None, 1.0], [0.5, None, 0.5]]


def test_not_applying_takes_nothing_with_it(stand_in):
    parts = joint_rewards(three(judge_of(stand_in)))
    assert call_all(parts, [CAPTION], **(columns() | {"keypoints": [None]})) == [[None], [1.0], [0.5]]


def test_a_batch_is_judged_once_for_all_functions(stand_in):
    judge = judge_of(stand_in)
    call_all(joint_rewards(three(judge)), [CAPTION], **columns())
    assert [question.task for question in judge.questions].count("checklist") == 1


def test_the_next_batch_is_judged_anew_even_in_the_same_list(stand_in):
    judge = judge_of(stand_in)
    parts, completions = joint_rewards(three(judge)), [CAPTION]
    call_all(parts, completions, **columns())
    completions[0] = ""
    assert call_all(parts, completions, **columns())[0] == [0.0]


def test_one_after_the_other_is_the_same(stand_in):
    parts, completions = joint_rewards(three(judge_of(stand_in))), [CAPTION]

    async def step():
        return [await part(completions=completions, **columns()) for part in parts]

    assert asyncio.run(step()) == [[0.5], [1.0], [0.5]]


def test_metrics_are_logged_once(stand_in):
    logged = []
    parts = joint_rewards(three(judge_of(stand_in)))
    call_all(parts, [CAPTION], log_metric=lambda name, value: logged.append(name), **columns())
    assert [
        logged.count(name) for name in ("checklist/unscored", "dialogue/unscored", "length/over_soft_limit")
    ] == [1] * 3


def test_an_error_reaches_every_function(stand_in):
    parts = joint_rewards(three(judge_of(stand_in)))

    async def step():
        given = {"completions": [CAPTION], "completion_ids": [[0]], "dialogue": [TURNS]}
        return await asyncio.gather(*(part(**given) for part in parts), return_exceptions=True)

    assert all(isinstance(result, ValueError) for result in asyncio.run(step()))


def test_the_ready_made_ones_judge_offline_by_default(run, monkeypatch):
    for name in ("VIDALIGN_JUDGE", "VIDALIGN_JUDGE_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    assert run(rewards.avocado_reward, [CAPTION], **columns()) == [2.0]
    assert run(rewards.checklist_reward, [CAPTION], **columns()) == [0.5]
    assert run(rewards.dialogue_reward, [CAPTION], **columns()) == [1.0]
    parts = [
        rewards.avocado_checklist_reward,
        rewards.avocado_dialogue_reward,
        rewards.avocado_length_reward,
    ]
    assert call_all(parts, [CAPTION], **columns()) == [[0.5], [1.0], [0.5]]


READY = [name for name in rewards.__all__ if name.endswith("_reward")]


@pytest.mark.parametrize("name", READY)
def test_pickled_rewards_score_the_same(name, run):
    reward = pickle.loads(pickle.dumps(getattr(rewards, name)))
    assert reward.__name__ == getattr(rewards, name).__name__
    assert run(reward, [CAPTION], **columns()) == run(getattr(rewards, name), [CAPTION], **columns())


def test_a_pickled_list_stays_together(stand_in):
    parts = pickle.loads(pickle.dumps(avocado_rewards(LexicalJudge())))
    assert parts[0].joint is parts[2].joint
    assert call_all(parts, [CAPTION], **columns()) == [[0.5], [1.0], [0.5]]


@pytest.mark.parametrize("name", READY)
def test_trl_sees_an_async_function_with_a_name(name):
    from trl.trainer.utils import get_callable_name, is_async_callable

    reward = getattr(rewards, name)
    assert is_async_callable(reward)
    expected = name if name == "avocado_reward" else name.removeprefix("avocado_")
    assert get_callable_name(reward) == reward.__name__ == expected
