"""Results as the demo with sound would hand them on, small enough to check by hand."""

import dataclasses

import pytest

from demo.av.measures import Evaluation, Run
from demo.av.results import Example, Results
from demo.av.settings import ARMS, CONTINUED, FULL, REWARDS, Settings

ONLY_R_D, WITHOUT_R_L = list(ARMS)[1:3]
# Of six clips the last two are without speech.
DIALOGUE = {
    "SFT": [0.5, 0.7, 0.6, 0.6, 1.0, 0.0],
    CONTINUED: [0.5, 0.7, 0.6, 0.6, 1.0, 0.0],
    ONLY_R_D: [0.8, 0.9, 0.9, 0.8, 1.0, 1.0],
    WITHOUT_R_L: [0.8, 0.9, 0.9, 0.8, 1.0, 1.0],
    FULL: [0.9, 1.0, 1.0, 0.9, 1.0, 1.0],
}
RECALL = {
    "SFT": [0.4, 0.5, 0.4, 0.5, 0.4, 0.5],
    CONTINUED: [0.5, 0.4, 0.5, 0.4, 0.5, 0.4],
    ONLY_R_D: [0.4, 0.5, 0.4, 0.5, 0.4, 0.5],
    WITHOUT_R_L: [0.6, 0.7, 0.6, 0.6, 0.7, 0.6],
    FULL: [0.3, 0.3, 0.2, 0.3, 0.2, 0.3],
}


def run(arm, seed=0, shift=0.0):
    log = [{"step": step, "loss": 1.0 / step} for step in (10, 20, 30)]
    if "GRPO" in arm:
        log = [
            {
                "step": step,
                "kl": step / 100,
                "completions/mean_length": 30.0 + step,
                "length/over_soft_limit": 0.25 if arm == WITHOUT_R_L else 0.0,
                **{f"rewards/{name}/mean": step / 10 for name in REWARDS},
            }
            for step in (1, 2, 3)
        ]
    evaluation = Evaluation(
        captions=["a caption ."] * 6,
        dialogue=[value + shift for value in DIALOGUE[arm]],
        recall=RECALL[arm],
        collapsed=[0.0, 0.0, 1.0, 1.0, 0.0, 0.0] if arm == "SFT" else [0.0] * 6,
        length=[30.0, 31.0, 32.0, 33.0, 34.0, 35.0],
        speech=[True, True, True, True, False, False],
    )
    # Sampled captions come out like greedy ones, so that both give the same numbers.
    return Run(seed, log, 1.5, {"greedy": evaluation, "sampled": evaluation})


@pytest.fixture
def results():
    spans = {title: [("a red circle", True), ("moves <left> .", False)] for title in ("SFT", *ARMS)}
    return Results(
        settings=dataclasses.asdict(Settings()),
        environment={"vidalign": "0.1", "versions": "torch 2", "hardware": "a <fast> one", "time": "noon"},
        base=run("SFT"),
        runs={arm: [run(arm, 0), run(arm, 1)] for arm in ARMS},
        examples=[Example("clips/test-00000.mp4", "the background is grey .", spans)],
        seconds={"write the world": 3.0, "total": 10.0},
    )
