import pytest

from vidalign.rewards import LengthReward, length_ramp, length_reward


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (0, 1.0),
        (2047, 1.0),
        (2048, 1.0),  # the ramp begins here, at its full height
        (2049, 1 - 1 / 2048),
        (3072, 0.5),
        (4095, 1 / 2048),
        (4096, 0.0),
        (100_000, 0.0),
    ],
)
def test_the_ramp(length, expected):
    assert length_ramp(length) == expected


def test_falls_nowhere_below_zero_and_never_rises():
    values = [length_ramp(n, soft_limit=10, hard_limit=25) for n in range(40)]
    assert values == sorted(values, reverse=True)
    assert values[0] == 1.0
    assert values[-1] == 0.0


def test_equal_limits_are_a_step():
    assert [length_ramp(n, soft_limit=5, hard_limit=5) for n in (4, 5, 6)] == [1.0, 0.0, 0.0]


def test_counts_tokens_and_not_characters(run):
    completions, ids = ["x" * 10_000, "short"], [[1] * 10, [1] * 3072]
    assert run(length_reward, completions, completion_ids=ids) == [1.0, 0.5]
    assert run.metrics == {"length/over_soft_limit": 0.5}


def test_without_tokens_it_says_so(run):
    with pytest.raises(ValueError, match="pass completion_ids"):
        run(length_reward, ["a"])
    with pytest.raises(ValueError, match="1 completion_ids for 2 completions"):
        run(length_reward, ["a", "b"], completion_ids=[[1]])


@pytest.mark.parametrize("limits", [(10, 5), (-1, 5)])
def test_impossible_limits(limits):
    with pytest.raises(ValueError, match="0 <= soft_limit <= hard_limit"):
        LengthReward(*limits)
