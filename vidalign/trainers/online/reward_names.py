"""Reward functions by name, as recipes give them: TRL's own, or dotted paths."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import trl.rewards

from vidalign.trainers.script import RecipeArguments


@dataclass
class RewardArguments(RecipeArguments):
    """Script arguments of a method that is rewarded."""

    reward_funcs: list[str] | None = field(
        default=None,
        metadata={
            "help": "Reward functions: dotted paths, e.g. vidalign.rewards.avocado_reward, or names of trl.rewards. Their "
            "weights are `reward_weights`."
        },
    )


def reward_functions(names: Sequence[str] | None) -> list[Any]:
    """The functions.

    Raises:
        ValueError: none, or one that is not there; with what to write instead.
    """
    if not names:
        raise ValueError(
            "no reward: set reward_funcs to dotted paths of reward functions, e.g. vidalign.rewards.avocado_reward"
        )
    return [_function(name) for name in names]


def _function(name: str) -> Any:
    module, _, function = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module) if module else trl.rewards, function)
    except (ImportError, AttributeError) as error:
        known = ", ".join(sorted(known for known in trl.rewards.__all__ if known.endswith("reward")))
        raise ValueError(
            f"reward_funcs: {name!r} cannot be loaded ({error}); give the dotted path of a function in a module that can be "
            f"imported from here, or one of TRL's: {known}"
        ) from None
    if inspect.isclass(found):
        raise ValueError(
            f"reward_funcs: {name!r} is a class; name a function, or an object made from it in a module of yours"
        )
    if not callable(found):
        raise ValueError(f"reward_funcs: {name!r} is a {type(found).__name__}, not a function")
    taken = inspect.signature(found).parameters.values()
    if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in taken):
        raise ValueError(
            f"reward_funcs: {name!r} takes no **kwargs, and so cannot be handed the columns that every reward function gets; "
            "TRL calls it with prompts, completions, completion_ids and more"
        )
    return found
