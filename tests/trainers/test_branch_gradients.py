"""Gradients of the weights through chosen and through rejected responses (SynPO, Figure 3)."""

import copy
import re

import pytest
import torch
import torch.nn.functional as F

from vidalign import losses
from vidalign.families import FAMILIES
from vidalign.prefix import RowBatch, SharedPrefix, token_logps
from vidalign.trainers.adapters import lora_preset
from vidalign.trainers.branch_gradients import named_matrices

DOWN = "model.language_model.layers.{}.mlp.down_proj.weight"
EVERY = {"grad_norm_every": 1, "grad_norm_parameters": [DOWN.format(0), DOWN.format(1)]}


def separate_logps(model, batch):
    """[2N, T - 1] from rows by themselves."""
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    rows = RowBatch(
        batch["input_ids"], batch["attention_mask"], labels, batch["prefix_group"], batch["media"]
    )
    return token_logps(model, rows, prefix=SharedPrefix(model, share=False))


def by_hand(model, batch, loss_of):
    """`||A||_F / (m n)` by branch and matrix: one backward pass each, the other branch's log-probs held."""
    norms = {}
    for branch in ("chosen", "rejected"):
        model.zero_grad()
        chosen, rejected = separate_logps(model, batch).chunk(2)
        held = (chosen.detach(), rejected) if branch == "rejected" else (chosen, rejected.detach())
        loss_of(*held, *batch["completion_mask"][:, 1:].chunk(2)).mean().backward()
        for number in (0, 1):
            weight = model.get_parameter(DOWN.format(number))
            norms[f"{branch}/{DOWN.format(number)}"] = weight.grad.norm().item() / (64 * 96)
    model.zero_grad()
    return norms


def logged(trainer):
    return {
        name.removeprefix("grad/"): values
        for name, values in trainer._metrics["train"].items()
        if name.startswith("grad/")
    }


def synpo(variant):
    return lambda *rows: losses.synpo_loss(*rows, variant=variant)


@pytest.mark.parametrize("variant", ["synpo", "v2", "v5"])
def test_synpo_against_backward_passes_by_hand(variant, trainer_of, first_step):
    trainer = trainer_of("synpo", synpo_variant=variant, **EVERY)
    batch = next(iter(trainer.get_train_dataloader()))
    expected = by_hand(copy.deepcopy(trainer.model), batch, synpo(variant))
    first_step(trainer, batch)
    found = logged(trainer)
    for name, value in expected.items():
        assert found[name] == pytest.approx([value], rel=1e-3), name
    for branch in ("chosen", "rejected"):
        values = [value for name, value in expected.items() if name.startswith(branch)]
        assert found[branch] == pytest.approx([sum(values) / 2], rel=1e-3)
    assert len(found) == 6


def test_dpo_against_backward_passes_by_hand(trainer_of, first_step, moved):
    trainer = moved(trainer_of("dpo", beta=0.3, **EVERY))
    batch = next(iter(trainer.get_train_dataloader()))
    with torch.no_grad():
        reference = separate_logps(trainer.ref_model, batch).sum(dim=1).chunk(2)

    def loss_of(chosen, rejected, *masks):
        margin = (chosen.sum(dim=1) - reference[0]) - (rejected.sum(dim=1) - reference[1])
        return -F.logsigmoid(0.3 * margin)

    expected = by_hand(copy.deepcopy(trainer.model), batch, loss_of)
    first_step(trainer, batch)
    found = logged(trainer)
    for name, value in expected.items():
        assert found[name] == pytest.approx([value], rel=1e-3), name


def test_the_two_parts_add_up_to_the_gradient(trainer_of, first_step):
    trainer = trainer_of("dpo", loss_type=["sigmoid", "sft"], loss_weights=[1.0, 0.1], **EVERY)
    sums = {}
    norms = trainer._branches.norms
    trainer._branches.norms = lambda mean: sums.update(trainer._branches._sums) or norms(mean)
    _, grads = first_step(trainer)
    for place, number in enumerate((0, 1)):
        total = sums["chosen"][place] + sums["rejected"][place]
        torch.testing.assert_close(total, grads[DOWN.format(number)], rtol=1e-4, atol=1e-7)


