"""What a kind of build says of itself to the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidalign.llm.question import Judge

GOES_ON = "A build that was stopped goes on where it was when it is started again."


@dataclass(frozen=True)
class Kind:
    """One `vidalign build NAME`.

    help: one line for the list of kinds.
    usage: what follows the name.
    options: adds the options, without the judge's.
    run: builds, and prints what was written; errors are the caller's. It imports what it needs when it runs.
    tasks: what it asks a judge; without any, `run` gets None for it.
    epilog: the last paragraph of the help.
    """

    help: str
    usage: str
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Judge | None], None]
    tasks: tuple[str, ...] = ()
    epilog: str = GOES_ON


def add_restart(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--restart", action="store_true", help="throw away what an earlier run left for this output"
    )


def left_out(reasons: Mapping[int, str], shown: int | None = None) -> Iterator[str]:
    """A line a reason, which names the rows, at most `shown` of them."""
    by_reason: dict[str, list[str]] = {}
    for index, reason in reasons.items():
        by_reason.setdefault(reason, []).append(str(index))
    for reason, rows in by_reason.items():
        more = "" if shown is None or len(rows) <= shown else f" and {len(rows) - shown} more"
        yield f"left out ({reason}): row {', '.join(rows[:shown])}{more}"
