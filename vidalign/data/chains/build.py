"""Rows with captions -> a dataset of chains on disk."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from vidalign.data.chains.errors import types_named
from vidalign.data.chains.grow import METHODS, Plan, grow
from vidalign.data.chains.rows import PROMPT, ChainRows
from vidalign.data.chains.summary import BuiltChains, card, summary
from vidalign.data.costs import Asks
from vidalign.data.costs import length as bytes_of
from vidalign.data.derived import build_folder, loading
from vidalign.data.judged import judge_or_default, names_of, shown_name, stage_of
from vidalign.judge.lexical import LexicalJudge
from vidalign.judge.tasks import degrade
from vidalign.llm.question import Judge
from vidalign.stages import MissingRows
from vidalign.stages.errors import PipelineError
from vidalign.stages.media_paths import MediaPaths
from vidalign.stages.run import Run
from vidalign.stages.tables import open_rows

_TASKS = ("degrade",)


def build_chains(
    rows: str | os.PathLike[str] | Iterable[Mapping[str, Any]],
    output: str | os.PathLike[str],
    judge: Judge | None = None,
    *,
    method: str = "degrade",
    length: int = 5,
    min_length: int = 2,
    types: Sequence[str] | None = None,
    tries: int = 3,
    seed: int = 0,
    prompt: str = PROMPT,
    column: str | None = None,
    limit: int | None = None,
    run: Run | None = None,
) -> BuiltChains:
    """Writes `OUTPUT/train.jsonl` and a card: a row for each chain that is long enough, in the input's order.

    A build that was stopped, by whatever, goes on when it is called again: finished chains are kept, and of those under way
    the judge's cache has the steps.

    Args:
        rows: a JSONL or Parquet file with a full caption a row; in Python also mappings that can be gone through more than
            once. `videos` are optional.
        output: the folder to write.
        judge: default the environment's (`VIDALIGN_JUDGE`). The offline one for rewards cannot degrade captions.
        method: degrade: each caption has one error more, of a drawn type; unconditioned: of the model's choice; inject: each
            is the first caption with one error of its own.
        length: captions of a whole chain, ≥ 2.
        min_length: captions of the shortest chain that is a row, from 2.
        types: of error, that are drawn from; default all. Several in turn, or with commas between them.
        tries: questions of a step whose answer is no step, ≥ 1, after which the chain ends. Refusals are not among them:
            each takes its type out of the chain.
        seed: of the draws of types.
        prompt: of rows without `prompt`.
        column: of the full captions, strings or messages; default the first of `caption`, `completion`.
        limit: takes the first rows only.
        run: how it runs.

    Raises:
        PipelineError: arguments, files, columns or an earlier run do not fit; before any question.
        BadRows: rows without a caption; before any question.
        MissingRows: there is no usable answer for some rows, or no row has a chain; the next call goes on.
        JudgeError: no further question can be answered.
    """
    plan = _plan(method, length, min_length, None if types is None else names_of(types), tries, seed)
    judge = judge_or_default(judge, _TASKS)
    if isinstance(judge.of("degrade"), LexicalJudge):
        raise PipelineError(
            "the judge 'lexical' cannot put errors into captions: name a model with --judge, or give --judge toyworld for "
            "captions of the toy world"
        )
    if limit is not None and limit < 1:
        raise PipelineError(f"limit={limit}; the least is 1")
    if not prompt.strip():
        raise PipelineError("the prompt is empty; a model is asked something")
    source = open_rows(rows)
    given = ChainRows(source, column, prompt, limit)
    given.check()
    settings = {
        "build": "chains",
        "method": method,
        "length": length,
        "min_length": min_length,
        "types": [kind.name for kind in plan.types],
        "tries": tries,
        "seed": seed,
    }
    rejected = Counter[str]()
    stage = stage_of(
        "chains",
        lambda caption: _work(caption, judge, plan, rejected),
        settings,
        judge,
        _TASKS,
        run or Run(),
        lambda caption: [_asks(caption, plan)],
    )
    further = {
        "captions": f"column {given.column}",
        "columns left out": ", ".join(given.dropped) or None,
        "limit": limit,
    }

    def summarise(results: Iterator[Any], missing: Mapping[int, str], media_root: Path | None) -> BuiltChains:
        built = summary(results, min_length, missing, media_root)
        if not built.rows:
            raise MissingRows(_no_chain(source.name, built, min_length), built.left_out)
        return built

    def written(results: Iterator[Any], media: MediaPaths) -> Iterator[dict[str, Any]]:
        for row, result in zip(given.rows(), results, strict=True):
            if result and len(result["captions"]) + 1 >= min_length:
                yield given.row(row, result, media, method != "inject")

    return build_folder(
        BuiltChains,
        [stage],
        given,
        output,
        judge,
        source,
        (given.rows(), source.folder),
        summarise=summarise,
        rows=written,
        card=lambda built, folder: card(
            built, plan, shown_name(judge, _TASKS), further, loading(built.media_root, folder)
        ),
        run=run,
        shown={"rejected": rejected.total},
    )


async def _work(caption: str, judge: Judge, plan: Plan, rejected: Counter[str]) -> dict[str, Any]:
    return (await grow(caption, judge, plan, rejected)).as_json()


def _asks(caption: str, plan: Plan) -> Asks:
    """One question a step. At most each step has all its tries, and each type of error is refused once."""
    kind = None if plan.method == "unconditioned" else plan.types[0]
    question = degrade.question(caption, *((None, "") if kind is None else (kind.name, kind.meaning)))
    steps = plan.length - 1
    most = steps * plan.tries + (0 if kind is None else len(plan.types))
    return Asks(question, bytes_of(caption) + 40, times=steps, most=most)


def _plan(
    method: str, length: int, min_length: int, types: Sequence[str] | None, tries: int, seed: int
) -> Plan:
    if method not in METHODS:
        raise PipelineError(f"method={method!r}; known are {', '.join(METHODS)}")
    if method == "unconditioned" and types is not None:
        raise PipelineError(
            f"types={','.join(types)} with method=unconditioned, which gives the model no type; leave one out"
        )
    if length < 2:
        raise PipelineError(f"length={length}; a chain has at least 2 captions")
    if not 2 <= min_length <= length:
        raise PipelineError(f"min_length={min_length}; it is 2 to length={length}")
    if tries < 1:
        raise PipelineError(f"tries={tries}; the least is 1")
    return Plan(method, length, min_length, types_named(types), tries, seed)


def _no_chain(name: str, built: BuiltChains, minimum: int) -> str:
    reasons = Counter(built.left_out.values())
    told = ", ".join(f"{reason} {count}" for reason, count in islice(reasons.most_common(), 5))
    hint = ""
    if set(reasons) == {"no_type"}:
        hint = " Their words name no type of error: captions in other languages than English need --method unconditioned."
    return f"{name}: no row has a chain of {minimum} captions ({told}), so nothing was written.{hint} Other options need --resume restart"
