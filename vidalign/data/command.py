"""`vidalign build KIND ROWS OUT`, and the same in each process of `accelerate launch -m vidalign.data KIND ROWS OUT`."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING, Any

from vidalign.commands.lazy import LazyParser
from vidalign.data.builds import BUILDS

if TYPE_CHECKING:
    from vidalign.commands.options import FunctionParser

_GUESSED = (
    "Nothing was asked. Tokens are guessed from the texts; a video and a model's thoughts come on top, and answers in the judge's "
    "cache cost nothing."
)


def add_parser(commands: Any) -> None:
    """Adds `build` to the subparsers of the command line."""
    add_kinds(commands.add_parser("build", help="build training data", allow_abbrev=False))


def add_kinds(parser: argparse.ArgumentParser) -> None:
    """Adds a subcommand for each of `BUILDS`. What it takes is found out when it is called."""
    kinds = parser.add_subparsers(dest="build", required=True, metavar="KIND", parser_class=LazyParser)
    for name, build in BUILDS.items():
        kinds.add_parser(name, help=build.help, make=partial(_parser, name))


def run(args: argparse.Namespace) -> int:
    """The exit code, see `vidalign.commands.ending.Ending`."""
    from vidalign.commands.ending import Ending
    from vidalign.data.judged import accounts
    from vidalign.stages.processes import Processes
    from vidalign.stages.run import Run, report

    parser, parsed, judge = args.parser, args.parsed, None
    processes = Processes.of_launch()
    with Ending() as ending:
        judge = parser.judge(parsed)
        if judge is not None and not processes.rank:
            print(f"judge: {judge!r}", flush=True)
        asked = {} if judge is None else {"judge": judge}
        run = parser.setting(Run, parsed, progress=True, processes=processes)
        built = parser.function(**parser.arguments(parsed), **asked, run=run)
        if not processes.rank:
            report(built, parsed.output)
        if built.estimate is not None and not processes.rank:
            print(_GUESSED)
    if judge is not None and judge.ledger.asked:
        named = f"process {processes.rank}: " if processes.world_size > 1 else ""
        print("\n".join(f"{named}{line}" for line in accounts(judge)), flush=True)
    return ending.code


def _parser(name: str, prog: str) -> FunctionParser:
    from vidalign.data.build_parser import BuildParser

    return BuildParser(BUILDS[name], prog)
