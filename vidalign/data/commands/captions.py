"""`vidalign build captions`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from vidalign.data.commands import derived
from vidalign.data.commands.kind import Kind, left_out

if TYPE_CHECKING:
    from vidalign.llm.question import Judge


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rows", metavar="ROWS", help="a .jsonl or .parquet file")
    parser.add_argument("output", metavar="OUT", help="the .jsonl or .parquet file to write")
    parser.add_argument(
        "--column", default="captions", metavar="NAME", help="of people's captions (default: captions)"
    )
    parser.add_argument(
        "--min-words", type=int, default=60, metavar="N", help="of a caption's words (default: 60)"
    )
    parser.add_argument(
        "--max-words", type=int, default=250, metavar="N", help="of a caption's words (default: 250)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a column `caption` that is there")
    derived.add_tries(parser)
    derived.add_media(parser)
    derived.add_run(parser)


def _run(args: argparse.Namespace, judge: Judge | None) -> None:
    from vidalign.data.recaption import build_captions

    built = build_captions(
        args.rows,
        args.output,
        judge,
        column=args.column,
        min_words=args.min_words,
        max_words=args.max_words,
        overwrite=args.overwrite,
        **derived.given(args),
    )
    print(f"{built.rows} rows written to {args.output}")
    for line in left_out(built.missing, derived.SHOWN):
        print(line, file=sys.stderr)


KIND = Kind(
    help="people's short captions and the video -> one detailed caption a row, which chains start from",
    usage="ROWS OUT [--min-words N] [--max-words N] [--judge MODEL] [options]",
    options=_options,
    run=_run,
    tasks=("recaption",),
)
