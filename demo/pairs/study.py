"""The comparison of the methods on pairs."""

from __future__ import annotations

import shutil
from pathlib import Path

from demo.checkpoint import Setup, evaluate
from demo.comparison import compare
from demo.measures import Run
from demo.methods import PAIR_METHODS
from demo.results import Example, PairCount, PairStudy
from demo.workers import Entry, Workers
from vidalign.toyworld.captions import caption, statements


def study_pairs(setup: Setup, workers: Workers, pairs: PairCount) -> PairStudy:
    entries = [Entry("pairs", method) for method in PAIR_METHODS]
    trials, runs = compare(
        setup,
        workers,
        entries,
        setup.settings.pairs.rates,
        lambda model, split: evaluate(setup.runner, model, setup.split(split)),
    )
    by_method = {entry.method: runs[entry] for entry in entries}
    return PairStudy(
        pairs=pairs,
        trials={entry.method: trials[entry] for entry in entries},
        runs=by_method,
        examples=_examples(setup, by_method),
    )


def _examples(setup: Setup, runs: dict[str, list[Run]]) -> list[Example]:
    """The first test clips, not chosen ones; captions of each method's first seed."""
    target = setup.out / "clips"
    target.mkdir(exist_ok=True)
    said = {"SFT": setup.base} | {method: of_method[0] for method, of_method in runs.items()}
    examples = []
    for index, (video, scene) in enumerate(setup.test.clips[: setup.settings.examples]):
        name = Path(video).name
        shutil.copyfile(setup.runner.world / video, target / name)
        spans = {
            title: [(piece.text, piece.right) for piece in statements(run.evaluation.captions[index], scene)]
            for title, run in said.items()
        }
        examples.append(Example(f"{target.name}/{name}", caption(scene), spans))
    return examples
