"""From the methods of one part to their runs: a learning rate for each on validation clips, then every seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from demo.checkpoint import Setup, run_of
from demo.measures import Evaluation, Run, Trial
from demo.workers import Entry, Job, Outcome, Workers
from vidalign.toyworld.model import load_model


@dataclass
class Candidate:
    """An entry's best learning rate, and the run that used it."""

    rate: float
    outcome: Outcome


def compare(
    setup: Setup,
    workers: Workers,
    entries: Sequence[Entry],
    rates: Sequence[float],
    measure: Callable[[Any, str], Evaluation],
) -> tuple[dict[Entry, list[Trial]], dict[Entry, list[Run]]]:
    """measure: of a trained model, on the clips of a split, "validation" or "test"."""
    trials, best = _search(setup, workers, entries, rates, lambda model: measure(model, "validation"))
    return trials, _train(setup, workers, best, lambda model: measure(model, "test"))


def _search(
    setup: Setup,
    workers: Workers,
    entries: Sequence[Entry],
    rates: Sequence[float],
    measure: Callable[[Any], Evaluation],
) -> tuple[dict[Entry, list[Trial]], dict[Entry, Candidate]]:
    """Each entry's learning rate: the one with the best recall on the validation clips, among equals the smallest.

    A trial is a whole run with the first seed: a rate that does well in half the steps may ruin a model in all.
    """
    progress, seed = setup.progress, setup.settings.seed
    jobs = [Job(entry, rate, seed) for entry in entries for rate in rates]
    progress.start(f"{entries[0].part}: try learning rates")
    outcomes: dict[Job, Outcome] = {}
    found: dict[Job, Trial] = {}
    for job, outcome in workers.run(jobs):
        evaluation = measure(load_model(str(outcome.folder)))
        outcomes[job] = outcome
        order = evaluation.mean_order if evaluation.chain_logps else None
        found[job] = Trial(job.rate, evaluation.mean_recall, evaluation.mean_precision, order)
        progress.note(
            f"{job.entry.title} at {job.rate:g}: recall {evaluation.mean_recall:.3f} on validation clips"
        )
    trials = {entry: [found[Job(entry, rate, seed)] for rate in rates] for entry in entries}
    best = {}
    for entry, tried in trials.items():
        rate = max(tried, key=lambda trial: (trial.recall, -trial.rate)).rate
        best[entry] = Candidate(rate, outcomes[Job(entry, rate, seed)])
    progress.done(", ".join(f"{entry.title} {candidate.rate:g}" for entry, candidate in best.items()))
    return trials, best


def _train(
    setup: Setup,
    workers: Workers,
    best: dict[Entry, Candidate],
    measure: Callable[[Any], Evaluation],
) -> dict[Entry, list[Run]]:
    """Each entry at its rate with every seed, on the test clips. The first seed's run is that of the search."""
    settings, progress = setup.settings, setup.progress
    seeds = range(settings.seed, settings.seed + settings.seeds)
    progress.start(f"{next(iter(best)).part}: train with every seed")
    runs: dict[Job, Run] = {}

    def keep(job: Job, outcome: Outcome) -> None:
        run = run_of(job.seed, job.rate, outcome.measured, measure(load_model(str(outcome.folder))))
        runs[job] = run
        order = f", {run.evaluation.mean_order:.3f} of pairs in order" if run.evaluation.chain_logps else ""
        progress.note(
            f"{job.entry.title}, seed {job.seed}: recall {run.evaluation.mean_recall:.3f}{order} on test clips"
        )

    jobs = [Job(entry, candidate.rate, seed) for seed in seeds[1:] for entry, candidate in best.items()]
    outcomes = workers.run(jobs)
    for entry, candidate in best.items():
        keep(Job(entry, candidate.rate, settings.seed), candidate.outcome)
    for job, outcome in outcomes:
        keep(job, outcome)
    progress.done()
    return {
        entry: [runs[Job(entry, candidate.rate, seed)] for seed in seeds] for entry, candidate in best.items()
    }
