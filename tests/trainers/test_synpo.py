"""SynPO's trainer: the loss it says, no reference model, what it refuses."""

import pytest
import torch
from trl.trainer import dpo_trainer

from vidalign import losses
from vidalign.prefix import RowBatch, SharedPrefix, token_logps
from vidalign.trainers.adapters import lora_preset
from vidalign.trainers.synpo import SynPOConfig

LOSSES = {
    "synpo": lambda *rows: losses.synpo_loss(*rows, alpha=20.0, beta=0.3, variant="v2"),
    "simpo": lambda *rows: losses.simpo_loss(*rows, beta=2.5, gamma=0.7),
    "cpo": lambda *rows: losses.cpo_loss(*rows, beta=0.2, nll_weight=0.5),
    "simper": lambda *rows: losses.simper_loss(*rows),
}
SETTINGS = {
    "synpo_alpha": 20.0, "synpo_beta": 0.3, "synpo_variant": "v2", "simpo_beta": 2.5, "simpo_gamma": 0.7,
    "cpo_beta": 0.2, "cpo_nll_weight": 0.5,
}  # fmt: skip


def separate_logps(model, batch):
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    rows = RowBatch(
        batch["input_ids"], batch["attention_mask"], labels, batch["prefix_group"], batch["media"]
    )
    return token_logps(model, rows, prefix=SharedPrefix(model, share=False))


@pytest.mark.parametrize("name", list(LOSSES))
def test_loss_and_gradients_are_those_of_the_function(name, trainer_of, first_step, assert_same_gradients):
    trainer = trainer_of("synpo", loss_type=[name], **SETTINGS)
    batch = next(iter(trainer.get_train_dataloader()))
    loss, grads = first_step(trainer, batch)
    trainer.model.zero_grad()
    logps = separate_logps(trainer.model, batch)
    masks = batch["completion_mask"][:, 1:].chunk(2)
    expected = LOSSES[name](*logps.chunk(2), *masks).mean()
    expected.backward()
    assert loss == pytest.approx(float(expected), abs=1e-5)
    assert_same_gradients(
        grads, {n: p.grad for n, p in trainer.model.named_parameters() if p.grad is not None}, relative=1e-4
    )


def test_losses_are_added_with_weights(trainer_of, first_step):
    trainer = trainer_of(
        "synpo", loss_type=["simper", "cpo", "sft"], loss_weights=[2.0, 0.5, 0.1], **SETTINGS
    )
    batch = next(iter(trainer.get_train_dataloader()))
    loss, _ = first_step(trainer, batch)
    logps, masks = separate_logps(trainer.model, batch).chunk(2), batch["completion_mask"][:, 1:].chunk(2)
    ntp = -(logps[0] * masks[0]).sum() / masks[0].sum()
    rows = (*logps, *masks)
    expected = 2.0 * LOSSES["simper"](*rows).mean() + 0.5 * LOSSES["cpo"](*rows).mean() + 0.1 * ntp
    assert loss == pytest.approx(float(expected), abs=1e-5)


@pytest.mark.parametrize(("variant", "alpha"), [("synpo", 30.0), ("v3", 30.0), ("v5", 1.0)])
def test_alpha_is_the_variants_own_unless_it_is_set(variant, alpha, trainer_of, first_step):
    for given in ({}, {"synpo_alpha": 5.0}):
        trainer = trainer_of("synpo", synpo_variant=variant, **given)
        batch = next(iter(trainer.get_train_dataloader()))
        loss, _ = first_step(trainer, batch)
        rows = (*separate_logps(trainer.model, batch).chunk(2), *batch["completion_mask"][:, 1:].chunk(2))
        expected = losses.synpo_loss(*rows, alpha=given.get("synpo_alpha", alpha), beta=0.2, variant=variant)
        assert loss == pytest.approx(float(expected.mean()), abs=1e-5)


