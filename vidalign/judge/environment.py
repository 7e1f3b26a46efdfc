"""The judges that the environment names.

`VIDALIGN_JUDGE` names the judge of all tasks, `VIDALIGN_JUDGE_<SETTING>` sets its settings. A task has a judge of its own by
`VIDALIGN_JUDGE__<TASK>` and `VIDALIGN_JUDGE__<TASK>__<SETTING>`, with two underscores before each name; several tasks share one
by `VIDALIGN_JUDGE__<TASK>__<TASK>`. Such a judge takes over no setting of the other.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from vidalign.judge.lexical import LexicalJudge
from vidalign.judge.settings import OFFLINE, made
from vidalign.judge.task_judges import TaskJudges
from vidalign.judge.tasks import TASKS
from vidalign.llm.forks import PerProcess
from vidalign.llm.question import Answer, Judge, Question, T

_NAME = "VIDALIGN_JUDGE"
_NOTICE = (
    "vidalign: NO JUDGE IS NAMED, so captions are judged offline, by rules on words, which are for tests and toy data. Name a "
    "model with VIDALIGN_JUDGE=gemini/gemini-2.5-pro (one task: VIDALIGN_JUDGE__DIALOGUE=...), with `judges` in a recipe, with "
    "--judge in a build or with judge=... in Python; VIDALIGN_JUDGE=lexical says that offline is meant."
)

Settings = dict[tuple[str, ...], dict[str, str]]
"""Tasks -> a judge's settings as text, `model` among them; () for all other tasks."""

_defaults: PerProcess[dict[frozenset[tuple[str, str]], Judge]] = PerProcess(dict)
_noticed: PerProcess[list[bool]] = PerProcess(list)


class UnnamedJudge(LexicalJudge):
    """The offline judge where nobody named one. The first process of a launch says so once, on stderr."""

    @property
    def name(self) -> str:
        return LexicalJudge.__name__

    def __repr__(self) -> str:
        return f"{self.name}()"

    def notice(self) -> None:
        if not _noticed() and int(os.environ.get("RANK") or 0) == 0:
            # Not by logging: a level that some program sets would hide it.
            print(_NOTICE, file=sys.stderr, flush=True)
            _noticed().append(True)

    async def ask(self, question: Question[T]) -> Answer[T]:
        self.notice()
        return await super().ask(question)


def judge_from_env() -> Judge:
    """`VIDALIGN_JUDGE=lexical` judges offline, as does an unset one; any other value is a model, as litellm names it.

    `VIDALIGN_JUDGE_API_BASE`, `VIDALIGN_JUDGE_MAX_DOLLARS`, `VIDALIGN_JUDGE_CACHE_DIR` and so on set its settings: numbers and
    words as they are, lists and `params` as JSON, `sees` also as "image,audio". With a task in their names they set those of the
    task's own judge: `VIDALIGN_JUDGE__DIALOGUE__SPEAKERS=gemini/gemini-2.5-pro`,
    `VIDALIGN_JUDGE__DIALOGUE__SPEAKERS__MAX_DOLLARS=20`.

    Raises:
        ValueError: an unknown setting or task, or a value of the wrong kind.
    """
    return judge_of_settings(settings_from_env())


def default_judge() -> Judge:
    """The environment's judge, one for all rewards in a process, so that they share its limits and its ledger."""
    now = frozenset((name, value) for name, value in os.environ.items() if name.startswith(_NAME))
    if now not in (kept := _defaults()):
        kept.clear()
        kept[now] = judge_from_env()
    return kept[now]


def notice_unnamed(judge: Judge, tasks: Iterable[str]) -> None:
    """Says so before the first question, if nobody named a judge for one of the tasks."""
    for task in tasks:
        if isinstance(part := judge.of(task), UnnamedJudge):
            part.notice()


def variable(tasks: Iterable[str], setting: str) -> str:
    """Name of the variable that has a setting of the judge of these tasks."""
    names = [name.upper() for name in tasks]
    if setting == "model":
        return "__".join([_NAME, *names])
    return "__".join([_NAME, *names, setting.upper()]) if names else f"{_NAME}_{setting.upper()}"


def settings_from_env() -> Settings:
    """Raises ValueError for a variable that names no task."""
    found: Settings = {(): {}}
    for name, text in sorted(os.environ.items()):
        if not name.startswith(_NAME) or name == f"{_NAME}_API_KEY":
            continue
        rest = name.removeprefix(_NAME)
        if rest.startswith("__"):
            tasks, setting = _split(name, rest.removeprefix("__").lower().split("__"))
        elif rest.startswith("_"):
            tasks, setting = (), rest.removeprefix("_").lower()
            if setting in TASKS:
                raise ValueError(
                    f"{name} names a task, before which stand two underscores: {variable([setting], 'model')}"
                )
        elif rest:
            continue
        else:
            tasks, setting = (), "model"
        own = found.setdefault(tasks, {})
        if setting == "api_key":
            own.setdefault("api_key_env", name)
        elif setting != "model" or text.strip():
            own[setting] = text.strip() if setting == "model" else text
    return found


def judge_of_settings(settings: Settings, further: Mapping[str, Callable[[], Judge]] | None = None) -> Judge:
    """The judge of what `settings_from_env` found. further: judges by the name that stands in place of a model's.

    Raises:
        ValueError: settings that cannot be; it names the variable.
    """
    judges: dict[str, Judge] = {}
    others: Judge = UnnamedJudge()
    for tasks, own in settings.items():
        if "model" not in own and tasks:
            raise ValueError(
                f"{variable(tasks, next(iter(own)))} is set, and {variable(tasks, 'model')} names no model"
            )
        # Without a model they are looked at all the same: a setting that is mistyped is told at once.
        given = {"model": OFFLINE, **own}
        special = (further or {}).get(given["model"])
        judge = special() if special else made(given, variable(tasks, "model"), partial(variable, tasks))
        if not tasks and "model" in own:
            others = judge
        for task in tasks:
            if task in judges:
                raise ValueError(f"{_NAME}__{task.upper()}: the task has two judges; name it once")
            judges[task] = judge
    return TaskJudges(judges, others) if judges else others


def _split(name: str, parts: list[str]) -> tuple[tuple[str, ...], str]:
    """Tasks and setting in the variable `name`."""
    setting = "model" if parts[-1] in TASKS else parts[-1]
    tasks = parts if setting == "model" else parts[:-1]
    if not tasks or any(task not in TASKS for task in tasks):
        known = ", ".join(task.upper() for task in TASKS)
        raise ValueError(
            f"{name} names no task of a judge; known are {known}, as in {_NAME}__DIALOGUE and {_NAME}__DIALOGUE__MAX_DOLLARS"
        )
    return tuple(sorted(set(tasks))), setting
