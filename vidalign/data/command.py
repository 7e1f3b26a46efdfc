"""`vidalign build KIND`: errors, signals and exit codes. The kinds are in `vidalign.data.commands`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from vidalign.data import judge_options
from vidalign.data.commands import KINDS


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a scheduler sends it before it kills."""


def add_parser(commands: Any) -> None:
    """Adds `build` to the subparsers of the command line."""
    build = commands.add_parser("build", help="build training data", allow_abbrev=False)
    kinds = build.add_subparsers(dest="build", required=True, metavar="KIND")
    for name, kind in KINDS.items():
        parser = kinds.add_parser(
            name,
            help=kind.help,
            usage=f"vidalign build {name} {kind.usage}",
            epilog=kind.epilog,
            allow_abbrev=False,
        )
        kind.options(parser)
        if kind.tasks:
            judge_options.add(parser)


def run(args: argparse.Namespace) -> int:
    """The exit code: 0; 1: rows are missing or the judge gave up; 2: the user has to mend it; 128 + signal."""
    from vidalign.data.judged import accounts
    from vidalign.llm.ledger import JudgeError
    from vidalign.rows import BadRows
    from vidalign.stages.errors import MissingRows, PipelineError

    judge, code = None, 0
    kind = KINDS[args.build]
    try:
        with _sigterm_as_exception():
            if kind.tasks:
                judge = judge_options.judge_of(args, kind.tasks)
                print(f"judge: {judge!r}", flush=True)
            kind.run(args, judge)
    except (PipelineError, BadRows, OSError) as error:
        code = _say(error, str(error), 2)
    except (MissingRows, JudgeError) as error:
        code = _say(error, str(error), 1)
    except KeyboardInterrupt as error:
        sent = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
        code = _say(error, f"stopped by {sent.name}", 128 + sent)
    if judge is not None and judge.ledger.asked:
        print("\n".join(accounts(judge)))
    return code


def _say(error: BaseException, message: str, code: int) -> int:
    print("\n".join([f"vidalign: {message}", *getattr(error, "__notes__", [])]), file=sys.stderr)
    return code


@contextmanager
def _sigterm_as_exception() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():  # where no handler can be set
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
