"""Runs on chains: references, learning, what is logged, settings that cannot be."""

import copy
import math

import pytest
import torch
from datasets import Dataset

from vidalign.families import FAMILIES
from vidalign.trainers.adapters import lora_preset
from vidalign.trainers.ranking import RankingConfig, RankingTrainer

# --- the reference ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", [False, True])
def test_three_kinds_of_reference_give_the_same_run(
    question, trainer_of, chain_rows, losses_of, tmp_path, monkeypatch
):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    rows = chain_rows(5, question=question)
    settings = {"rows": rows, "max_steps": 4}
    model = losses_of(trainer_of("ranking", **settings))
    cached = losses_of(trainer_of("ranking", precompute_ref_log_probs=True, **settings))
    assert cached == pytest.approx(model, abs=1e-4)
    adapter = {"peft_config": lora_preset(r=4, alpha=8)}
    by_adapter = losses_of(trainer_of("ranking", trainer_options=adapter, **settings))
    cached_adapter = losses_of(
        trainer_of("ranking", trainer_options=adapter, precompute_ref_log_probs=True, **settings)
    )
    assert cached_adapter == pytest.approx(by_adapter, abs=1e-4)


def test_cached_references_of_chains_of_another_length_are_made_anew(
    trainer_of, chain_rows, losses_of, tmp_path
):
    rows = Dataset.from_list(chain_rows(4))
    rows.to_json(tmp_path / "rows.jsonl")
    table = Dataset.from_json(str(tmp_path / "rows.jsonl"), cache_dir=str(tmp_path / "cache"))
    for length in (None, 2, 3):
        settings = {"rows": table, "max_steps": 2, "chain_length": length}
        plain = losses_of(trainer_of("ranking", **settings))
        assert losses_of(trainer_of("ranking", precompute_ref_log_probs=True, **settings)) == pytest.approx(
            plain, abs=1e-4
        )


def test_hinge_loads_no_reference(trainer_of, losses_of, monkeypatch):
    from trl.trainer import dpo_trainer

    loaded = []
    original = dpo_trainer.create_model_from_path
    monkeypatch.setattr(
        dpo_trainer, "create_model_from_path", lambda *a, **k: loaded.append(a) or original(*a, **k)
    )
    trainer = trainer_of("ranking", loss_type=["hinge"], max_steps=2)
    assert trainer.ref_model is None and len(loaded) == 1
    assert all(math.isfinite(loss) for loss in losses_of(trainer))


# --- learning -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss_type", ["plackett_luce", "mpo", "hinge", "dpo"])
def test_a_small_step_lowers_the_loss_as_its_gradient_says(
    loss_type, trainer_of, chain_rows, first_step, moved
):
    """Against the gradient g by epsilon, a loss falls by epsilon |g|^2, to first order."""
    trainer = moved(trainer_of("ranking", rows=chain_rows(2), loss_type=[loss_type], ntp_weight=0.0))
    batch = next(iter(trainer.get_train_dataloader()))
    before, grads = first_step(trainer, batch)
    assert before > 0  # for the hinge: an inversion to mend
    slope = sum(float(grad.double().square().sum()) for grad in grads.values())
    epsilon = 1e-3 * before / slope
    with torch.no_grad():
        for name, parameter in trainer.model.named_parameters():
            if name in grads:
                parameter.sub_(epsilon * grads[name])
    after, _ = first_step(trainer, batch)
    assert before - after == pytest.approx(1e-3 * before, rel=0.02)


def test_what_is_logged_is_of_the_step(trainer_of, chain_rows):
    trainer = trainer_of("ranking", rows=chain_rows(2), max_steps=1)
    trainer.train()
    [log] = [entry for entry in trainer.state.log_history if "rank/accuracy" in entry]
    assert log["loss/ranking"] + 0.1 * log["loss/ntp"] == pytest.approx(log["loss"], abs=1e-3)
    # A model that has not moved yet is its own reference.
    assert log["rewards/rank_1"] == pytest.approx(0, abs=1e-4)
    assert log["rewards/rank_2"] == pytest.approx(0, abs=1e-4)
    assert log["logps/rank_1"] < -1


