"""`vidalign build question-chains`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vidalign.data.commands import derived
from vidalign.data.commands.kind import Kind

if TYPE_CHECKING:
    from vidalign.llm.question import Judge


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "chains", metavar="CHAINS", help="a folder that `build chains` wrote, or a .jsonl or .parquet file"
    )
    parser.add_argument("output", metavar="OUT", help="the folder to write: a dataset with a card")
    parser.add_argument(
        "--kinds",
        default="choices,yes-no",
        metavar="NAME,...",
        help="choices: one question, its options ranked; yes-no: a question a caption, ranked for the answer no (default: both)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the options' order (default: 0)")
    derived.add_tries(parser)
    derived.add_media(parser)
    derived.add_run(parser)


def _run(args: argparse.Namespace, judge: Judge | None) -> None:
    from vidalign.data.questions import build_question_chains

    built = build_question_chains(
        args.chains,
        args.output,
        judge,
        kinds=[name.strip() for name in args.kinds.split(",") if name.strip()],
        seed=args.seed,
        **derived.given(args),
    )
    derived.report(built, args.output)


KIND = Kind(
    help="caption chains -> multiple-choice and yes-or-no questions, for ranking",
    usage="CHAINS OUT [--kinds choices,yes-no] [--judge MODEL] [options]",
    options=_options,
    run=_run,
    tasks=("choices", "yes_no"),
)
