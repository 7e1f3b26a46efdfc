"""Reward functions by name, as recipes give them."""

import pytest

from vidalign.rewards import length_reward
from vidalign.trainers.online.reward_names import reward_functions


def test_dotted_paths_and_trls_own_names():
    one, accuracy = reward_functions(["vidalign.rewards.length_reward", "accuracy_reward"])
    assert one is length_reward
    assert accuracy.__module__.startswith("trl")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (None, "no reward: set reward_funcs"),
        ([], "no reward"),
        (["vidalign.rewards.avocado_rewrad"], "'vidalign.rewards.avocado_rewrad' cannot be loaded"),
        (["nowhere.reward"], "No module named 'nowhere'"),
        (["acuracy_reward"], "one of TRL's: accuracy_reward"),
        (["threading.Event"], "is a Event, not a function"),
        (["os.path.join"], "takes no \\*\\*kwargs"),
        (["math.pi"], "'math.pi' is a float, not a function"),
    ],
)
def test_what_is_not_there_is_named(names, message):
    with pytest.raises(ValueError, match=message):
        reward_functions(names)