def test_dpo_at_the_reference_swaps_with_its_pairs(trainer_of, first_step, pair_rows):
    """Both parts have the weight β/2 there, so that the norms are those of ∇ log π(y_w) and ∇ log π(y_l)."""
    rows = pair_rows(4)
    swapped = [{**row, "chosen": row["rejected"], "rejected": row["chosen"]} for row in rows]
    found = []
    for table in (rows, swapped):
        trainer = trainer_of("dpo", rows=table, per_device_train_batch_size=4, **EVERY)
        first_step(trainer)
        found.append(logged(trainer))
    assert found[0]["chosen"][0] != pytest.approx(found[0]["rejected"][0], rel=1e-2)
    assert found[0]["chosen"] == pytest.approx(found[1]["rejected"], rel=1e-3)
    assert found[0]["rejected"] == pytest.approx(found[1]["chosen"], rel=1e-3)


def test_synpo_without_a_ranking_term_has_no_rejected_part(trainer_of, first_step):
    """α = 0 leaves β times the language term, which is linear in β and reads the chosen alone."""
    found = []
    for beta in (0.1, 0.3):
        trainer = trainer_of("synpo", synpo_alpha=0.0, synpo_beta=beta, **EVERY)
        first_step(trainer)
        found.append(logged(trainer))
    assert found[0]["rejected"] == [0.0]
    assert (
        found[1]["chosen"][0] == pytest.approx(3 * found[0]["chosen"][0], rel=1e-4)
        and found[0]["chosen"][0] > 0
    )


def test_accumulated_micro_batches_are_one_batch(trainer_of):
    settings = {"family_rows": 4, "max_steps": 1, **EVERY}
    found = []
    for size in (4, 2, 1):
        trainer = trainer_of(
            "dpo", per_device_train_batch_size=size, gradient_accumulation_steps=4 // size, **settings
        )
        trainer.train()
        found.append({name: v for name, v in trainer.state.log_history[0].items() if "grad/" in name})
    assert len(found[0]) == 6
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-3)


def test_every_second_step(trainer_of):
    trainer = trainer_of("synpo", max_steps=4, gradient_accumulation_steps=2, grad_norm_every=2)
    trainer.train()
    steps = [entry["step"] for entry in trainer.state.log_history if "grad/chosen" in entry]
    assert steps == [1, 3]
    assert all("logps_mean/chosen" in entry for entry in trainer.state.log_history if "loss" in entry)


@pytest.mark.parametrize("method", ["dpo", "synpo"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"gradient_checkpointing": True},
        {"trainer_options": {"peft_config": lora_preset(r=4)}, "disable_dropout": False},
    ],
    ids=["plain", "checkpointed", "adapter with dropout"],
)
def test_training_is_the_same_bit_for_bit(method, settings, trainer_of):
    weights = []
    for every in (0, 1):
        trainer = trainer_of(method, max_steps=2, grad_norm_every=every, **settings)
        trainer.train()
        weights.append(trainer.model.state_dict())
        logs = [entry for entry in trainer.state.log_history if "grad/chosen" in entry]
        assert len(logs) == 2 * every and all(entry["grad/rejected"] > 0 for entry in logs)
    assert all(torch.equal(weight, weights[1][name]) for name, weight in weights[0].items())


def test_checkpointing_changes_no_norm(trainer_of, first_step):
    found = []
    for settings in ({}, {"gradient_checkpointing": True}, {"share_prefix": False}):
        trainer = trainer_of("synpo", **EVERY, **settings)
        first_step(trainer)
        found.append(logged(trainer))
    for other in found[1:]:
        for name, value in found[0].items():
            assert other[name] == pytest.approx(value, rel=1e-3), name


