"""`vidalign build pairs`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vidalign.data.commands import derived
from vidalign.data.commands.kind import Kind

if TYPE_CHECKING:
    from vidalign.llm.question import Judge


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rows", metavar="ROWS", help="a .jsonl or .parquet file with a model's responses")
    parser.add_argument("output", metavar="OUT", help="the folder to write: a dataset with a card")
    parser.add_argument(
        "--method",
        required=True,
        metavar="NAME",
        help="improve: `response` against a teacher's version of it; compare: the best of `responses` against the worst, "
        "each two compared in both orders; claims: the same by the number of wrong claims (RLAIF-V)",
    )
    parser.add_argument(
        "--column", metavar="NAME", help="of the responses (default: response for improve, else responses)"
    )
    parser.add_argument(
        "--caption-column",
        default="caption",
        metavar="NAME",
        help="of captions that are right, which a judge that sees no video needs (default: caption)",
    )
    derived.add_tries(parser)
    derived.add_media(parser)
    derived.add_run(parser)


def _run(args: argparse.Namespace, judge: Judge | None) -> None:
    from vidalign.data.pairs import build_pairs

    built = build_pairs(
        args.rows,
        args.output,
        args.method,
        judge,
        column=args.column,
        caption_column=args.caption_column,
        **derived.given(args),
    )
    derived.report(built, args.output)


KIND = Kind(
    help="a model's responses -> preference pairs, by a teacher or a judge",
    usage="ROWS OUT --method improve|compare|claims [--judge MODEL] [options]",
    options=_options,
    run=_run,
    tasks=("improve", "compare", "claims", "claim_check"),
)
