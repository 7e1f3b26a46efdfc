"""Log-probs of whole chains are those of their captions one by one."""

import io

import pytest
import torch

from demo.chains import ordering
from demo.progress import Progress
from demo.training import make_runner
from vidalign.prefix import RowBatch, SharedPrefix, token_logps
from vidalign.toyworld import world
from vidalign.toyworld.model import build_model
from vidalign.trainers.collators import VideoSupervisedCollator


def alone(runner, model, row):
    batch = VideoSupervisedCollator(runner.encoder, runner.pad_token_id)([row])
    rows = RowBatch(
        batch["input_ids"], batch["attention_mask"], batch["labels"], batch["prefix_group"], batch["media"]
    )
    with torch.no_grad():
        return token_logps(model, rows, prefix=SharedPrefix(model, share=False)).sum().item()


def test_a_chain_at_once_is_its_captions_one_by_one(tmp_path, monkeypatch):
    world.write_world(tmp_path, {"test": 3}, seed=0)
    runner = make_runner(
        tmp_path, tmp_path / "work", Progress(io.StringIO()), threads=torch.get_num_threads()
    )
    model = build_model(runner.processor, seed=0).train()
    videos = [video for video, _ in world.read_scenes(tmp_path, "test")]
    captions = [
        "the background is grey .",
        "the background is pink . a red circle moves left .",
        "a blue square .",
    ]
    # Chains of different length, and more than one batch of them.
    chains = [
        [world.supervised_row(video, text) for text in captions[: 3 - number % 2]]
        for number, video in enumerate(videos)
    ]
    monkeypatch.setattr(ordering, "_CHAINS", 2)
    found = ordering.chain_logps(runner, model, chains)
    assert model.training
    assert [len(logps) for logps in found] == [3, 2, 3]
    for logps, chain in zip(found, chains, strict=True):
        assert logps == pytest.approx([alone(runner, model.eval(), row) for row in chain], abs=1e-3)
        assert len(set(logps)) == len(logps)
