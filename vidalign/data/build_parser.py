"""The parser of a build: the options of its function, of the run, and of the judge."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from vidalign.commands.options import FunctionParser
from vidalign.data import judge_options
from vidalign.data.builds import Build
from vidalign.generate.options import ModelOptions
from vidalign.llm.question import Judge
from vidalign.stages.run import Run

_RECIPES = Path(__file__).resolve().parents[1] / "recipes"
_EPILOG = "A build that was stopped goes on where it was when it is started again."


class BuildParser(FunctionParser):
    """Args:
    build: its function and the tasks that it asks a judge.
    prog: the command as it is called.
    """

    def __init__(self, build: Build, prog: str) -> None:
        self._tasks, self._of_files = build.tasks, judge_options.Settings()
        skip = ("judge", "options", "logps", "run", "progress", "processes", *build.without)
        function = build.load()
        self._samples = "options" in inspect.signature(function).parameters
        settings = [ModelOptions, Run] if self._samples else [Run]
        super().__init__(function, prog, settings=settings, skip=skip, epilog=_EPILOG if build.tasks else "")

    def add_further(self) -> None:
        if not self._tasks:
            return
        group = self.add_argument_group("judge", judge_options.ABOUT)
        for option in judge_options.OPTIONS:
            group.add_argument(option.name, action="append", metavar=option.metavar, help=option.help)

    def parse(self, args: Sequence[str]) -> Namespace:
        parsed = super().parse(args)
        if self._tasks:
            self._of_words(parsed)  # so that a wrong value is told before anything else
        return parsed

    def arguments(self, parsed: Namespace) -> dict[str, Any]:
        own = super().arguments(parsed)
        return {**own, "options": self.setting(ModelOptions, parsed)} if self._samples else own

    def judge(self, parsed: Namespace) -> Judge | None:
        """Who is asked, if anybody. Raises PipelineError: settings that cannot be, or that would be without effect."""
        if not self._tasks:
            return None
        words = self._of_words(parsed)
        layers: list[judge_options.Layer] = [(self._of_files, str), (words, judge_options.option_of)]
        return judge_options.judge_of(layers, self._tasks)

    def read(self, file: str) -> dict[str, Any]:
        """As a parser's, also of a file that comes with the package: `avc_dpo/build`, with or without `recipes/` and `.yaml`."""
        name = file.removesuffix(".yaml").removeprefix("recipes/")
        own = _RECIPES / f"{name}.yaml"
        return super().read(str(own) if not Path(file).is_file() and own.is_file() else file)

    def keys(self) -> list[str]:
        return [*super().keys(), *(judge_options.KEYS if self._tasks else ())]

    def values_of(self, given: dict[str, Any]) -> dict[str, Any]:
        if not self._tasks:
            return super().values_of(given)
        judges = {key: given[key] for key in judge_options.KEYS if key in given}
        try:
            self._of_files = judge_options.above(judge_options.of_file(judges), self._of_files)
        except ValueError as error:
            self.error(str(error))
        return super().values_of({key: value for key, value in given.items() if key not in judges})

    def given(self, parsed: Namespace) -> dict[str, Any]:
        own = {key: parsed[key] for key in super().keys()}  # noqa: SIM118
        if not self._tasks:
            return own
        settings = judge_options.above(self._of_words(parsed), self._of_files)
        return {**own, **judge_options.as_file(settings)}

    def _of_words(self, parsed: Namespace) -> judge_options.Settings:
        try:
            return judge_options.of_words(
                {option.key: parsed[option.key] for option in judge_options.OPTIONS}
            )
        except ValueError as error:
            self.error(str(error))
