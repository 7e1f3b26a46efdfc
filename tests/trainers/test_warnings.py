"""What a run warns of is for the user to mend."""

import warnings

import pytest

from vidalign.trainers.dpo import VideoDPOConfig

GIVEN = {"output_dir": "out", "use_cpu": True, "bf16": False}


@pytest.mark.parametrize("method", ["synpo", "sft"])
def test_a_run_warns_of_nothing(method, trainer_of):
    """DPO, ranking and GRPO: TRL 1.16 calls transformers by names that it calls deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        trainer_of(method, max_steps=1, gradient_checkpointing=True).train()


@pytest.mark.parametrize(
    ("settings", "checkpoints"),
    [
        ({}, True),
        ({"gradient_checkpointing": False}, False),
        ({"activation_checkpointing": False}, False),
        ({"activation_checkpointing": True}, True),
    ],
)
def test_checkpointing_by_either_name(settings, checkpoints):
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        args = VideoDPOConfig(**GIVEN, **settings, gradient_checkpointing_kwargs='{"use_reentrant": true}')
    assert args.activation_checkpointing == args.gradient_checkpointing == checkpoints
    assert (
        args.activation_checkpointing_kwargs == args.gradient_checkpointing_kwargs == {"use_reentrant": True}
    )
