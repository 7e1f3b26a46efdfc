"""The comparison of the methods on pairs."""

from __future__ import annotations

import shutil
from pathlib import Path

from vidalign.toyworld.captions import caption, statements
from vidalign.toyworld.demo.comparison import compare
from vidalign.toyworld.demo.ground import Ground, evaluate
from vidalign.toyworld.demo.measures import Run
from vidalign.toyworld.demo.methods import PAIR_METHODS
from vidalign.toyworld.demo.results import Example, PairCount, PairStudy
from vidalign.toyworld.demo.workers import Entry, Workers


def study_pairs(ground: Ground, workers: Workers, pairs: PairCount) -> PairStudy:
    entries = [Entry("pairs", method) for method in PAIR_METHODS]
    trials, runs = compare(
        ground,
        workers,
        entries,
        ground.settings.pairs.rates,
        lambda model, split: evaluate(ground.bench, model, ground.split(split)),
    )
    by_method = {entry.method: runs[entry] for entry in entries}
    return PairStudy(
        pairs=pairs,
        trials={entry.method: trials[entry] for entry in entries},
        runs=by_method,
        examples=_examples(ground, by_method),
    )


def _examples(ground: Ground, runs: dict[str, list[Run]]) -> list[Example]:
    """The first test clips, not chosen ones; captions of each method's first seed."""
    target = ground.out / "clips"
    target.mkdir(exist_ok=True)
    said = {"SFT": ground.base} | {method: of_method[0] for method, of_method in runs.items()}
    examples = []
    for index, (video, scene) in enumerate(ground.test.clips[: ground.settings.examples]):
        name = Path(video).name
        shutil.copyfile(ground.bench.world / video, target / name)
        spans = {
            title: [(piece.text, piece.right) for piece in statements(run.evaluation.captions[index], scene)]
            for title, run in said.items()
        }
        examples.append(Example(f"{target.name}/{name}", caption(scene), spans))
    return examples
