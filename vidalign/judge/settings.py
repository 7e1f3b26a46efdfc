"""Settings given as text or as data -> objects: what the environment, recipes and command lines have in common."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from vidalign.judge.lexical import LexicalJudge
from vidalign.judge.task_judges import TaskJudges
from vidalign.judge.tasks import tasks_of
from vidalign.llm.client import LLMJudge
from vidalign.llm.question import Judge

OFFLINE = "lexical"
OTHERS = "default"
"""In place of a task's name: all that have no judge of their own."""

_BOOLS = {"true": True, "1": True, "false": False, "0": False, "": None}


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


def kinds_of(kind: type) -> dict[str, str]:
    """The settings of a dataclass, with their types as they are written."""
    return {f.name: written(f.type) for f in fields(kind) if f.init}


def written(annotation: Any) -> str:
    """A type as it is written."""
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


def read_settings(
    given: Mapping[str, Any], kinds: Mapping[str, str], owner: str, label: Callable[[str], str] = str
) -> dict[str, Any]:
    """Settings as values of their kinds.

    Args:
        given: by name; text is read as its kind.
        kinds: the known ones, from `kinds_of`.
        owner: whose they are, for messages.
        label: a setting's name -> what the user calls it, for messages.

    Raises:
        ValueError: an unknown setting, or a value of the wrong kind.
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
            raise ValueError(f"{said} is not of the kind {kinds[name]}") from None
    return read


def value_of(value: Any, kind: str) -> Any:
    """A value of a recipe, or its text, as a type that is written `kind`; types that are not simple pass as they are.

    Numbers and words are written as they are, lists and mappings as JSON, lists of words or numbers also as "image,audio".

    Raises:
        ValueError: it is of another kind.
    """
    if isinstance(value, str) and not kind.startswith("str"):
        value = _of_text(value, kind)
    if value is None:
        if "None" not in kind:
            raise ValueError("None")
        return None
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = {
        "str": isinstance(value, str),
        "bool": isinstance(value, bool),
        "int": number and isinstance(value, int),
        "float": number,
        "tuple": isinstance(value, (list, tuple)),
        "Mapping": isinstance(value, Mapping),
    }
    name = kind.partition("[")[0].partition(" ")[0]
    if not fits.get(name, True):
        raise ValueError(value)
    if name == "tuple":
        element = "float" if "float" in kind else "str"
        return tuple(value_of(item, element) for item in value)
    return float(value) if name == "float" else value


def _of_text(text: str, kind: str) -> Any:
    if kind.startswith("bool"):
        word = text.strip().lower()
        if word not in _BOOLS:
            raise ValueError(text)
        return _BOOLS[word]
    if kind.startswith("int"):
        return int(text)
    if kind.startswith("float"):
        return float(text)
    if kind.startswith("tuple") and not text.lstrip().startswith("["):
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return tuple(map(float, parts)) if "float" in kind else tuple(parts)
    if kind.startswith(("tuple", "Mapping")):
        return json.loads(text)
    return text
