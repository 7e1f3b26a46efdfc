"""Examples in docstrings, run: losses, the pure parts of rewards, video, splits. A clip lies where they run."""

import doctest
import importlib
import inspect

import numpy as np
import pytest

import vidalign.losses
import vidalign.rewards
import vidalign.video
from vidalign.toyworld.world import write_clip

MODULES = (
    "vidalign.losses.chains",
    "vidalign.losses.pairs",
    "vidalign.report.markdown",
    "vidalign.report.model_card",
    "vidalign.rewards.checklist",
    "vidalign.rewards.dialogue",
    "vidalign.rewards.length",
    "vidalign.rewards.repetition",
    "vidalign.stages.splits",
    "vidalign.video.audio",
    "vidalign.video.clips",
    "vidalign.video.probe",
    "vidalign.video.read",
    "vidalign.video.size",
)
WITH_EXAMPLES = [
    *(getattr(vidalign.losses, name) for name in vidalign.losses.__all__),
    *(getattr(vidalign.rewards, name) for name in vidalign.rewards.__all__),
    *(getattr(vidalign.video, name) for name in vidalign.video.__all__),
]
FUNCTIONS = [value for value in WITH_EXAMPLES if inspect.isfunction(value)]
NOT_PURE = ("joint_rewards", "avocado_rewards")  # they make reward functions


@pytest.fixture
def clip(tmp_path, monkeypatch):
    """`clip.mp4` in the current folder: 2 s, 8 frames a second, 64 x 96, with a tone."""
    frames = np.zeros((16, 64, 96, 3), np.uint8)
    frames[:, 16:48, 32:64] = (200, 40, 40)
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)
    write_clip(tmp_path / "clip.mp4", frames, fps=8, sound=tone.astype(np.float32))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_hold(name, clip):
    told = []
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(importlib.import_module(name), name):
        runner.run(test, out=told.append)
    assert runner.failures == 0, "".join(told)
    assert runner.tries > 0, "no example"


@pytest.mark.parametrize("function", FUNCTIONS, ids=[function.__name__ for function in FUNCTIONS])
def test_every_public_function_has_one(function):
    if function.__name__ not in NOT_PURE:
        assert ">>> " in (function.__doc__ or "")
        assert function.__module__ in MODULES, "its examples are not run"
