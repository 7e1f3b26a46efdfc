"""`vidalign build ...`: options, messages and exit codes. What a build needs is imported when it runs."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from vidalign.build import judge_options


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a scheduler sends it before it kills."""


def add_parser(commands: Any) -> None:
    """Adds `build` to the subparsers of the command line."""
    build = commands.add_parser("build", help="build training data", allow_abbrev=False)
    kinds = build.add_subparsers(dest="build", required=True, metavar="KIND")
    keypoints = kinds.add_parser(
        "keypoints",
        help="reference captions -> keypoints and dialogue, which online training is rewarded by",
        usage="vidalign build keypoints CAPTIONS OUTPUT [--judge MODEL] [options]",
        epilog="A build that was stopped goes on where it was when it is started again.",
        allow_abbrev=False,
    )
    keypoints.add_argument("captions", metavar="CAPTIONS", help="a .jsonl or .parquet file")
    keypoints.add_argument("output", metavar="OUTPUT", help="the .jsonl or .parquet file to write")
    keypoints.add_argument(
        "--column", metavar="NAME", help="of the captions (default: the first of caption, completion)"
    )
    keypoints.add_argument(
        "--no-dialogue", action="store_true", help="keypoints only: one question a row, not two"
    )
    keypoints.add_argument("--overwrite", action="store_true", help="replace columns that are there already")
    keypoints.add_argument(
        "--allow-missing",
        action="store_true",
        help="leave out the rows that the judge has no usable answer for",
    )
    keypoints.add_argument(
        "--restart", action="store_true", help="throw away what an earlier run left for this output"
    )
    judge_options.add(keypoints)


def run(args: argparse.Namespace) -> int:
    """The exit code: 0; 1: rows are missing or the judge gave up; 2: the user has to mend it; 128 + signal."""
    from vidalign.build.journal import BuildError
    from vidalign.build.keypoints import MissingRows, build_keypoints
    from vidalign.judge.ledger import JudgeError
    from vidalign.rows import BadRows

    judge, code = None, 0
    try:
        with _sigterm_as_exception():
            judge = judge_options.judge_of(args)
            print(f"judge: {judge!r}", flush=True)
            built = build_keypoints(
                args.captions,
                args.output,
                judge,
                column=args.column,
                dialogue=not args.no_dialogue,
                overwrite=args.overwrite,
                restart=args.restart,
                allow_missing=args.allow_missing,
                progress=True,
            )
        print(f"{built.rows} rows written to {args.output}")
        for line in _left_out(built.missing):
            print(line, file=sys.stderr)
    except (BuildError, BadRows, OSError) as error:
        code = _say(error, str(error), 2)
    except (MissingRows, JudgeError) as error:
        code = _say(error, str(error), 1)
    except KeyboardInterrupt as error:
        _drop_requests()
        sent = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
        code = _say(error, f"stopped by {sent.name}", 128 + sent)
    if judge is not None and judge.ledger.asked:
        print(judge.ledger)
    return code


def _say(error: BaseException, message: str, code: int) -> int:
    print("\n".join([f"vidalign: {message}", *getattr(error, "__notes__", [])]), file=sys.stderr)
    return code


def _drop_requests() -> None:
    """Ends the judge's requests whose asker is gone, which would else complain of the process's end."""
    import asyncio

    from vidalign.judge import background

    async def drop() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with suppress(TimeoutError):
        background.submit(drop()).result(timeout=5)


def _left_out(missing: Mapping[int, str]) -> list[str]:
    by_reason: dict[str, list[str]] = {}
    for index, reason in missing.items():
        by_reason.setdefault(reason, []).append(str(index))
    return [f"left out ({reason}): row {', '.join(rows)}" for reason, rows in by_reason.items()]


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
