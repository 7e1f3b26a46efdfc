"""Candidates of the fresh clips -> the files that the methods learn from: preference, best and probe."""

from __future__ import annotations

from statistics import fmean

from demo.checkpoint import Setup
from demo.results import PairCount
from vidalign.rows import MediaFolder, validate
from vidalign.toyworld import world
from vidalign.toyworld.captioner import write_captions
from vidalign.toyworld.model import load_model
from vidalign.toyworld.pairs import best_and_worst


def make_pairs(setup: Setup) -> PairCount:
    """Rows in "probe" are those that no method trains on."""
    settings, runner = setup.settings.pairs, setup.runner
    setup.progress.start("pairs: sample candidates")
    candidates = write_captions(
        load_model(str(setup.checkpoint)),
        runner.processor,
        setup.fresh.prompts,
        samples=settings.candidates,
        temperature=settings.temperature,
        seed=setup.settings.seed,
        progress=setup.progress.update,
    )
    pairs, ties = best_and_worst(setup.fresh.clips, candidates)
    preferences = [world.preference_row(pair.video, pair.chosen, pair.rejected) for pair in pairs]
    kept = pairs[settings.probes :]
    files = {
        "probe": ("preference", preferences[: settings.probes]),
        "preference": ("preference", preferences[settings.probes :]),
        "best": ("supervised", [world.supervised_row(pair.video, pair.chosen[0]) for pair in kept]),
    }
    for name, (kind, rows) in files.items():
        validate(rows, kind, MediaFolder(runner.world), name=f"{name}.jsonl")
        world.write_jsonl(runner.world / f"{name}.jsonl", rows)
    setup.progress.done(f"{len(pairs)} pairs of {len(candidates)} clips; {ties} clips had no best and worst")
    return PairCount(
        clips=len(candidates),
        kept=len(kept),
        probes=len(pairs) - len(kept),
        ties=ties,
        chosen=fmean(pair.chosen[1] for pair in kept),
        rejected=fmean(pair.rejected[1] for pair in kept),
    )
