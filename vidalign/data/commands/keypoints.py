"""`vidalign build keypoints`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from vidalign.data.commands.kind import Kind, add_restart, left_out

if TYPE_CHECKING:
    from vidalign.llm.question import Judge


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("captions", metavar="CAPTIONS", help="a .jsonl or .parquet file")
    parser.add_argument("output", metavar="OUTPUT", help="the .jsonl or .parquet file to write")
    parser.add_argument(
        "--column", metavar="NAME", help="of the captions (default: the first of caption, completion)"
    )
    parser.add_argument(
        "--no-dialogue", action="store_true", help="keypoints only: one question a row, not two"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace columns that are there already")
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="leave out the rows that the judge has no usable answer for",
    )
    add_restart(parser)


def _run(args: argparse.Namespace, judge: Judge | None) -> None:
    from vidalign.data.keypoints import build_keypoints

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
    for line in left_out(built.missing):
        print(line, file=sys.stderr)


KIND = Kind(
    help="reference captions -> keypoints and dialogue, which online training is rewarded by",
    usage="CAPTIONS OUTPUT [--judge MODEL] [options]",
    options=_options,
    run=_run,
    tasks=("keypoints", "dialogue"),
)
