"""`vidalign caption MODEL ROWS OUT`, and the same in each process of `accelerate launch -m vidalign.generate MODEL ROWS OUT`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidalign.commands.options import FunctionParser

_EPILOG = (
    "A run that was stopped goes on where it was when it is started again. On several GPUs: accelerate launch -m "
    "vidalign.generate with the same arguments."
)


def add_parser(commands: Any) -> None:
    """Adds `caption` to the subparsers of the command line, which are of `vidalign.commands.lazy.LazyParser`."""
    about = "a model's captions of videos, or its answers to several prompts"
    commands.add_parser("caption", help=about, make=parser)


def parser(prog: str) -> FunctionParser:
    """The options of `vidalign.generate.caption.caption`."""
    from vidalign.commands.options import FunctionParser
    from vidalign.generate.caption import caption
    from vidalign.stages.run import Run

    skip = ("run", "window", "progress", "processes")
    return FunctionParser(caption, prog, settings=[Run], skip=skip, epilog=_EPILOG)


def run(args: argparse.Namespace) -> int:
    """The exit code, see `vidalign.commands.ending.Ending`."""
    from vidalign.commands.ending import Ending
    from vidalign.stages.processes import Processes
    from vidalign.stages.run import Run, report

    processes = Processes.of_launch()
    with Ending(ValueError) as ending:
        how = args.parser.setting(Run, args.parsed, progress=True, processes=processes)
        done = args.parser.function(**args.parser.arguments(args.parsed), run=how)
        if not processes.rank:
            report(done, args.parsed.output)
    return ending.code
