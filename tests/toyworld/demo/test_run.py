"""The demo itself, with the smallest numbers, and its measuring instruments."""

import dataclasses
import io
import json

import pytest
import torch

from vidalign.rows import MediaFolder, validate
from vidalign.toyworld import world
from vidalign.toyworld.demo import meter
from vidalign.toyworld.demo.__main__ import main
from vidalign.toyworld.demo.progress import Progress
from vidalign.toyworld.demo.settings import METHODS, Settings, quick
from vidalign.toyworld.demo.stages import run_demo
from vidalign.toyworld.model import load_model

TINY = Settings(
    clips={"train": 64, "pairs": 12, "validation": 4, "test": 6},
    seeds=2,
    # Long enough to make sentences; before that, all candidates score nothing and none is best.
    sft_steps=40,
    sft_warmup=5,
    preference_steps=3,
    rates=(3e-4,),
    probes=3,
    batch_size=8,
    examples=2,
    workers=1,
)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def comparable(results):
    """Everything but what a clock or the kernel says."""
    found = dataclasses.asdict(results)
    found["seconds"] = found["environment"] = found["settings"]["workers"] = None
    clocks = ("step_seconds", "peak_mb")
    timings = ("train_runtime", "step_time")
    for run in [found["base"], *(run for runs in found["runs"].values() for run in runs)]:
        run.update(dict.fromkeys(clocks))
        run["log"] = [
            {key: value for key, value in entry.items() if key not in timings} for entry in run["log"]
        ]
    return json.dumps(found)


def test_the_whole_path(tmp_path, threads):
    stream = io.StringIO()
    results = run_demo(TINY, tmp_path, Progress(stream))
    assert list(results.runs) == list(METHODS)
    for method, runs in results.runs.items():
        assert [run.seed for run in runs] == [0, 1]
        assert len(runs[0].evaluation.recall) == 6
        assert runs[0].probe[0][1:] == pytest.approx(results.runs["DPO"][0].probe[0][1:])  # one checkpoint
        assert [step for step, *_ in runs[0].probe] == [0, 1, 2, 3]
        assert ("logps_mean/chosen" in runs[0].log[-1]) == (method != "SFT on best")
    count = results.pairs
    assert count.kept + count.probes + count.ties == count.clips == 12
    # What the recipes of the toy world start from.
    folder = MediaFolder(tmp_path / "world")
    assert validate(world.read_jsonl(tmp_path / "world/preference.jsonl"), "preference", folder) == count.kept
    assert validate(world.read_jsonl(tmp_path / "world/best.jsonl"), "supervised", folder) == count.kept
    assert load_model(str(tmp_path / "checkpoint")).config.model_type == "qwen2_5_vl"
    assert all((tmp_path / example.video).exists() for example in results.examples)
    assert not (tmp_path / "work").exists()
    for stage in (
        "write the world",
        "teach the captioner",
        "sample candidates",
        "try learning rates",
        "train with every seed",
    ):
        assert f"] {stage}: " in stream.getvalue()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_results(tmp_path, threads):
    one = run_demo(TINY, tmp_path / "one", Progress(io.StringIO()))
    # However the runs are shared out.
    two = run_demo(dataclasses.replace(TINY, workers=2), tmp_path / "two", Progress(io.StringIO()))
    assert comparable(one) == comparable(two)
    other = run_demo(dataclasses.replace(TINY, seed=5), tmp_path / "three", Progress(io.StringIO()))
    assert comparable(one) != comparable(other)


def test_quick_is_the_same_path_with_smaller_numbers():
    full, short = dataclasses.asdict(Settings()), dataclasses.asdict(quick())
    assert full.keys() == short.keys()
    assert short["sft_steps"] < full["sft_steps"]
    assert sum(short["clips"].values()) < 400


def test_no_clip_serves_two_purposes():
    assert set(Settings().clips) == {"train", "pairs", "validation", "test"}


@pytest.mark.parametrize("option", ["--seeds", "--workers"])
def test_wrong_numbers_are_refused(option, capsys):
    with pytest.raises(SystemExit):
        main([option, "0"])
    assert "at least 1" in capsys.readouterr().err


def test_progress_shows_stage_time_and_outcome():
    stream = io.StringIO()
    progress = Progress(stream)
    progress.start("teach")
    progress.update(1, 10)  # too soon after the start to be worth a line
    progress.done("recall 0.5")
    assert stream.getvalue() == "[ 0:00] teach: ...\n[ 0:00] teach: recall 0.5\n"
    assert progress.seconds["teach"] >= 0


def test_memory_peaks_are_seen_though_freed_again():
    with meter.MemoryPeak() as memory:
        torch.ones(16 * 2**20).sum()  # 64 MB
    if memory.megabytes is None:
        pytest.skip("this system does not tell a process's peak memory")
    assert 60 < memory.megabytes < 90
    with meter.MemoryPeak() as nothing:
        pass
    assert nothing.megabytes < 5
