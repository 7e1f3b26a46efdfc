"""The demo itself, with the smallest numbers."""

import dataclasses
import io
import json

import pytest
import torch

from demo.methods import CHAIN_METHODS, PAIR_METHODS, TOWERS
from demo.progress import Progress
from demo.settings import ChainSettings, PairSettings, Settings
from demo.stages import run_demo
from vidalign.rows import MediaFolder, chain_of, text_of, validate
from vidalign.toyworld import world
from vidalign.toyworld.degrade import errors
from vidalign.toyworld.model import load_model

TINY = Settings(
    clips={"train": 64, "pairs": 12, "validation": 4, "test": 6},
    seeds=2,
    # Long enough to make sentences; before that, all candidates score nothing and none is best.
    sft_steps=40,
    sft_warmup=5,
    sft_batch_size=8,
    pairs=PairSettings(steps=3, batch_size=8, rates=(3e-4,), probes=3),
    chains=ChainSettings(steps=2, batch_size=4, rates=(3e-4,)),
    examples=2,
    workers=1,
)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def runs_of(results):
    studies = [results.pairs.runs] if results.pairs else []
    studies += results.chains.runs.values() if results.chains else []
    return [results.base, *(run for study in studies for runs in study.values() for run in runs)]


def comparable(results):
    """Everything but what a clock or the kernel says."""
    for run in runs_of(results):
        for entry in run.log:
            for timing in ("train_runtime", "step_time"):
                entry.pop(timing, None)
    text = json.dumps(dataclasses.asdict(results))
    found = json.loads(text)
    found["seconds"] = found["environment"] = found["settings"]["workers"] = None
    return json.dumps(_without(found, {"step_seconds", "peak_mb"}))


def _without(value, names):
    if isinstance(value, dict):
        return {key: _without(item, names) for key, item in value.items() if key not in names}
    return [_without(item, names) for item in value] if isinstance(value, list) else value


@pytest.mark.slow  # a minute; `make demo QUICK=1` runs the same, in CI as well
def test_the_whole_path(tmp_path, threads):
    stream = io.StringIO()
    results = run_demo(TINY, tmp_path, Progress(stream))
    folder = MediaFolder(tmp_path / "world")

    pairs = results.pairs
    assert list(pairs.runs) == list(PAIR_METHODS)
    for method, runs in pairs.runs.items():
        assert [run.seed for run in runs] == [0, 1]
        assert len(runs[0].evaluation.recall) == 6
        assert runs[0].probe[0][1:] == pytest.approx(pairs.runs["DPO"][0].probe[0][1:])  # one checkpoint
        assert [step for step, *_ in runs[0].probe] == [0, 1, 2, 3]
        assert ("logps_mean/chosen" in runs[0].log[-1]) == (method != "SFT on best")
    count = pairs.pairs
    assert count.kept + count.probes + count.ties == count.clips == 12
    # What the recipes of the toy world start from.
    assert validate(world.read_jsonl(tmp_path / "world/preference.jsonl"), "preference", folder) == count.kept
    assert validate(world.read_jsonl(tmp_path / "world/best.jsonl"), "supervised", folder) == count.kept

    chains = results.chains
    assert list(chains.runs) == list(TOWERS)
    for tower, methods in chains.runs.items():
        assert list(methods) == list(CHAIN_METHODS)
        for method, runs in methods.items():
            assert [run.seed for run in runs] == [0, 1]
            assert [len(logps) for logps in runs[0].evaluation.chain_logps] == [5] * 6
            assert ("rank/accuracy" in runs[0].log[-1]) == (method != "SFT")
            assert runs[0].evaluation.chain_logps != chains.base_logps, (tower, method)
    ranked = {"DPO": 2, "MPO": 5, "Ranking 3": 3, "Ranking 5": 5}
    for method, length in ranked.items():
        log = chains.runs["trainable"][method][0].log[-1]
        assert max(int(key.rsplit("_")[-1]) for key in log if key.startswith("rewards/rank_")) == length
    rows = world.read_jsonl(tmp_path / "world/chains.jsonl")
    assert validate(rows, "ranked", folder) == chains.chains.train == 12
    for row in rows:
        texts = [text_of(item["completion"]) for item in chain_of(row)]
        assert [len(errors(text, texts[0])) for text in texts] == [0, 1, 2, 3, 4]
    assert chains.chains.lengths == {5: 12}
    assert sum(chains.chains.errors.values()) == 12 * 4

    assert load_model(str(tmp_path / "checkpoint")).config.model_type == "qwen2_5_vl"
    assert all((tmp_path / example.video).exists() for example in [*pairs.examples, chains.example])
    assert not (tmp_path / "work").exists()
    for stage in (
        "write the world",
        "teach the captioner",
        "pairs: sample candidates",
        "pairs: try learning rates",
        "pairs: train with every seed",
        "chains: degrade captions",
        "chains: try learning rates",
        "chains: train with every seed",
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


@pytest.mark.slow
@pytest.mark.parametrize("part", ["pairs", "chains"])
def test_a_part_alone_gives_what_it_gives_with_the_other(tmp_path, threads, part):
    both = run_demo(TINY, tmp_path / "both", Progress(io.StringIO()))
    alone = run_demo(TINY, tmp_path / "alone", Progress(io.StringIO()), [part])
    setattr(both, "chains" if part == "pairs" else "pairs", None)
    assert comparable(both) == comparable(alone)


def test_a_frozen_tower_does_not_learn(tmp_path, threads):
    from demo.chains.data import make_chains
    from demo.checkpoint import prepare
    from demo.training import Schedule

    settings = dataclasses.replace(
        TINY, sft_steps=2, clips={"train": 8, "pairs": 4, "validation": 1, "test": 2}
    )
    setup = prepare(settings, tmp_path, Progress(io.StringIO()))
    make_chains(setup)
    changed = {}
    for tower, freeze in TOWERS.items():
        model = load_model(str(setup.checkpoint))
        before = {name: parameter.clone() for name, parameter in model.named_parameters()}
        setup.runner.train(
            CHAIN_METHODS["Ranking 5"],
            model,
            Schedule(1, 4, 1e-3, 0, 0),
            freeze=freeze,
            reference=setup.checkpoint,
        )
        changed[tower] = {
            n for n, parameter in model.named_parameters() if not torch.equal(before[n], parameter)
        }
    tower = {name for name in changed["trainable"] if "visual.blocks" in name or "patch_embed" in name}
    assert tower
    assert changed["frozen"] == changed["trainable"] - tower
