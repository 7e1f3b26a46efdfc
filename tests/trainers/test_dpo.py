"""DPO on video files: every loss, every kind of reference, and what is logged."""

import itertools
import json
import shutil

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from datasets import load_dataset

from vidalign.losses import ipo_loss
from vidalign.trainers.adapters import lora_preset
from vidalign.trainers.dpo import VideoDPOConfig

TRL_LOSSES = [
    "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired",
    "apo_zero", "apo_down", "discopop", "sft", "sigmoid_norm",
]  # fmt: skip


@pytest.mark.parametrize("loss_type", [*TRL_LOSSES, "dpop", "ipo_sum"])
def test_every_loss_is_the_same_shared_and_separate(
    loss_type, trainer_of, first_step, moved, assert_same_gradients
):
    smoothing = 0.1 if loss_type in TRL_LOSSES else 0.0
    settings = {"loss_type": [loss_type], "label_smoothing": smoothing, "dpop_lambda": 5.0}
    shared = first_step(moved(trainer_of("dpo", **settings)))
    separate = first_step(moved(trainer_of("dpo", share_prefix=False, **settings)))
    assert shared[0] == pytest.approx(separate[0], rel=1e-5, abs=1e-5)
    assert_same_gradients(shared[1], separate[1], relative=2e-4)


def test_several_losses_with_weights_by_hand(trainer_of, first_step, moved, logps_by_hand):
    settings = {
        "loss_type": ["sigmoid", "dpop", "sft"],
        "loss_weights": [1.0, 0.5, 0.1],
        "dpop_lambda": 5.0,
        "beta": 0.3,
    }
    trainer = moved(trainer_of("dpo", **settings))
    batch = next(iter(trainer.get_train_dataloader()))
    loss, _ = first_step(trainer, batch)
    policy, reference = (logps_by_hand(model.eval(), batch) for model in (trainer.model, trainer.ref_model))
    half = len(policy) // 2
    gain_w, gain_l = policy[:half] - reference[:half], policy[half:] - reference[half:]

    def log_sigmoid(x):
        return -np.log1p(np.exp(-x))

    dpo = -log_sigmoid(0.3 * (gain_w - gain_l)).mean()
    dpop = -log_sigmoid(0.3 * (gain_w - gain_l - 5.0 * np.maximum(0, -gain_w))).mean()
    ntp = -policy[:half].sum() / int(batch["completion_mask"][:half].sum())
    assert loss == pytest.approx(dpo + 0.5 * dpop + 0.1 * ntp, abs=1e-4)


@pytest.mark.parametrize("loss_type", ["ipo", "ipo_sum"])
def test_ipo_is_a_mean_in_trl_and_a_sum_as_it_is_printed(
    loss_type, trainer_of, first_step, moved, logps_by_hand
):
    trainer = moved(trainer_of("dpo", loss_type=[loss_type], beta=0.5, per_device_train_batch_size=4))
    batch = next(iter(trainer.get_train_dataloader()))
    loss, _ = first_step(trainer, batch)
    rows = [logps_by_hand(model.eval(), batch) for model in (trainer.model, trainer.ref_model)]
    tokens = batch["completion_mask"].sum(dim=1).numpy()
    assert len(set(tokens)) > 1
    if loss_type == "ipo":
        rows = [row / tokens for row in rows]
    (chosen, rejected), (ref_chosen, ref_rejected) = (np.split(row, 2) for row in rows)
    expected = ((chosen - ref_chosen) - (rejected - ref_rejected) - 1 / (2 * 0.5)) ** 2
    assert loss == pytest.approx(expected.mean(), abs=2e-4)
    parts = (torch.tensor(row) for row in (chosen, rejected, ref_chosen, ref_rejected))
    assert loss == pytest.approx(float(ipo_loss(*parts, tau=0.5).mean()), abs=2e-4)


def test_losses_of_ours_are_refused_where_they_are_not_defined(tmp_path):
    for name, setting in itertools.product(("dpop", "ipo_sum"), ("ld_alpha", "label_smoothing")):
        with pytest.raises(ValueError, match=f"'{name}' is not defined for {setting}=0.25"):
            VideoDPOConfig(
                output_dir=str(tmp_path), loss_type=[name], use_cpu=True, bf16=False, **{setting: 0.25}
            )


