"""The options that several kinds of builds share, and what they print in the end."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from vidalign.data.commands.kind import add_restart, left_out

if TYPE_CHECKING:
    from vidalign.data.derived import Built

SHOWN = 20  # rows named for one reason


def add_tries(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tries",
        type=int,
        default=3,
        metavar="N",
        help="times that the model is asked, each time with what was wrong before (default: 3)",
    )


def add_media(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--media-root",
        metavar="FOLDER",
        help="where relative paths of videos start (default: the folder of the rows)",
    )
    parser.add_argument(
        "--media-allow",
        action="append",
        default=[],
        metavar="FOLDER",
        help="a further folder that paths may lead into; may be repeated",
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="leave out the rows that the judge has no usable answer for",
    )
    add_restart(parser)


def given(args: argparse.Namespace) -> dict[str, Any]:
    """What the options above stand for, as arguments of a build."""
    names = ("tries", "media_root", "media_allow", "restart", "allow_missing")
    return {"progress": True, **{name: getattr(args, name) for name in names}}


def report(built: Built, output: str) -> None:
    """Prints what came of a build that wrote a dataset folder."""
    print(f"{built.rows} rows written to {output}")
    for reason, count in built.left_out.items():
        print(f"no row ({reason}): {count}")
    for what, count in built.counts.items():
        print(f"{what}: {count}")
    if built.media_root is not None:
        print(f"the videos lie outside {output}: train with --media_root {built.media_root}")
    for line in left_out(built.missing, SHOWN):
        print(line, file=sys.stderr)
