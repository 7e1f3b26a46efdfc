"""The demo with sound itself, with the smallest numbers."""

import dataclasses
import io

import pytest
import torch

from demo.av.__main__ import main
from demo.av.checkpoint import prepare
from demo.av.settings import ARMS, FULL, REWARDS, Settings
from demo.av.stages import run_demo
from demo.av.training import continue_supervised, reinforce
from demo.progress import Progress
from vidalign.toyworld.sound.model import load_model

TINY = Settings(
    clips={"train": 12, "test": 8},
    shared=4,
    sft_steps=2,
    sft_warmup=0,
    sft_batch_size=4,
    steps=1,
    prompts=2,
    group=2,
    soft_limit=6,
    hard_limit=12,
    samples=2,
    examples=2,
    workers=1,
)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_both_ways_on_move_the_language_model_and_not_the_towers(tmp_path, threads):
    setup = prepare(TINY, tmp_path, Progress(io.StringIO()))
    for weights in (None, ARMS[FULL]):
        model = load_model(str(setup.checkpoint))
        before = {name: parameter.clone() for name, parameter in model.named_parameters()}
        if weights is None:
            measured = continue_supervised(setup.runner, TINY, model, seed=0)
        else:
            measured = reinforce(setup.runner, TINY, model, weights, seed=0)
            assert {f"rewards/{name}/mean" for name in REWARDS} <= set(measured.log[0])
            assert measured.log[0]["completions/max_length"] <= TINY.hard_limit
        moved = {n for n, parameter in model.named_parameters() if not torch.equal(before[n], parameter)}
        towers = ("visual.blocks", "visual.patch_embed", "audio_tower.layers", "audio_tower.conv")
        assert not any(part in name for name in moved for part in towers)
        # A group whose samples all score alike teaches nothing, so GRPO's step may be none.
        assert weights is not None or any("language_model.layers" in name for name in moved)


@pytest.mark.slow
def test_the_whole_path(tmp_path, threads):
    settings = dataclasses.replace(TINY, seeds=2)
    results = run_demo(settings, tmp_path, Progress(io.StringIO()))
    assert list(results.runs) == list(ARMS)
    for runs in results.runs.values():
        assert [run.seed for run in runs] == [0, 1]
        for run in runs:
            assert {how: len(found.captions) for how, found in run.evaluations.items()} == {
                "greedy": 8,
                "sampled": 8,
            }
    assert all((tmp_path / example.video).exists() for example in results.examples)
    assert not (tmp_path / "work").exists()


@pytest.mark.slow
def test_quick_mode(tmp_path, capsys, threads):
    main(["--quick", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert FULL in printed
    assert "findings of the paper" in printed
    assert (tmp_path / "report.html").stat().st_size > 50_000
    assert (tmp_path / "results.json").exists()


@pytest.mark.parametrize("wrong", [["--seeds", "0"], ["--workers", "0"]])
def test_numbers_that_cannot_be_are_refused(wrong, capsys):
    with pytest.raises(SystemExit):
        main(wrong)
    assert "give at least 1" in capsys.readouterr().err
