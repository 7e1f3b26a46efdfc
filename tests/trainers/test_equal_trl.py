"""With its extra terms off, a trainer's loss and gradients are its TRL parent's, on the same rows.

TRL has no video: the frames of a file go to it as images, and to ours as well.
"""

import pytest
from datasets import Dataset
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl", "llava_next_video", "internvl"])
def test_dpo_on_frames(family, share, frame_rows, trainer_of, first_step, assert_same_gradients):
    settings = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.1], "max_length": None}
    rows = frame_rows(("chosen", "rejected"))
    stock = trainer_of("dpo", rows=rows, model=family, classes=(DPOTrainer, DPOConfig), **settings)
    ours = trainer_of("dpo", rows=rows, model=family, share_prefix=share, **settings)
    # Off its starting point the policy differs from the reference, so that their order matters.
    for trainer in (stock, ours):
        for parameter in trainer.model.parameters():
            parameter.data.mul_(1.01)
    expected, expected_grads = first_step(stock)
    loss, grads = first_step(ours)
    assert loss == pytest.approx(expected, abs=1e-5)
    assert_same_gradients(grads, expected_grads)


def test_sft_on_frames(frame_rows, trainer_of, first_step, assert_same_gradients):
    rows = frame_rows(("completion",))
    stock = trainer_of("sft", rows=rows, classes=(SFTTrainer, SFTConfig), max_length=None)
    ours = trainer_of("sft", rows=rows)
    expected, expected_grads = first_step(stock)
    loss, grads = first_step(ours)
    assert loss == pytest.approx(expected, abs=1e-5)
    assert_same_gradients(grads, expected_grads)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "llama"])
def test_dpo_on_text(family, pair_rows, trainer_of, losses_of):
    """Whole runs: TRL's own preparation, our prefixes."""
    rows = pair_rows(6, media=False)
    stock = trainer_of(
        "dpo", rows=rows, model=family, classes=(DPOTrainer, DPOConfig), max_steps=3, max_length=None
    )
    ours = trainer_of("dpo", rows=rows, model=family, max_steps=3)
    assert losses_of(ours) == pytest.approx(losses_of(stock), abs=1e-4)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "llama"])
def test_sft_on_text(family, pair_rows, trainer_of, losses_of):
    rows = pair_rows(6, media=False)
    rows = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in rows]
    rows = Dataset.from_list(rows)
    stock = trainer_of(
        "sft", rows=rows, model=family, classes=(SFTTrainer, SFTConfig), max_steps=3, max_length=None
    )
    ours = trainer_of("sft", rows=rows, model=family, max_steps=3)
    assert losses_of(ours) == pytest.approx(losses_of(stock), abs=1e-4)
