"""The look at the first step: once for a policy and its reference, said in one line."""

import pytest

from vidalign.families import FAMILIES


@pytest.mark.parametrize("method", ["dpo", "sft", "ranking"])
def test_it_is_said_once_what_the_look_cost(method, trainer_of, capsys):
    trainer_of(method, max_steps=2).train()
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Self-check")]
    assert len(said) == 1 and "equal to separate rows" in said[0]


def test_a_reference_of_another_kind_is_looked_at_too(trainer_of, capsys):
    other = FAMILIES["qwen2_5_vl"].tiny_model(num_hidden_layers=1)
    trainer_of("dpo", max_steps=1, trainer_options={"ref_model": other}).train()
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Self-check")]
    assert len(said) == 2


def test_nothing_is_looked_at_where_it_is_turned_off(trainer_of, grpo_of, capsys):
    trainer_of("dpo", max_steps=1, prefix_self_check=False).train()
    grpo_of(max_steps=1, share_prefix=False).train()
    assert "Self-check" not in capsys.readouterr().out
