"""Results as the demo would hand them on, small enough to check by hand."""

import dataclasses

import pytest

from vidalign.toyworld.demo.results import Evaluation, Example, PairCount, Results, Run, Trial
from vidalign.toyworld.demo.settings import METHODS, Settings

RECALL = {
    "SFT": [0.6, 0.4, 0.8, 0.6],
    "DPO": [0.5, 0.4, 0.6, 0.5],
    "SynPO": [0.8, 0.6, 1.0, 0.7],
    "SFT on best": [0.6, 0.6, 0.8, 0.6],
}


def run(method, seed=0, shift=0.0):
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
    return Run(
        seed=seed,
        rate=3e-4,
        log=log if method != "SFT on best" else [{"step": 10, "loss": 1.0}],
        probe=[(0, -2.0, -3.0), (20, -2.5 - shift, -9.0)],
        step_seconds=0.25,
        peak_mb=120.0 + seed,
        evaluation=Evaluation(["a caption ."] * 4, [value + shift for value in RECALL[method]], [0.5] * 4),
    )


@pytest.fixture
def results():
    spans = {
        title: [("the background is pink .", False), ("a red circle", True)] for title in ("SFT", *METHODS)
    }
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
        pairs=PairCount(clips=100, kept=60, probes=20, ties=20, chosen=0.9, rejected=0.3),
        trials={method: [Trial(1e-4, 0.4, 0.4), Trial(3e-4, 0.5, 0.5)] for method in METHODS},
        runs={method: [run(method, 0), run(method, 1, shift=0.1)] for method in METHODS},
        examples=[
            Example("clips/test-00000.mp4", "the background is grey . a red circle moves left .", spans)
        ],
        seconds={
            "write the world": 3.0,
            "try learning rates": 7.0,
            "total": 10.0,
        },
    )
