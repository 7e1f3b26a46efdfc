"""The judge's options on a command line. Each stands above the environment's setting of the same meaning."""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from vidalign.judge.question import Judge

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


def add(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "judge",
        "VIDALIGN_JUDGE and VIDALIGN_JUDGE_<SETTING> in the environment hold for what is not given here.",
    )
    group.add_argument(
        "--judge",
        metavar="MODEL",
        help="a model as litellm names it; 'lexical': offline, by rules; 'toyworld': the toy world's, for chains",
    )
    for option in OPTIONS:
        group.add_argument(
            option.name, dest=option.setting, type=option.kind, metavar=option.metavar, help=option.help
        )


def judge_of(args: argparse.Namespace) -> Judge:
    """Raises PipelineError for settings that cannot be."""
    from vidalign.judge.client import LLMJudge
    from vidalign.judge.environment import judge_from_env
    from vidalign.stages.errors import PipelineError

    given = [option for option in OPTIONS if getattr(args, option.setting) is not None]
    variables = {
        f"VIDALIGN_JUDGE_{option.setting.upper()}": getattr(args, option.setting) for option in given
    }
    if args.judge is not None:
        variables["VIDALIGN_JUDGE"] = args.judge
    with _environment({name: str(value) for name, value in variables.items()}):
        try:
            judge = (
                _toyworld() if os.environ.get("VIDALIGN_JUDGE", "").strip() == TOYWORLD else judge_from_env()
            )
        except ValueError as error:
            raise PipelineError(f"the judge's settings: {error}") from None
    if given and not isinstance(judge, LLMJudge):
        raise PipelineError(
            f"{given[0].name} is for a model, and the judge is the offline one: name a model with --judge"
        )
    return judge


def _toyworld() -> Judge:
    # By name: the toy world stands above everything else here, which its judge is for.
    return importlib.import_module("vidalign.toyworld.degrade").ToyDegrader()


@contextmanager
def _environment(variables: dict[str, Any]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
