"""The comparison of the methods on chains, each with the vision tower learning and frozen."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from demo.chains.data import Chains
from demo.chains.ordering import chain_logps
from demo.checkpoint import Setup, evaluate
from demo.comparison import compare
from demo.measures import Evaluation, Run, pairs_in_order
from demo.methods import CHAIN_METHODS, TOWERS
from demo.results import ChainExample, ChainStudy
from demo.workers import Entry, Workers
from vidalign.rows import text_of
from vidalign.toyworld.degrade import errors
from vidalign.toyworld.model import load_model


def study_chains(setup: Setup, workers: Workers, chains: Chains) -> ChainStudy:
    def measure(model: Any, split: str) -> Evaluation:
        return replace(
            evaluate(setup.runner, model, setup.split(split)),
            chain_logps=chain_logps(setup.runner, model, chains.held_out[split]),
        )

    entries = [Entry("chains", method, tower) for tower in TOWERS for method in CHAIN_METHODS]
    trials, runs = compare(setup, workers, entries, setup.settings.chains.rates, measure)
    checkpoint = load_model(str(setup.checkpoint))
    validation, base = (
        chain_logps(setup.runner, checkpoint, chains.held_out[split]) for split in ("validation", "test")
    )
    by_tower = {
        tower: {entry.method: runs[entry] for entry in entries if entry.tower == tower} for tower in TOWERS
    }
    return ChainStudy(
        chains=chains.count,
        trials={
            tower: {entry.method: trials[entry] for entry in entries if entry.tower == tower}
            for tower in TOWERS
        },
        runs=by_tower,
        base_logps=base,
        base_validation=fmean(map(pairs_in_order, validation)),
        example=_example(setup, chains, base, by_tower["trainable"]),
    )


def _example(
    setup: Setup, chains: Chains, base: list[list[float]], runs: dict[str, list[Run]]
) -> ChainExample:
    """The first test clip's chain, with the log-probs by the checkpoint and by each method's first seed."""
    rows = chains.held_out["test"][0]
    video = rows[0]["videos"][0]
    target = setup.out / "clips"
    target.mkdir(exist_ok=True)
    shutil.copyfile(setup.runner.world / video, target / Path(video).name)
    texts = [text_of(row["completion"]) for row in rows]
    logps = {"checkpoint": base[0]}
    logps |= {method: of_method[0].evaluation.chain_logps[0] for method, of_method in runs.items()}
    return ChainExample(
        video=f"{target.name}/{Path(video).name}",
        spans=[marked(text, texts[0]) for text in texts],
        logps=logps,
    )


def marked(text: str, reference: str) -> list[tuple[str, bool]]:
    """The caption in pieces, with whether each is as in the reference."""
    pieces, at = [], 0
    for place in errors(text, reference):
        pieces += [(text[at : place.start].strip(), True), (place.value, False)]
        at = place.end
    pieces.append((text[at:].strip(), True))
    return [piece for piece in pieces if piece[0]]
