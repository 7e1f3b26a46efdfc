"""With sound among the frames, beside them and alone: shared prefixes give the losses and gradients of separate rows."""

import pytest
import torch

from vidalign.families import FAMILIES


@pytest.mark.parametrize("method", ["dpo", "synpo", "sft", "ranking"])
@pytest.mark.parametrize("family", ["qwen2_5_omni_thinker", "qwen3_omni_moe_thinker"])
def test_shared_is_separate(method, family, hearing, mixed_rows, first_step, moved, assert_same_gradients):
    # The load-balancing term of experts is a mean over all tokens that are run, and shared ones are run once.
    settings = {"model": family, "per_device_train_batch_size": 6, "router_aux_loss_coef": 0.0}
    shared, separate = (
        moved(hearing(method, mixed_rows, share_prefix=share, **settings)) for share in (True, False)
    )
    batch = next(iter(shared.get_train_dataloader()))
    assert len(batch["media"]) == 6 and list(batch["media"]).count({}) == 1
    loss, grads = first_step(shared, batch)
    expected, expected_grads = first_step(separate)
    assert loss == pytest.approx(expected, abs=1e-5)
    assert any("audio_tower" in name for name in grads)
    assert_same_gradients(grads, expected_grads)


def test_questions_on_one_video_hear_it_once(hearing, first_step, moved, assert_same_gradients):
    questions = [f"is there {text} ?" for text in ("a bell", "a dog", "a very loud horn")]
    row = {
        "videos": ["longer.mp4"],
        "prompts": [[{"role": "user", "content": text}] for text in questions],
        "completion": [{"role": "assistant", "content": "no"}],
    }
    trainers = [
        moved(hearing("ranking", [row], per_device_train_batch_size=1, share_prefix=share))
        for share in (True, False)
    ]
    batch = next(iter(trainers[0].get_train_dataloader()))
    assert batch["prefix_group"].tolist() == [0, 0, 0] and len(batch["media"]) == 1
    (loss, grads), (expected, expected_grads) = (first_step(trainer) for trainer in trainers)
    assert loss == pytest.approx(expected, abs=1e-5)
    assert_same_gradients(grads, expected_grads)
    # What stands in the rows is what the processor makes of each question by itself.
    encoder = trainers[0].data_collator.encoder
    for number, prompt in enumerate(row["prompts"]):
        encoder._last = None
        alone = encoder({"videos": row["videos"], "prompt": prompt}, ()).prompt.input_ids
        assert batch["input_ids"][number, : len(alone)].tolist() == alone


@pytest.mark.parametrize("family", ["qwen2_5_omni_thinker", "qwen3_omni_moe_thinker"])
def test_the_sound_is_heard(family, hearing, sound_rows):
    """Another sound under the same frames, or none: another loss."""
    rows = sound_rows({"videos": ["quiet.mov"]}, {"videos": ["quiet.mov"]})
    trainer = hearing("synpo", rows, model=family)
    batch = next(iter(trainer.get_train_dataloader()))
    louder = [{**media} for media in batch["media"]]
    louder[0]["input_features"] = louder[0]["input_features"] + 0.1

    def logps(media):
        with torch.no_grad():
            inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "prefix_group")}
            labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
            return trainer.model.eval()(**inputs, media=media, labels=labels, fused_lm_head=True).log_probs

    assert not torch.allclose(logps(batch["media"]), logps(louder), atol=1e-4)
    deaf = hearing("synpo", rows, model=family, use_audio_in_video=False)
    others = next(iter(deaf.get_train_dataloader()))
    audio = trainer.model.config.audio_token_id
    assert (batch["input_ids"] == audio).sum() > 0 and (others["input_ids"] == audio).sum() == 0
    video = trainer.model.config.video_token_id
    assert (batch["input_ids"] == video).sum() == (others["input_ids"] == video).sum() > 0


@pytest.mark.parametrize("method", ["dpo", "synpo", "sft", "ranking"])
def test_a_frozen_model_of_which_only_the_audio_tower_learns(method, hearing, mixed_rows, losses_of):
    frozen = ["vision_tower", "language_model"]
    trainer = hearing(method, mixed_rows, freeze=frozen, max_steps=2, gradient_accumulation_steps=3)
    before = {name: weight.clone() for name, weight in trainer.model.named_parameters()}
    losses_of(trainer)
    changed = {name for name, weight in trainer.model.named_parameters() if not weight.equal(before[name])}
    assert any("audio_tower.layers" in name for name in changed)
    towers = FAMILIES[trainer.model.config.model_type].audio_tower
    assert all(any(tower in name for tower in (*towers, "merger")) for name in changed)
