"""Results as the demo would hand them on, small enough to check by hand."""

import dataclasses

import pytest

from demo.measures import Evaluation, Run, Trial
from demo.results import (
    ChainCount,
    ChainExample,
    ChainStudy,
    Example,
    PairCount,
    PairStudy,
    Results,
)
from demo.settings import Settings

PAIR_METHODS = ("DPO", "SynPO", "SFT on best")
CHAIN_METHODS = ("SFT", "DPO", "MPO", "Ranking 3", "Ranking 5")
RECALL = {
    "SFT": [0.6, 0.4, 0.8, 0.6],
    "DPO": [0.5, 0.4, 0.6, 0.5],
    "SynPO": [0.8, 0.6, 1.0, 0.7],
    "SFT on best": [0.6, 0.6, 0.8, 0.6],
}
# Of the three pairs of each of four chains 3, 3, 2 and 0 are in order.
LOGPS = [[-1.0, -2.0, -3.0], [-1.0, -2.0, -3.0], [-1.0, -3.0, -2.0], [-3.0, -2.0, -1.0]]


def run(method, seed=0, shift=0.0, chain_logps=()):
    log = [
        {
            "step": step,
            "loss": 1.0 / step,
            **{
                f"{key}/{side}": -step / 10
                for key in ("logps_mean", "prob_geo", "grad")
                for side in ("chosen", "rejected")
            },
        }
        for step in (10, 20)
    ]
    recall = [value + shift for value in RECALL.get(method, RECALL["SFT"])]
    return Run(
        seed=seed,
        rate=3e-4,
        log=log if method != "SFT on best" else [{"step": 10, "loss": 1.0}],
        probe=[(0, -2.0, -3.0), (20, -2.5 - shift, -9.0)],
        step_seconds=0.25,
        peak_mb=120.0 + seed,
        evaluation=Evaluation(["a caption ."] * 4, recall, [0.5] * 4, [[*logps] for logps in chain_logps]),
    )


def pair_study():
    spans = {
        title: [("the background is pink .", False), ("a red circle", True)]
        for title in ("SFT", *PAIR_METHODS)
    }
    return PairStudy(
        pairs=PairCount(clips=100, kept=60, probes=20, ties=20, chosen=0.9, rejected=0.3),
        trials={method: [Trial(1e-4, 0.4, 0.4), Trial(3e-4, 0.5, 0.5)] for method in PAIR_METHODS},
        runs={method: [run(method, 0), run(method, 1, shift=0.1)] for method in PAIR_METHODS},
        examples=[
            Example("clips/test-00000.mp4", "the background is grey . a red circle moves left .", spans)
        ],
    )


def chain_study():
    better = [*LOGPS[:3], LOGPS[0]]  # the last chain is in order as well
    return ChainStudy(
        chains=ChainCount(train=90, test=4, lengths={4: 10, 5: 80}, errors={"colour": 200, "scene": 130}),
        trials={
            tower: {
                method: [Trial(1e-4, 0.4, 0.4, 0.6), Trial(3e-4, 0.5, 0.5, 0.7)] for method in CHAIN_METHODS
            }
            for tower in ("trainable", "frozen")
        },
        runs={
            tower: {
                method: [
                    run("SFT", seed, shift, better if method == "Ranking 5" else LOGPS) for seed in (0, 1)
                ]
                for method in CHAIN_METHODS
            }
            for tower, shift in (("trainable", 0.1), ("frozen", 0.0))
        },
        base_logps=LOGPS,
        base_validation=0.65,
        example=ChainExample(
            "clips/test-00000.mp4",
            [[("a red <circle>", True)], [("a", True), ("blue", False), ("<circle>", True)]],
            {"SFT checkpoint": [-2.0, -1.5], "Ranking 5": [-2.0, -3.0]},
        ),
    )


@pytest.fixture
def results():
    return Results(
        settings=dataclasses.asdict(Settings()),
        environment={
            "vidalign": "0.1 (commit abc)",
            "versions": "torch 2",
            "hardware": "a <fast> one",
            "time": "noon",
        },
        base=run("SFT"),
        base_validation=0.45,
        pairs=pair_study(),
        chains=chain_study(),
        seconds={
            "write the world": 3.0,
            "pairs: try learning rates": 7.0,
            "total": 10.0,
        },
    )
