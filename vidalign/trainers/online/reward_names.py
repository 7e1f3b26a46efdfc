"""Reward functions as recipes give them: by name, TRL's own or dotted paths, with their settings and judges."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import trl.rewards

from vidalign.judge.environment import default_judge
from vidalign.judge.settings import judges_of
from vidalign.rewards.settings import configured
from vidalign.trainers.script import RecipeArguments


@dataclass
class RewardArguments(RecipeArguments):
    """Script arguments of a method that is rewarded."""

    reward_funcs: list[str] | None = field(
        default=None,
        metadata={
            "help": "Reward functions: dotted paths of functions, objects or classes, e.g. vidalign.rewards.avocado_reward, or "
            "names of trl.rewards. Their weights are `reward_weights`."
        },
    )
    reward_settings: dict[str, Any] | str | None = field(
        default=None,
        metadata={
            "help": "Settings of the functions in `reward_funcs`, by their names or the last part of them, e.g. "
            "{avocado_dialogue_reward: {threshold: 0.6, normalise: false}}. On the command line as JSON."
        },
    )
    judges: dict[str, Any] | str | None = field(
        default=None,
        metadata={
            "help": "The rewards' judges by task (checklist, dialogue, speakers, with commas between those that share one; "
            "default for all others): a model as litellm names it, 'lexical' for the offline judge, or a mapping of `model` and "
            "other settings of vidalign.judge.LLMJudge. What is not named here is the environment's (VIDALIGN_JUDGE). On the "
            "command line as JSON."
        },
    )

    def __post_init__(self) -> None:
        self.reward_settings = _mapping("reward_settings", self.reward_settings)
        self.judges = _mapping("judges", self.judges)


def _mapping(name: str, given: Any) -> dict[str, Any] | None:
    """A recipe's mapping, or the command line's JSON."""
    read = given
    if isinstance(given, str):
        try:
            read = json.loads(given)
        except ValueError as error:
            raise ValueError(f"{name} is no JSON ({error}); give e.g. {_EXAMPLES[name]}") from None
    if read is not None and not isinstance(read, Mapping):
        raise ValueError(f"{name} is not a mapping; give e.g. {_EXAMPLES[name]}")
    return None if read is None else dict(read)


_EXAMPLES = {
    "reward_settings": '{"avocado_dialogue_reward": {"threshold": 0.6}}',
    "judges": '{"checklist": "openai/gpt-4.1", "dialogue, speakers": {"model": "gemini/gemini-2.5-pro"}}',
}


def reward_functions(
    names: Sequence[str] | None,
    settings: Mapping[str, Any] | None = None,
    judges: Mapping[str, Any] | None = None,
) -> list[Any]:
    """The functions.

    Args:
        names: dotted paths, or names in `trl.rewards`.
        settings, judges: as in `RewardArguments`.

    Raises:
        ValueError: none, one that is not there, or a setting that cannot be; with what to write instead.
    """
    if not names:
        raise ValueError(
            "no reward: set reward_funcs to dotted paths of reward functions, e.g. vidalign.rewards.avocado_reward"
        )
    found = [(name, _found(name)) for name in names]
    own = _settings_of(names, settings or {})
    try:
        judge = judges_of(judges, default_judge) if judges else None
    except ValueError as error:
        raise ValueError(f"judges: {error}") from None
    try:
        functions = configured(found, own, judge)
    except ValueError as error:
        raise ValueError(f"reward_settings: {error}") from None
    for name, function in zip(names, functions, strict=True):
        _check(name, function)
    return functions


def _found(name: str) -> Any:
    module, _, function = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module) if module else trl.rewards, function)
    except (ImportError, AttributeError) as error:
        known = ", ".join(sorted(known for known in trl.rewards.__all__ if known.endswith("reward")))
        raise ValueError(
            f"reward_funcs: {name!r} cannot be loaded ({error}); give the dotted path of a function in a module that can be "
            f"imported from here, or one of TRL's: {known}"
        ) from None


def _settings_of(names: Sequence[str], settings: Mapping[str, Any]) -> dict[str, Any]:
    """By the names of `reward_funcs`."""
    found: dict[str, Any] = {}
    for key, values in settings.items():
        meant = [name for name in names if key in (name, name.rpartition(".")[2])]
        if not meant:
            raise ValueError(
                f"reward_settings: {key!r} is none of reward_funcs, which are {', '.join(names)}; name one of them, or "
                "leave it out (on the command line: --reward_settings '{}')"
            )
        for name in meant:
            if name in found:
                raise ValueError(f"reward_settings: {name!r} has two entries; make them one")
            found[name] = values
    return found


def _check(name: str, function: Any) -> None:
    """Whether TRL can call it."""
    if not callable(function):
        raise ValueError(f"reward_funcs: {name!r} is a {type(function).__name__}, not a function")
    if not hasattr(function, "__name__"):
        raise ValueError(f"reward_funcs: {name!r} has no __name__, by which TRL logs it; give its class one")
    taken = inspect.signature(function).parameters.values()
    if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in taken):
        raise ValueError(
            f"reward_funcs: {name!r} takes no **kwargs, and so cannot be handed the columns that every reward function gets; "
            "TRL calls it with prompts, completions, completion_ids and more"
        )