@pytest.mark.parametrize("adapter", [False, True])
def test_no_reference_is_loaded_or_run(adapter, trainer_of, monkeypatch):
    loaded = []
    create = dpo_trainer.create_model_from_path
    monkeypatch.setattr(
        dpo_trainer, "create_model_from_path", lambda *a, **k: loaded.append(a) or create(*a, **k)
    )
    options = {"trainer_options": {"peft_config": lora_preset(r=4)}} if adapter else {}
    trainer = trainer_of("synpo", max_steps=2, prefix_self_check=False, **options)
    assert len(loaded) == 1 and trainer.ref_model is None
    forwards = []
    base = trainer.model.get_base_model() if adapter else trainer.model
    base.base_model.language_model.register_forward_hook(lambda *_: forwards.append(1))
    trainer.train()
    assert len(forwards) == 2


def test_a_model_instance_is_not_copied(trainer_of, monkeypatch):
    from vidalign.families import FAMILIES

    monkeypatch.setattr(
        dpo_trainer, "create_model_from_path", lambda *a, **k: pytest.fail("a model was loaded")
    )
    trainer_of(
        "synpo",
        model=FAMILIES["qwen2_5_vl"].tiny_model(),
        trainer_options={"processing_class": FAMILIES["qwen2_5_vl"].tiny_processor()},
    )
    assert dpo_trainer.add_fused_lm_head.__module__.startswith("trl")  # the seam is closed again


def test_the_lora_preset_trains_the_language_model_only(trainer_of):
    trainer = trainer_of("synpo", trainer_options={"peft_config": lora_preset()}, disable_dropout=False)
    trainable = [name for name, parameter in trainer.model.named_parameters() if parameter.requires_grad]
    assert trainable and all("language_model" in name and "lora" in name for name in trainable)
    config = trainer.model.peft_config["default"]
    assert (config.r, config.lora_alpha, config.lora_dropout) == (128, 64, 0.05)
    assert any(isinstance(m, torch.nn.Dropout) and m.p == 0.05 for m in trainer.model.modules())
    both = trainer_of("synpo", trainer_options={"peft_config": lora_preset(vision_tower=True)})
    assert any("visual.blocks" in name for name, p in both.model.named_parameters() if p.requires_grad)


def test_text_and_image_and_mixed_rows(trainer_of, losses_of, pair_rows):
    assert len(losses_of(trainer_of("synpo", rows=pair_rows(4, media=False), max_steps=2))) == 2
    mixed = [*pair_rows(2), *({**row, "videos": []} for row in pair_rows(2, media=False))]
    shared = losses_of(trainer_of("synpo", rows=mixed, max_steps=2, per_device_train_batch_size=4))
    separate = losses_of(
        trainer_of("synpo", rows=mixed, max_steps=2, per_device_train_batch_size=4, share_prefix=False)
    )
    assert shared == pytest.approx(separate, abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss_type": ["sigmoid"]}, "VideoDPOTrainer"),
        ({"precompute_ref_log_probs": True}, "without a reference"),
        ({"sync_ref_model": True}, "without a reference"),
        ({"freeze": ["tower"]}, "vision_tower"),
        ({"synpo_variant": "v6"}, "v5"),
        ({"video_fps": 1.0, "video_num_frames": 4}, "set one"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        SynPOConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, **settings)


def test_five_lines(saved_model, media_folder, pair_rows, write_rows, monkeypatch, tmp_path):
    """As in the README, from the folder of the rows."""
    from datasets import load_dataset

    from vidalign import SynPOConfig, SynPOTrainer

    write_rows(media_folder / "pairs.jsonl", pair_rows(4))
    monkeypatch.chdir(media_folder)
    trainer = SynPOTrainer(
        model=saved_model("qwen2_5_vl"),
        args=SynPOConfig(
            output_dir=str(tmp_path / "o"), video_fps=2, video_max_frames=32, use_cpu=True, report_to=[]
        ),
        train_dataset=load_dataset("json", data_files="pairs.jsonl", split="train"),
    )
    assert trainer.train().global_step > 0
