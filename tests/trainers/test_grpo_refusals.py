"""Rows and settings that GRPO on media cannot take."""

import pytest


def test_tools_on_media_are_refused(grpo_of):
    with pytest.raises(ValueError, match="rollout_func is not supported for rows with media"):
        grpo_of(trainer_options={"rollout_func": lambda prompts, trainer: {}})


def test_media_that_only_the_evaluation_has_are_refused(grpo_of, online_rows):
    from datasets import Dataset

    trainer = {"eval_dataset": Dataset.from_list(online_rows(2))}
    with pytest.raises(ValueError, match="the eval dataset has media, but the training dataset has none"):
        grpo_of(rows=online_rows(2, media=False), model="qwen2_5_vl", trainer_options=trainer)


@pytest.mark.parametrize(
    "settings", [{"generation_kwargs": {"num_beams": 2}}, {"cache_implementation": "static"}]
)
def test_ways_of_generating_that_cannot_share_are_refused(settings, grpo_of):
    with pytest.raises(ValueError, match="cache_implementation and num_beams are not supported"):
        grpo_of(**settings)