def test_evaluation_has_none(trainer_of):
    trainer = trainer_of("synpo", grad_norm_every=1, per_device_eval_batch_size=2)
    metrics = trainer.evaluate(trainer.train_dataset)
    assert "eval_logps_mean/chosen" in metrics and not any("grad/" in name for name in metrics)


def test_adapters_are_measured_in_the_place_of_frozen_weights(trainer_of, first_step):
    trainer = trainer_of("synpo", trainer_options={"peft_config": lora_preset(r=4)}, grad_norm_every=1)
    first_step(trainer)
    matrices = [name for name in logged(trainer) if name.startswith("chosen/")]
    assert matrices and all(
        re.search(r"layers\.\d\..*(o_proj|down_proj)\.lora_[AB]\.", name) for name in matrices
    )
    # B starts at zero, so that A has no gradient yet.
    values = {name: value for name, (value,) in logged(trainer).items() if "/" in name}
    assert all((value == 0) == ("lora_A" in name) for name, value in values.items())


@pytest.mark.parametrize("family", ["qwen2_5_vl", "llama", "llava_next_video"])
def test_by_default_three_layers_of_the_language_model(family, trainer_of, pair_rows):
    rows = pair_rows(2, media=family != "llama")
    trainer = trainer_of("synpo", model=family, rows=rows, grad_norm_every=1)
    names = list(named_matrices(trainer.model, [], trainer._family))
    layers = trainer.model.config.get_text_config().num_hidden_layers
    assert {int(re.search(r"layers\.(\d+)\.", name)[1]) for name in names} == {0, layers // 2, layers - 1}
    assert {re.search(r"(\w+_proj)\.weight$", name)[1] for name in names} == {"o_proj", "down_proj"}
    assert not any("visual" in name or "vision" in name for name in names)


@pytest.mark.parametrize(("layers", "expected"), [(1, {0}), (5, {0, 2, 4}), (6, {0, 3, 5})])
def test_the_first_the_middle_and_the_last_of_them(layers, expected):
    model = FAMILIES["llama"].tiny_model(num_hidden_layers=layers)
    names = named_matrices(model, [], FAMILIES["llama"])
    assert {int(re.search(r"layers\.(\d+)\.", name)[1]) for name in names} == expected
    assert len(names) == 2 * len(expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"grad_norm_parameters": ["*.nowhere.*"]},
            r"'\*.nowhere.\*' matches no matrix that learns. There are: .*layers",
        ),
        (
            {"grad_norm_parameters": ["*visual*"], "freeze": ["vision_tower", "projector"]},
            "no matrix that learns",
        ),
        ({"grad_norm_parameters": ["*norm*"]}, "no matrix that learns"),
        ({"freeze": ["language_model"]}, "name matrices in grad_norm_parameters. There are: .*visual"),
        ({"fp16": True}, "use bf16"),
        (
            {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": True}},
            "'use_reentrant': False",
        ),
        (
            {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"preserve_rng_state": True}},
            "'use_reentrant': False",
        ),
        ({"torch_compile": True}, "torch_compile=True"),
        ({"ddp_static_graph": True}, "ddp_static_graph=True"),
        ({"activation_offloading": True}, "activation_offloading=True"),
        ({"grad_norm_every": -1}, "give 0"),
        ({"grad_norm_every": 0, "grad_norm_parameters": ["*"]}, "has no effect"),
    ],
)
def test_what_cannot_be_measured_is_refused(settings, message, trainer_of):
    with pytest.raises(ValueError, match=message):
        trainer_of("synpo", **{"grad_norm_every": 1, **settings})


def test_sharded_weights_are_refused(trainer_of):
    trainer = trainer_of("synpo", grad_norm_every=1)
    weight = trainer.model.get_parameter(DOWN.format(0))
    weight.ds_id = 3  # as ZeRO-3 marks its shards
    with pytest.raises(ValueError, match="sharded over processes"):
        named_matrices(trainer.model, [], trainer._family)
    trainer.is_fsdp_enabled = True
    with pytest.raises(ValueError, match="FSDP and DeepSpeed"):
        trainer._branch_gradients()
