"""The judge's options on a command line and in its files. Each stands above the environment's setting of the same meaning."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vidalign.judge.tasks import TASKS, tasks_of

if TYPE_CHECKING:
    from vidalign.llm.question import Judge

TOYWORLD = "toyworld"
MODEL = "model"

Tasks = tuple[str, ...]
"""That a setting is for; () for all that have no judge of their own."""

Settings = dict[Tasks, dict[str, Any]]
"""Settings of judges by their tasks, as text or as values; `model` among them."""

Layer = tuple[Settings, Callable[[str], str]]
"""Settings of one place, and a setting -> what the user calls it there."""


class Option(NamedTuple):
    """setting: of `LLMJudge`."""

    name: str
    setting: str
    kind: type
    metavar: str
    help: str

    @property
    def key(self) -> str:
        """In a file."""
        return self.name.removeprefix("--").replace("-", "_")


OPTIONS = (
    Option("--judge", MODEL, str, "MODEL", "a model as litellm names it; 'lexical': offline, by rules; 'toyworld': the toy world's, for chains"),
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
)  # fmt: skip
KEYS = ("judge", "judges", *(option.key for option in OPTIONS[1:]))
ABOUT = (
    "Each may be given again for one task or several, as in --judge dialogue,speakers=MODEL or --max-dollars dialogue=5: such "
    "tasks have a judge of their own, with its own limits. In a file: judge, a model or a mapping of its settings, and judges, "
    "tasks to the same. VIDALIGN_JUDGE, VIDALIGN_JUDGE_<SETTING> and VIDALIGN_JUDGE__<TASK> in the environment hold for what "
    "is not given here."
)


def of_words(given: Mapping[str, Sequence[str] | None]) -> Settings:
    """What a command line has given of `OPTIONS`, by key: VALUE or TASK,...=VALUE each.

    Raises:
        ValueError: a value of another kind, an unknown task, or two judges for one.
    """
    settings: Settings = {}
    for option in OPTIONS:
        for text in given.get(option.key) or ():
            tasks, value = _assigned(option, text)
            settings.setdefault(tasks, {})[option.setting] = value
    named = [tasks for tasks, own in settings.items() if MODEL in own]
    for task, count in Counter(task for tasks in named for task in tasks).items():
        if count > 1:
            raise ValueError(f"--judge names two judges for {task}; name one")
    return settings


def of_file(given: Mapping[str, Any]) -> Settings:
    """What a file has given of `KEYS`.

    Raises:
        ValueError: settings that cannot be.
    """
    from vidalign.judge.settings import OTHERS, judge_of

    judges = given.get("judges", {})
    if not isinstance(judges, Mapping):
        raise ValueError(f"judges: {judges!r:.80} is not a mapping of tasks to judges")
    parts: list[tuple[str, Tasks, Any]] = [
        (f"judges: {key}", () if key == OTHERS else tasks_of(str(key)), own) for key, own in judges.items()
    ]
    if "judge" in given:
        parts.append(("judge", (), given["judge"]))
    for task, count in Counter(task for _, tasks, _ in parts for task in tasks or (OTHERS,)).items():
        if count > 1:
            raise ValueError(f"{task} has two judges; name it once")
    further = [option for option in OPTIONS[1:] if option.key in given]
    parts += [(option.key, (), {option.setting: given[option.key]}) for option in further]
    settings: Settings = {}
    for name, tasks, own in parts:
        mapping = {MODEL: own} if isinstance(own, str) else own
        try:
            # Where another place names the model, the other settings can be told to be right all the same.
            judge_of({MODEL: "another", **mapping} if isinstance(mapping, Mapping) else mapping)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        settings[tasks] = {**settings.get(tasks, {}), **mapping}
    return settings


def as_file(settings: Settings) -> dict[str, Any]:
    """As `of_file` takes it."""
    shown = {
        tasks: own[MODEL] if own.keys() == {MODEL} else dict(own) for tasks, own in settings.items() if own
    }
    judges = {", ".join(tasks): own for tasks, own in shown.items() if tasks}
    return {**({"judge": shown[()]} if () in shown else {}), **({"judges": judges} if judges else {})}


def above(upper: Settings, lower: Settings) -> Settings:
    """Both, where a setting of the upper ones stands above the lower ones' of the same tasks, and an upper judge takes its tasks
    from a lower one."""
    found = {(): dict[str, Any](), **{tasks: dict(own) for tasks, own in lower.items()}}
    for tasks, own in sorted(upper.items(), key=lambda item: len(item[0])):
        kept = {**found.get(tasks, {}), **own}
        if tasks and MODEL in own:
            left = {tuple(task for task in other if task not in tasks): of for other, of in found.items()}
            found = {**left, (): found[()]}
        found[tasks] = kept
    return found


def judge_of(layers: Sequence[Layer], tasks: Sequence[str]) -> Judge:
    """The judge of a build that asks `tasks`.

    Args:
        layers: each above those before it, and all above the environment.
        tasks: that are asked.

    Raises:
        PipelineError: settings that cannot be, or that would be without effect.
    """
    from vidalign.judge.environment import judge_of_settings, settings_from_env
    from vidalign.llm.client import LLMJudge
    from vidalign.stages.errors import PipelineError

    try:
        settings: Settings = dict(settings_from_env())
        for given, call in layers:
            settings = above(given, settings)
            for own in filter(None, given):
                if MODEL not in settings[own]:
                    of = ",".join(own)
                    raise ValueError(
                        f"{call(next(iter(given[own])))} {of}=...: give the tasks' judge as well, --judge {of}=MODEL"
                    )
        judge = judge_of_settings(settings, {TOYWORLD: _toyworld})
    except ValueError as error:
        raise PipelineError(f"the judge's settings: {error}") from None
    for given, call in layers:
        for own, setting in [(own, setting) for own, values in given.items() for setting in values]:
            others = [] if own else [task for other in settings for task in other]
            asked = [task for task in tasks if (task in own if own else task not in others)]
            if not asked:
                of = f"the task {', '.join(own)}" if own else "tasks without a judge of their own"
                raise PipelineError(
                    f"{call(setting)} is for {of}, and this build asks {', '.join(tasks)}; leave it out"
                )
            if setting != MODEL and not isinstance(judge.of(asked[0]), LLMJudge):
                raise PipelineError(
                    f"{call(setting)} is for a model, and the judge is the offline one: name a model with --judge"
                )
    return judge


def option_of(setting: str) -> str:
    """The option that sets a setting."""
    return next((option.name for option in OPTIONS if option.setting == setting), setting)


def _assigned(option: Option, text: str) -> tuple[Tasks, Any]:
    """Reads VALUE or TASK,...=VALUE."""
    names, sign, rest = text.partition("=")
    # No model's name has an equals sign behind words alone: that is a task mistyped.
    mistyped = option.setting == MODEL and re.fullmatch(r"[a-z_, ]+", names)
    named = sign and (mistyped or all(name.strip() in TASKS for name in names.split(",")))
    try:
        tasks, value = (tasks_of(names), rest) if named else ((), text)
    except ValueError as error:
        raise ValueError(f"argument {option.name}: {error}") from None
    try:
        return tasks, option.kind(value)
    except ValueError:
        raise ValueError(f"argument {option.name}: invalid {option.kind.__name__} value: {text!r}") from None


def _toyworld() -> Judge:
    # By name: the toy world stands above everything else here, which its judge is for.
    return importlib.import_module("vidalign.toyworld.degrade").ToyDegrader()
