"""Settings given as text or as data -> objects: what the environment, recipes and command lines have in common."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from inspect import formatannotation
from types import SimpleNamespace, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from vidalign.judge.lexical import LexicalJudge
from vidalign.judge.task_judges import TaskJudges
from vidalign.judge.tasks import tasks_of
from vidalign.llm.client import LLMJudge
from vidalign.llm.question import Judge

OFFLINE = "lexical"
OTHERS = "default"
"""In place of a task's name: all that have no judge of their own."""


def judge_of(given: Any) -> Judge:
    """A judge from a recipe: a model's name, "lexical", or a mapping with `model` and other settings of `LLMJudge`.

    Raises:
        ValueError: an unknown setting, or a value that cannot be.
    """
    settings = {"model": given} if isinstance(given, str) else given
    if not isinstance(settings, Mapping) or not settings.get("model"):
        raise ValueError(
            f"{type(given).__name__} without `model`; give a model's name, {OFFLINE!r} for the offline judge, or a mapping "
            "with `model` and other settings"
        )
    if settings["model"] == OFFLINE and len(settings) > 1:
        raise ValueError(f"the judge {OFFLINE!r} has no settings; name a model, or leave the others out")
    return made(settings, f"the judge {settings['model']!r}")


def made(settings: Mapping[str, Any], owner: str, label: Callable[[str], str] = str) -> Judge:
    """The judge of `settings`, which have `model`. owner, label: see `read_settings`.

    Raises:
        ValueError: an unknown setting, or a value that cannot be.
    """
    read = read_settings(settings, kinds_of(LLMJudge), owner, label)
    if read["model"] == OFFLINE:
        return LexicalJudge()
    try:
        return LLMJudge(**read)
    except ValueError as error:
        raise ValueError(f"{owner}: {error}") from None


def judges_of(given: Any, default: Callable[[], Judge]) -> Judge:
    """A recipe's judges: a mapping of tasks to settings.

    Args:
        given: keys are tasks, several with commas between them ("dialogue, speakers": one judge, which shares its limits
            and its budget), or "default" for all others; values as `judge_of` takes them.
        default: called for the judge of all others where `given` does not name it.

    Raises:
        ValueError: an unknown task or one with two judges, an unknown setting, or a value that cannot be.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"{given!r:.80} is not a mapping of tasks to judges")
    judges: dict[str, Judge] = {}
    others: Judge | None = None
    for key, settings in given.items():
        try:
            judge = judge_of(settings)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
        if key == OTHERS:
            others = judge
            continue
        for task in tasks_of(str(key)):
            if task in judges:
                raise ValueError(f"{task} has two judges; name it once")
            judges[task] = judge
    others = others if others is not None else default()
    return TaskJudges(judges, others) if judges else others


# Values


def kinds_of(kind: type) -> dict[str, Any]:
    """The settings of a dataclass, with their types."""
    return types_of({f.name: f.type for f in fields(kind) if f.init}, kind)


def types_of(annotations: Mapping[str, Any], owner: Any) -> dict[str, Any]:
    """Annotations as types: those that are written as text are looked up where `owner` was defined; `Any` for what cannot be
    found."""
    owners = reversed(owner.__mro__) if isinstance(owner, type) else [owner]
    names = {k: v for one in owners for k, v in vars(sys.modules[one.__module__]).items()}
    return {name: _type_of(annotation, names) for name, annotation in annotations.items()}


def read_settings(
    given: Mapping[str, Any], kinds: Mapping[str, Any], owner: str, label: Callable[[str], str] = str
) -> dict[str, Any]:
    """Settings as values of their types.

    Args:
        given: by name; text is read as its type.
        kinds: the types of the known ones, from `kinds_of`.
        owner: whose they are, for messages.
        label: a setting's name -> what the user calls it, for messages.

    Raises:
        ValueError: an unknown setting, or a value of the wrong type.
    """
    read = {}
    for name, value in given.items():
        if name not in kinds:
            known = ", ".join(map(label, sorted(kinds)))
            raise ValueError(f"{label(name)} is no setting of {owner}; known are {known}")
        try:
            read[name] = value_of(value, kinds[name])
        except (ValueError, RecursionError):
            # Without params' value, which may hold a key by mistake.
            said = label(name) if name == "params" else f"{label(name)}={value!r}"
            raise ValueError(f"{said} is not of the kind {formatannotation(kinds[name])}") from None
    return read


def value_of(value: Any, kind: Any) -> Any:
    """A value of a recipe, or its text, as a type; types that are not made of plain data pass as they are.

    Numbers and words are written as they are, lists and mappings as JSON, lists of words or numbers also as "image,audio".

    Raises:
        ValueError: it is of another type.
    """
    if not _is_data(kind):
        return value
    # Here, since rewards load this file, and pydantic takes longer to load than all of them.
    from pydantic import TypeAdapter

    kinds = {get_origin(part) or part for part in _parts(kind)}
    if not isinstance(value, str) or str in kinds:
        listed = tuple(value) if isinstance(value, list) and tuple in kinds else value
        return TypeAdapter(kind).validate_python(listed, strict=True)
    if not value and type(None) in kinds and tuple not in kinds:
        return None
    if bool in kinds and value.strip().lower() not in ("true", "false", "1", "0"):
        raise ValueError(value)  # pydantic takes more words, which YAML reads as text
    if kinds & {tuple, list, dict, Mapping}:
        text = value.strip()
        value = (
            json.loads(text)
            if text.startswith(("[", "{"))
            else [part.strip() for part in text.split(",") if part.strip()]
        )
    return TypeAdapter(kind).validate_python(value)


def _type_of(annotation: Any, names: dict[str, Any]) -> Any:
    if annotation is inspect.Parameter.empty:
        return Any
    try:
        return get_type_hints(SimpleNamespace(__annotations__={"it": annotation}), names)["it"]
    except (NameError, AttributeError, TypeError):  # a name that only type checkers import
        return Any


def _parts(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _is_data(kind: Any) -> bool:
    """Whether a type is made of plain data alone."""
    return kind is not Any and all(
        part in (str, int, float, bool, type(None), Mapping)
        or (
            get_origin(part) in (tuple, list, dict, Mapping)
            and all(inner in (Any, ...) or _is_data(inner) for inner in get_args(part))
        )
        for part in _parts(kind)
    )