def test_evaluation_logs_the_same_measures(trainer_of, chain_rows):
    rows = chain_rows(5)
    trainer = trainer_of("ranking", rows=rows, trainer_options={"eval_dataset": Dataset.from_list(rows)})
    metrics = trainer.evaluate()
    names = ("loss", "rank/accuracy", "rank/top1", "rank/kendall_tau", "rewards/rank_5", "loss/ntp")
    assert all(math.isfinite(metrics[f"eval_{name}"]) for name in names)


def test_the_tower_learns_unless_it_is_frozen(trainer_of, first_step):
    for freeze in ([], ["vision_tower"]):
        _, grads = first_step(trainer_of("ranking", freeze=freeze))
        assert any("visual.blocks" in name for name in grads) == (not freeze)


def test_chains_are_cut_on_request(trainer_of, chain_rows):
    batch = next(iter(trainer_of("ranking", chain_length=3).get_train_dataloader()))
    assert batch["chain"].bincount().max() == 3
    batch = next(iter(trainer_of("ranking", loss_type=["dpo"]).get_train_dataloader()))
    assert batch["chain"].bincount().tolist() == [2, 2]


def test_a_collator_with_another_chain_length_is_refused(trainer_of):
    collator = trainer_of("ranking").data_collator
    with pytest.raises(ValueError, match="chain_length=3, but the data_collator"):
        trainer_of("ranking", chain_length=3, trainer_options={"data_collator": collator})


def test_text_models_rank_text(trainer_of, chain_rows, losses_of):
    for question in (False, True):
        rows = chain_rows(4, media=False, question=question)
        shared = losses_of(trainer_of("ranking", rows=rows, model="llama", max_steps=2))
        separate = losses_of(trainer_of("ranking", rows=rows, model="llama", max_steps=2, share_prefix=False))
        assert shared == pytest.approx(separate, abs=1e-5)


def test_supervised_training_takes_the_best(trainer_of, chain_rows, losses_of):
    chains = chain_rows(4)
    best = [{"videos": r["videos"], "prompt": r["prompt"], "completion": r["ranked"][0]} for r in chains]
    expected = losses_of(trainer_of("sft", rows=Dataset.from_list(best), max_steps=2))
    assert losses_of(trainer_of("sft", rows=Dataset.from_list(chains), max_steps=2)) == expected
    questions = chain_rows(4, question=True)
    best = [
        {"videos": r["videos"], "prompt": r["prompts"][0], "completion": r["completion"]} for r in questions
    ]
    expected = losses_of(trainer_of("sft", rows=Dataset.from_list(best), max_steps=2))
    assert losses_of(trainer_of("sft", rows=Dataset.from_list(questions), max_steps=2)) == expected


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"loss_type": ["sigmoid"]},
            r"loss_type \['sigmoid'\] is not known; choose from plackett_luce, mpo, hinge, dpo",
        ),
        ({"chain_length": 1}, "chain_length=1: a chain has at least 2"),
        ({"ntp_weight": -1.0}, "ntp_weight=-1.0"),
        ({"label_smoothing": 0.1}, "label_smoothing=0.1 has no meaning"),
        (
            {"loss_type": ["hinge"], "precompute_ref_log_probs": True},
            "precompute_ref_log_probs=True has no meaning",
        ),
        ({"loss_type": ["mpo", "hinge"], "loss_weights": [1.0]}, "same length"),
        ({"loss_type": ["dpo"], "chain_length": 3}, "has the first two of each chain"),
    ],
)
def test_settings_that_cannot_be(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        RankingConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, **settings)


def test_a_reference_for_hinge_is_refused(saved_model, chain_rows, tmp_path):
    model = FAMILIES["qwen2_5_vl"].tiny_model()
    with pytest.raises(ValueError, match="has no reference model; remove `ref_model`"):
        RankingTrainer(
            model=model,
            ref_model=copy.deepcopy(model),
            args=RankingConfig(output_dir=str(tmp_path), loss_type=["hinge"], use_cpu=True, bf16=False),
            train_dataset=Dataset.from_list(chain_rows(2)),
        )
