"""The parser of a build: the options of its function, of the run, and of the judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jsonargparse import Namespace

from vidalign.commands.options import FunctionParser
from vidalign.data import judge_options
from vidalign.data.builds import Build
from vidalign.llm.question import Judge
from vidalign.stages.run import Run

_EPILOG = "A build that was stopped goes on where it was when it is started again."


class BuildParser(FunctionParser):
    """Args:
    build: its function and the tasks that it asks a judge.
    prog: the command as it is called.
    """

    def __init__(self, build: Build, prog: str) -> None:
        self._tasks, self._of_files = build.tasks, judge_options.Settings()
        skip = ("judge", "run", "progress", "processes", *build.without)
        super().__init__(build.load(), prog, settings=[Run], skip=skip, epilog=_EPILOG if build.tasks else "")

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

    def judge(self, parsed: Namespace) -> Judge | None:
        """Who is asked, if anybody. Raises PipelineError: settings that cannot be, or that would be without effect."""
        if not self._tasks:
            return None
        words = self._of_words(parsed)
        layers: list[judge_options.Layer] = [(self._of_files, str), (words, judge_options.option_of)]
        return judge_options.judge_of(layers, self._tasks)

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
