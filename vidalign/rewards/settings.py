"""Rewards as a recipe sets them: settings by name, and the judges of a run."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass, replace
from typing import Any

from vidalign.judge.settings import judge_of, kinds_of, read_settings, types_of
from vidalign.llm.question import Judge
from vidalign.rewards.composite import PartReward, SumReward, joint_rewards
from vidalign.rewards.reward import JudgedReward


def configured(
    rewards: Sequence[tuple[str, Any]], settings: Mapping[str, Any], judge: Judge | None = None
) -> list[Any]:
    """Reward functions with their settings, in order. The given objects stay as they are.

    Parts of one sum (`avocado_checklist_reward` and its like) are scored together, and only those that are there.

    Args:
        rewards: names and functions, objects, or classes that are made here.
        settings: by name: fields of a dataclass, parameters of a class. Of a sum (`SumReward`) also those of its parts, under
            their names. `judge` is a model's name, "lexical", or a mapping with `model`.
        judge: of the rewards that have none of their own; None: the environment's.

    Raises:
        ValueError: a setting that is not there or cannot be, with the reward and the known ones; a judge that nobody asks.
    """
    made = [_made(found, settings.get(name, {}), name, judge) for name, found in rewards]
    if judge is not None and not any(map(_asks, made)):
        raise ValueError(
            f"judges are set, but none of {', '.join(name for name, _ in rewards)} asks one; leave them out (on the command line: --judges '{{}}')"
        )
    groups: dict[int, list[int]] = {}
    for place, (_, found) in enumerate(rewards):
        if isinstance(found, PartReward):
            groups.setdefault(id(found.joint), []).append(place)
    for places in groups.values():
        joint = joint_rewards([made[place] for place in places])
        for place, part in zip(places, joint, strict=True):
            made[place] = part
    return made


def _made(found: Any, settings: Mapping[str, Any], name: str, judge: Judge | None) -> Any:
    if not isinstance(settings, Mapping):
        raise ValueError(f"{name}: {settings!r:.60} is not a mapping of settings to values")
    if isinstance(found, PartReward):
        found = found.joint.rewards[found.index]
    try:
        if isinstance(found, type) and issubclass(found, SumReward):
            found = found()  # its parts take settings and the judge, as those of an object do
        if isinstance(found, SumReward):
            return _sum(found, settings, judge)
        if isinstance(found, type):
            return _with_judge(_instance(found, settings), judge)
        if not settings:
            return _with_judge(found, judge)
        if not is_dataclass(found):
            raise ValueError(
                f"{type(found).__name__} takes no settings; name a class, which is made with them"
            )
        read = _read(settings, kinds_of(type(found)))
        return _with_judge(replace(found, **read), judge)  # type: ignore[type-var]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: {error}") from None


def _instance(kind: type, settings: Mapping[str, Any]) -> Any:
    if not settings:
        return kind()
    if is_dataclass(kind):
        return kind(**_read(settings, kinds_of(kind)))
    parameters = inspect.signature(kind).parameters.values()
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return kind(**settings)
    return kind(**_read(settings, types_of({p.name: p.annotation for p in parameters}, kind)))


def _sum(found: SumReward, settings: Mapping[str, Any], judge: Judge | None) -> SumReward:
    names = [getattr(part, "__name__", "") for part in found.rewards]
    own = {name: kind for name, kind in kinds_of(SumReward).items() if name != "rewards"}
    read = _read(settings, {**own, **dict.fromkeys(names, Mapping)})
    of_parts = {name: read.pop(name, {}) for name in names}
    parts = [
        _made(part, of_parts[name], name, judge) for name, part in zip(names, found.rewards, strict=True)
    ]
    return replace(found, rewards=parts, **read)


def _read(settings: Mapping[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    read = read_settings(settings, kinds, "this reward")
    if "judge" in read and not isinstance(read["judge"], Judge):
        try:
            read["judge"] = judge_of(read["judge"])
        except ValueError as error:
            raise ValueError(f"judge: {error}") from None
    return read


def _with_judge(reward: Any, judge: Judge | None) -> Any:
    if judge is not None and isinstance(reward, JudgedReward) and reward.judge is None:
        return replace(reward, judge=judge)
    return reward


def _asks(reward: Any) -> bool:
    return isinstance(reward, JudgedReward) or any(map(_asks, getattr(reward, "rewards", ())))
