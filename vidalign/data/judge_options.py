"""The judge's options on a command line. Each stands above the environment's setting of the same meaning."""

from __future__ import annotations

import argparse
import importlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vidalign.judge.tasks import TASKS, tasks_of

if TYPE_CHECKING:
    from vidalign.judge.environment import Settings
    from vidalign.llm.question import Judge

TOYWORLD = "toyworld"


class Option(NamedTuple):
    """setting: of `LLMJudge`."""

    name: str
    setting: str
    kind: type
    metavar: str
    help: str


OPTIONS = (
    Option("--api-base", "api_base", str, "URL", "an OpenAI-compatible server, up to and with /v1"),
    Option("--api-key-env", "api_key_env", str, "NAME", "the environment variable that holds the key"),
    Option("--concurrency", "max_concurrency", int, "N", "requests under way at once"),
    Option("--requests-per-minute", "requests_per_minute", float, "N", "the provider's limit"),
    Option("--timeout", "timeout", float, "SECONDS", "for one request"),
    Option("--max-tokens", "max_tokens", int, "N", "of an answer, thoughts included"),
    Option("--max-calls", "max_calls", int, "N", "requests in this run, after which it stops"),
    Option("--max-dollars", "max_dollars", float, "X", "spent in this run, after which it stops"),
    Option("--price", "price", str, "IN,OUT", "dollars for a million tokens, where litellm knows none"),
    Option("--cache-dir", "cache_dir", str, "FOLDER", "of the answers; '' for no cache"),
)


Tasks = tuple[str, ...]
"""That an option is for; () for all that have no judge of their own."""


def add(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "judge",
        "Each may be given again for one task or several, as in --judge dialogue,speakers=MODEL or --max-dollars dialogue=5: such "
        "tasks have a judge of their own, with its own limits. VIDALIGN_JUDGE, VIDALIGN_JUDGE_<SETTING> and "
        "VIDALIGN_JUDGE__<TASK> in the environment hold for what is not given here.",
    )
    group.add_argument(
        "--judge",
        action="append",
        default=[],
        type=_named,
        metavar="MODEL",
        help="a model as litellm names it; 'lexical': offline, by rules; 'toyworld': the toy world's, for chains",
    )
    for option in OPTIONS:
        group.add_argument(
            option.name,
            dest=option.setting,
            action="append",
            default=[],
            type=_assigned(option.kind),
            metavar=option.metavar,
            help=option.help,
        )


def judge_of(args: argparse.Namespace, tasks: Sequence[str]) -> Judge:
    """The judge of a build that asks `tasks`.

    Raises:
        PipelineError: settings that cannot be, or that would be without effect.
    """
    from vidalign.judge.environment import judge_of_settings, settings_from_env
    from vidalign.llm.client import LLMJudge
    from vidalign.stages.errors import PipelineError

    given = [(option, *value) for option in OPTIONS for value in getattr(args, option.setting)]
    try:
        settings = _with_models(settings_from_env(), args.judge)
        for option, own, text in given:
            if own not in settings:
                raise ValueError(
                    f"{option.name} {','.join(own)}=...: give the tasks' judge as well, --judge {','.join(own)}=MODEL"
                )
            settings[own][option.setting] = text
        judge = judge_of_settings(settings, {TOYWORLD: _toyworld})
    except ValueError as error:
        raise PipelineError(f"the judge's settings: {error}") from None
    for name, own in [*(("--judge", own) for own, _ in args.judge), *((o.name, own) for o, own, _ in given)]:
        asked = _tasks_meant(own, settings, tasks)
        if not asked:
            of = f"the task {', '.join(own)}" if own else "tasks without a judge of their own"
            raise PipelineError(f"{name} is for {of}, and this build asks {', '.join(tasks)}; leave it out")
        if name != "--judge" and not isinstance(judge.of(asked[0]), LLMJudge):
            raise PipelineError(
                f"{name} is for a model, and the judge is the offline one: name a model with --judge"
            )
    return judge


def _tasks_meant(own: Tasks, settings: Settings, tasks: Sequence[str]) -> list[str]:
    """Of a build's tasks those that an option for the tasks `own` is for."""
    others = [] if own else [task for other in settings for task in other]
    return [task for task in tasks if (task in own if own else task not in others)]


def _with_models(settings: Settings, models: Iterable[tuple[Tasks, str]]) -> Settings:
    """The environment's settings with the models of the command line above them. Raises ValueError for two of one task."""
    models, found = list(models), {tasks: dict(own) for tasks, own in settings.items()}
    for task, count in Counter(task for tasks in {tasks for tasks, _ in models} for task in tasks).items():
        if count > 1:
            raise ValueError(f"--judge names two judges for {task}; name one")
    for tasks, model in sorted(models, key=lambda named: len(named[0])):
        if not tasks:
            found = {(): {**found[()], "model": model}}
            continue
        kept = found.get(tasks, {})
        others = {tuple(task for task in other if task not in tasks): own for other, own in found.items()}
        found = {**others, (): found[()], tasks: {**kept, "model": model}}
    return found


def _assigned(kind: type) -> Callable[[str], tuple[Tasks, str]]:
    """Reads VALUE or TASK,...=VALUE."""

    def read(text: str) -> tuple[Tasks, str]:
        names, sign, rest = text.partition("=")
        named = sign and all(name.strip() in TASKS for name in names.split(","))
        tasks, value = (tasks_of(names), rest) if named else ((), text)
        kind(value)  # raises ValueError
        return tasks, value

    read.__name__ = kind.__name__  # argparse names it in its message
    return read


def _named(text: str) -> tuple[Tasks, str]:
    """Reads MODEL or TASK,...=MODEL. No model's name has an equals sign behind words alone: that is a task mistyped."""
    names, sign, _ = text.partition("=")
    if sign and re.fullmatch(r"[a-z_, ]+", names):
        try:
            tasks_of(names)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    return _assigned(str)(text)


def _toyworld() -> Judge:
    # By name: the toy world stands above everything else here, which its judge is for.
    return importlib.import_module("vidalign.toyworld.degrade").ToyDegrader()
