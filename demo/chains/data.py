"""Reference captions -> chains, by the same build as `vidalign build chains`: for training, and of the test clips."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from demo.checkpoint import Setup
from demo.results import ChainCount
from demo.settings import CHAIN_LENGTH
from vidalign.data.chains import build_chains
from vidalign.rows import MediaFolder, chain_of, text_of, validate
from vidalign.stages import Run
from vidalign.toyworld import world
from vidalign.toyworld.degrade import ToyDegrader


@dataclass(frozen=True)
class Chains:
    """count: what there is for training and for the test. held_out: by split ("validation", "test"), supervised rows of each
    clip's chain, best first."""

    count: ChainCount
    held_out: dict[str, list[list[dict[str, Any]]]]


def make_chains(setup: Setup) -> Chains:
    """The files "chains" of the world, and "described" with the first caption of each for supervised training."""
    setup.progress.start("chains: degrade captions")
    train = _build(setup, "pairs")
    held_out = {split: _build(setup, split) for split in ("validation", "test")}
    # Beside the clips, where the paths start from, as all other files that the methods learn from.
    files = {"chains": ("ranked", train), "described": ("supervised", [_items(row)[0] for row in train])}
    for name, (kind, rows) in files.items():
        validate(rows, kind, MediaFolder(setup.runner.world), name=f"{name}.jsonl")
        world.write_jsonl(setup.runner.world / f"{name}.jsonl", rows)
    count = ChainCount(
        train=len(train),
        test=len(held_out["test"]),
        lengths=dict(sorted(Counter(len(row["ranked"]) for row in train).items())),
        errors=dict(Counter(error["type"] for row in train for error in row["errors"]).most_common()),
    )
    setup.progress.done(f"{len(train)} chains for training, {count.test} of test clips")
    return Chains(count, {split: list(map(_items, rows)) for split, rows in held_out.items()})


def _items(row: dict[str, Any]) -> list[dict[str, Any]]:
    """A chain as supervised rows."""
    return [world.supervised_row(item["videos"][0], text_of(item["completion"])) for item in chain_of(row)]


def _build(setup: Setup, split: str) -> list[dict[str, Any]]:
    """The dataset of chains that the command would leave, of a split's supervised rows."""
    setup.runner.work.mkdir(parents=True, exist_ok=True)
    output = setup.runner.work / f"chains-{split}"
    # Restarted, so that what an interrupted demo with other settings has left is not in the way.
    build_chains(
        setup.runner.world / f"{split}.jsonl",
        output,
        ToyDegrader(),
        length=CHAIN_LENGTH,
        run=Run(resume="restart"),
    )
    return world.read_jsonl(output / "train.jsonl")
