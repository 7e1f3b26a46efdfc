"""Supervised training weighs every token of a step alike, however the step is cut into micro-batches."""

import pytest


@pytest.mark.parametrize("family", ["qwen2_5_vl", "internvl"])
def test_accumulated_micro_batches_are_one_batch(family, trainer_of, pair_rows):
    """Completions are of unlike length, so that a mean of means is another number."""
    rows = pair_rows(4)
    rows[0]["chosen"][0]["content"] = "a red circle moves left while two blue squares stay where they are"
    norms = []
    for size in (4, 2, 1):
        trainer = trainer_of(
            "sft",
            rows=rows,
            model=family,
            per_device_train_batch_size=size,
            gradient_accumulation_steps=4 // size,
            max_steps=1,
            max_grad_norm=1e9,
            video_fps=None,
            video_num_frames=2,
        )
        trainer.train()
        [entry] = [entry for entry in trainer.state.log_history if "grad_norm" in entry]
        norms.append((entry["loss"], entry["grad_norm"]))
    assert norms[1] == pytest.approx(norms[0], rel=1e-3)
    assert norms[2] == pytest.approx(norms[0], rel=1e-3)
