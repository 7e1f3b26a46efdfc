"""DDP searches for weights without a gradient only where there can be some."""

from types import SimpleNamespace

import pytest
import torch
from accelerate.utils import DistributedDataParallelKwargs, DistributedType
from peft import get_peft_model

from vidalign.families import FAMILIES, freeze
from vidalign.trainers.adapters import expand_preset, lora_preset
from vidalign.trainers.distributed import leave_ddp_when_alone, search_only_if_needed, unreached

NEVER = {
    "qwen2_5_omni_thinker": {"model.audio_tower.audio_bos_eos_token.weight"},
    "llava_next_video": {
        "model.image_newline",
        "model.vision_tower.post_layernorm.weight",
        "model.vision_tower.post_layernorm.bias",
    },
    "perception_lm": {"model.vision_tower.post_layernorm.weight", "model.vision_tower.post_layernorm.bias"},
}
"""Weights that a loss on videos does not reach. (`image_newline` is for images.)"""


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "video_llava"])
def test_what_no_loss_reaches(name):
    model = FAMILIES[name].tiny_model().train()
    before = torch.get_rng_state()
    assert set(unreached(model, FAMILIES[name], idle=True)) == NEVER.get(name, set())
    assert model.training and all(weight.grad is None for weight in model.parameters())
    assert torch.equal(torch.get_rng_state(), before)


def test_towers_that_do_not_run_are_not_reached():
    family = FAMILIES["qwen2_5_vl"]
    model = family.tiny_model()
    names = unreached(model, family, idle=False)
    assert set(names) == {name for name, _ in model.named_parameters() if ".visual." in name}
    freeze(model, ["vision_tower", "projector"])
    assert unreached(model, family, idle=False) == []


def test_either_of_two_vision_towers_may_have_nothing_to_do():
    family = FAMILIES["video_llava"]
    model = family.tiny_model()
    names = unreached(model, family, idle=True)
    towers = [name for name, _ in model.named_parameters() if "_tower." in name]
    assert {name.split(".")[1] for name in towers} == {"video_tower", "image_tower"}
    assert names == towers
    freeze(model, ["vision_tower"])
    assert unreached(model, family, idle=True) == []


@pytest.mark.parametrize("towers", [False, True])
def test_adapters_are_reached_with_what_they_adapt(towers):
    family = FAMILIES["qwen2_5_vl"]
    model = family.tiny_model()
    adapted = get_peft_model(model, expand_preset(lora_preset(r=4, vision_tower=towers), model))
    assert unreached(adapted, family, idle=True) == []
    assert bool(unreached(adapted, family, idle=False)) == towers


@pytest.mark.parametrize(
    ("kind", "processes", "left"),
    [("MULTI_CPU", 1, True), ("MULTI_GPU", 1, True), ("MULTI_GPU", 2, False), ("FSDP", 1, False)],
)
def test_one_process_needs_no_ddp(kind, processes, left):
    accelerator = SimpleNamespace(num_processes=processes, distributed_type=DistributedType[kind])
    accelerator.state = accelerator
    leave_ddp_when_alone(accelerator)
    assert (accelerator.distributed_type == DistributedType.NO) == left


@pytest.mark.parametrize(("idle", "searches"), [(True, False), (False, True)])
def test_ddp_is_told(idle, searches):
    handler = DistributedDataParallelKwargs(find_unused_parameters=True)
    accelerator = SimpleNamespace(distributed_type=DistributedType.MULTI_GPU, ddp_handler=handler)
    family = FAMILIES["qwen3_vl"]
    search_only_if_needed(accelerator, family.tiny_model(), family, idle=idle)
    assert handler.find_unused_parameters == searches
