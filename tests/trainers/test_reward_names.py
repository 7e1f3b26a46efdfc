"""Reward functions by name, as recipes give them."""

import pytest

from vidalign.rewards import length_reward
from vidalign.trainers.grpo import VideoGRPOConfig
from vidalign.trainers.online.reward_names import RewardArguments, reward_functions
from vidalign.trainers.script import parser


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


AVOCADO = [f"vidalign.rewards.avocado_{name}_reward" for name in ("checklist", "dialogue", "length")]


def test_settings_and_judges():
    checklist, dialogue, length = reward_functions(
        AVOCADO,
        {"avocado_dialogue_reward": {"threshold": 0.5}, AVOCADO[2]: {"hard_limit": 8192}},
        {"dialogue, speakers": {"model": "gemini/gemini-2.5-pro", "max_dollars": 5}, "default": "lexical"},
    )
    parts = dialogue.joint.rewards
    assert parts[1].threshold == 0.5 and parts[2].hard_limit == 8192
    assert length.joint is checklist.joint is dialogue.joint
    assert {
        task: judge.name for reward in (checklist, dialogue) for task, judge in reward.judges().items()
    } == {
        "checklist": "LexicalJudge",
        "dialogue": "gemini/gemini-2.5-pro",
        "speakers": "gemini/gemini-2.5-pro",
    }


def test_what_a_recipes_judges_leave_out_is_the_environments(monkeypatch):
    monkeypatch.setenv("VIDALIGN_JUDGE", "openai/of-the-environment")
    [checklist] = reward_functions(AVOCADO[:1], judges={"speakers": "lexical"})
    assert checklist.judges()["checklist"].name == "openai/of-the-environment"


def test_a_class_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "my_rewards.py").write_text(
        "class Named:\n    __name__ = 'named'\n    def __init__(self, weight=1.0): self.weight = weight\n"
        "    def __call__(self, completions, **_): return [self.weight] * len(completions)\n"
        "class Nameless:\n    def __call__(self, **_): return []\n"
        "class Strict:\n    __name__ = 'strict'\n    def __call__(self, completions): return []\n"
        "class Needy:\n    def __init__(self, colour): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    [made] = reward_functions(["my_rewards.Named"], {"Named": {"weight": 3}})
    assert made(["a"]) == [3]
    for name, said in (
        ("Nameless", "no __name__"),
        ("Strict", r"takes no \*\*kwargs"),
        ("Needy", "'colour'"),
    ):
        with pytest.raises(ValueError, match=rf"my_rewards.{name}.*{said}"):
            reward_functions([f"my_rewards.{name}"])


@pytest.mark.parametrize(
    ("settings", "judges", "message"),
    [
        ({"avocado_dialog_reward": {}}, None, "'avocado_dialog_reward' is none of reward_funcs, which are vidalign"),
        ({"avocado_dialogue_reward": {}, AVOCADO[1]: {}}, None, "has two entries"),
        ({"avocado_dialogue_reward": {"treshold": 1}}, None, f"reward_settings: {AVOCADO[1]}: treshold is no setting"),
        (None, {"dialog": "openai/a"}, "judges: 'dialog' is no task of a judge"),
        (None, {"dialogue": {"model": "openai/a", "max_dollar": 1}}, "judges: dialogue: max_dollar is no setting"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be(settings, judges, message):
    with pytest.raises(ValueError, match=message):
        reward_functions(AVOCADO, settings, judges)


def parsed(tmp_path, recipe, *options):
    (tmp_path / "recipe.yaml").write_text(recipe)
    arguments = ["--config", str(tmp_path / "recipe.yaml"), "--use_cpu", "true", *options]
    return parser(VideoGRPOConfig, RewardArguments).parse_args_and_config(arguments)[0]


def test_a_recipe_and_the_command_line_set_them(tmp_path):
    recipe = "reward_settings:\n  dialogue_reward: {threshold: 0.5}\njudges:\n  checklist: openai/a\n"
    script = parsed(tmp_path, recipe)
    assert script.reward_settings == {"dialogue_reward": {"threshold": 0.5}} and script.judges == {
        "checklist": "openai/a"
    }
    script = parsed(tmp_path, recipe, "--judges", '{"checklist": "lexical"}', "--reward_settings", "{}")
    assert script.judges == {"checklist": "lexical"} and script.reward_settings == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--judges", "lexical"], "judges is no JSON"),
        (["--reward_settings", "[1]"], "reward_settings is not a mapping"),
    ],
)
def test_the_command_lines_mappings_are_json(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        parsed(tmp_path, "method: grpo\n", *options)