def test_swapped_pairs_negate_the_margin(trainer_of, pair_rows, moved, first_step):
    rows = pair_rows(4)
    swapped = [{**row, "chosen": row["rejected"], "rejected": row["chosen"]} for row in rows]
    margins = []
    for table in (rows, swapped):
        trainer = moved(trainer_of("dpo", rows=table, per_device_train_batch_size=4))
        first_step(trainer)
        margins.append(trainer._metrics["train"]["rewards/margins"][0])
    assert abs(margins[0]) > 1e-3
    assert margins[0] == pytest.approx(-margins[1], abs=1e-4)


def test_three_kinds_of_reference_give_the_same_run(trainer_of, losses_of, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    settings = {"max_steps": 3, "freeze": ["vision_tower", "projector"]}
    model = losses_of(trainer_of("dpo", **settings))
    cached = losses_of(trainer_of("dpo", precompute_ref_log_probs=True, **settings))
    assert cached == pytest.approx(model, abs=1e-4)
    adapter = {"peft_config": lora_preset(r=4, alpha=8)}
    by_adapter = losses_of(trainer_of("dpo", trainer_options=adapter, max_steps=3))
    cached_adapter = losses_of(
        trainer_of("dpo", trainer_options=adapter, precompute_ref_log_probs=True, max_steps=3)
    )
    assert cached_adapter == pytest.approx(by_adapter, abs=1e-4)
    assert by_adapter[0] == pytest.approx(np.log(2), abs=1e-5)


def test_precomputed_reference_is_read_again_only_for_the_same_videos(
    trainer_of, media_folder, tmp_path, pair_rows
):
    folder = tmp_path / "videos"
    shutil.copytree(media_folder, folder)
    (folder / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in pair_rows(4)))
    settings = {"precompute_ref_log_probs": True, "media_root": str(folder)}

    def precompute(**changes):
        rows = load_dataset(
            "json", data_files=str(folder / "rows.jsonl"), split="train", cache_dir=str(tmp_path / "c")
        )
        trainer = trainer_of("dpo", rows=rows, **{**settings, **changes})
        return trainer._media_encoder.runs, trainer.train_dataset["ref_chosen_logps"][:]

    runs, values = precompute()
    assert runs > 0
    again, same = precompute()
    assert again == 0 and same == values
    runs, others = precompute(video_fps=1.0)
    assert runs > 0 and others != values
    shutil.copy(folder / "1.mp4", folder / "0.mp4")
    runs, others = precompute()
    assert runs > 0 and others[0] != values[0] and others[2] == pytest.approx(values[2], abs=1e-4)


def test_logged_beside_trls_metrics(trainer_of, first_step, moved, logps_by_hand):
    trainer = moved(trainer_of("dpo"))
    batch = next(iter(trainer.get_train_dataloader()))
    first_step(trainer, batch)
    logged = {name: values[0] for name, values in trainer._metrics["train"].items()}
    policy = logps_by_hand(trainer.model.eval(), batch)
    tokens = batch["completion_mask"].sum(dim=1).numpy()
    half = len(policy) // 2
    for name, part in (("chosen", slice(None, half)), ("rejected", slice(half, None))):
        mean = policy[part] / tokens[part]
        assert logged[f"logps_mean/{name}"] == pytest.approx(mean.mean(), abs=1e-4)
        assert logged[f"prob_geo/{name}"] == pytest.approx(np.exp(mean).mean(), abs=1e-5)


def test_evaluation_logs_the_pairs_too(trainer_of):
    trainer = trainer_of("dpo", per_device_eval_batch_size=2)
    metrics = trainer.evaluate(trainer.train_dataset)
    assert metrics["eval_loss"] == pytest.approx(float(-F.logsigmoid(torch.tensor(0.0))), abs=1e-5)
    assert -20 < metrics["eval_logps_mean/chosen"] < 0
