"""`vidalign build chains`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from vidalign.data.commands.kind import Kind, add_restart, left_out

if TYPE_CHECKING:
    from vidalign.llm.question import Judge

_SHOWN = 20  # rows named for one reason


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rows", metavar="ROWS", help="a .jsonl or .parquet file with a full caption a row")
    parser.add_argument("output", metavar="OUT", help="the folder to write: a dataset with a card")
    parser.add_argument(
        "--method",
        default="degrade",
        metavar="NAME",
        help="degrade: one error more each, of a drawn type (default); unconditioned: of the model's choice; inject: the "
        "first caption with one error of its own each",
    )
    parser.add_argument("--length", type=int, default=5, metavar="K", help="captions of a chain (default: 5)")
    parser.add_argument(
        "--min-length", type=int, default=2, metavar="K", help="of the shortest that is written (default: 2)"
    )
    parser.add_argument(
        "--types", metavar="NAME,...", help="of error, to draw from (default: all that fit the caption)"
    )
    parser.add_argument(
        "--tries",
        type=int,
        default=3,
        metavar="N",
        help="failed answers a step, then the chain ends (default: 3)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: 0)")
    parser.add_argument(
        "--prompt", metavar="TEXT", help="of rows without one (default: Describe the video in detail.)"
    )
    parser.add_argument(
        "--column", metavar="NAME", help="of the captions (default: the first of caption, completion)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="take the first N rows only")
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="leave out the rows that the judge has no usable answer for",
    )
    add_restart(parser)


def _run(args: argparse.Namespace, judge: Judge | None) -> None:
    from vidalign.data.chains import build_chains

    given = {} if args.prompt is None else {"prompt": args.prompt}
    types = None if args.types is None else [name.strip() for name in args.types.split(",") if name.strip()]
    built = build_chains(
        args.rows,
        args.output,
        judge,
        method=args.method,
        length=args.length,
        min_length=args.min_length,
        types=types,
        tries=args.tries,
        seed=args.seed,
        column=args.column,
        limit=args.limit,
        restart=args.restart,
        allow_missing=args.allow_missing,
        progress=True,
        **given,
    )
    print(f"{built.rows} chains with {built.captions} captions written to {args.output}")
    for what, counts in (
        ("chains that ended early", built.ended),
        ("answers that did not count", built.rejected),
        ("types of error", built.types),
    ):
        if counts:
            print(f"{what}: {', '.join(f'{name} {count}' for name, count in counts.most_common())}")
    if built.media_root is not None:
        print(f"the videos lie outside {args.output}: train with --media_root {built.media_root}")
    for line in left_out({**built.left_out, **built.missing}, _SHOWN):
        print(line, file=sys.stderr)


KIND = Kind(
    help="full captions -> chains of captions that have one error more each, for ranking",
    usage="ROWS OUT [--judge MODEL] [options]",
    options=_options,
    run=_run,
    tasks=("degrade",),
)
