"""The parts of a model: which parameters they hold, how they freeze, where LoRA goes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from vidalign.families import (
    FAMILIES,
    PARTS,
    UnknownFamilyError,
    family_of,
    freeze,
    lora_target_regex,
    module_parameters,
    thinker_class,
)

# By hand, from the modules that the classes define. Each list: (prefixes, without what lies below these).
PARTS_BY_HAND = {
    "qwen2_5_vl": {
        "vision_tower": (["model.visual."], ["model.visual.merger."]),
        "projector": (["model.visual.merger."], []),
        "language_model": (["model.language_model.", "lm_head."], []),
    },
    "qwen3_vl": {
        "vision_tower": (["model.visual."], ["model.visual.merger.", "model.visual.deepstack_merger_list."]),
        "projector": (["model.visual.merger.", "model.visual.deepstack_merger_list."], []),
        "language_model": (["model.language_model.", "lm_head."], []),
    },
    "qwen2_5_omni_thinker": {
        "vision_tower": (["model.visual."], ["model.visual.merger."]),
        "audio_tower": (["model.audio_tower."], ["model.audio_tower.proj."]),
        "projector": (["model.visual.merger.", "model.audio_tower.proj."], []),
        "language_model": (["model.language_model.", "lm_head."], []),
    },
    "qwen3_omni_moe_thinker": {
        "vision_tower": (["model.visual."], ["model.visual.merger.", "model.visual.merger_list."]),
        "audio_tower": (["model.audio_tower."], ["model.audio_tower.proj1.", "model.audio_tower.proj2."]),
        "projector": (
            [
                "model.visual.merger.",
                "model.visual.merger_list.",
                "model.audio_tower.proj1.",
                "model.audio_tower.proj2.",
            ],
            [],
        ),
        "language_model": (["model.language_model.", "lm_head."], []),
    },
    "llava_next_video": {
        "vision_tower": (["model.vision_tower."], []),
        "projector": (["model.multi_modal_projector.", "model.image_newline"], []),
        "language_model": (["model.language_model.", "lm_head."], []),
    },
    "video_llava": {
        "vision_tower": (["model.video_tower.", "model.image_tower."], []),
        "projector": (["model.multi_modal_projector."], []),
        "language_model": (["model.language_model.", "lm_head."], []),
    },
    "perception_lm": {
        "vision_tower": (["model.vision_tower."], []),
        "projector": (["model.multi_modal_projector."], []),
        "language_model": (["model.language_model.", "lm_head."], []),
    },
    "internvl": {
        "vision_tower": (["model.vision_tower."], []),
        "projector": (["model.multi_modal_projector."], []),
        "language_model": (["model.language_model.", "lm_head."], []),
    },
    **{
        name: {
            "vision_tower": ([], []),
            "projector": ([], []),
            "language_model": (["model.", "lm_head."], []),
        }
        for name in ("llama", "mistral", "qwen2", "qwen3")
    },
}


def by_hand(name, part, names):
    prefixes, excluded = PARTS_BY_HAND[name].get(part, ([], []))  # most families do not hear
    return {
        n for n in names if f"{n}.".startswith(tuple(prefixes)) and not f"{n}.".startswith(tuple(excluded))
    }


def test_parts_hold_every_parameter_once(built):
    names = {id(p): name for name, p in built.model.named_parameters()}
    found = {
        part: [names[id(p)] for p in module_parameters(built.model, built.family, part)] for part in PARTS
    }
    for part, held in found.items():
        assert sorted(held) == sorted(by_hand(built.family.name, part, names.values())), part
    assert sorted(name for held in found.values() for name in held) == sorted(names.values())


@pytest.mark.parametrize(
    "parts",
    [("vision_tower",), ("audio_tower",), ("vision_tower", "projector"), ("language_model",), ()],
)
def test_freeze_is_exact(built, parts):
    model = built.family.tiny_model()
    freeze(model, parts)
    names = [name for name, _ in model.named_parameters()]
    expected = set().union(*(by_hand(built.family.name, part, names) for part in parts))
    assert {name for name, p in model.named_parameters() if not p.requires_grad} == expected


def test_a_tied_head_is_held_once():
    model = FAMILIES["qwen2"].tiny_model(tie_word_embeddings=True)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    held = module_parameters(model, FAMILIES["qwen2"], "language_model")
    assert len({id(p) for p in held}) == len(held) == len(list(model.parameters()))


def test_freeze_takes_one_name():
    model = FAMILIES["internvl"].tiny_model()
    freeze(model, "projector")
    assert not any(p.requires_grad for p in model.model.multi_modal_projector.parameters())


def test_unknown_part(built):
    with pytest.raises(ValueError, match=r"'tower'.*vision_tower, audio_tower, projector, language_model"):
        freeze(built.model, ["tower"])


def adapted(model):
    names = (name for name, module in model.named_modules() if hasattr(module, "lora_A"))
    return {name.removeprefix("base_model.model.") for name in names}


@pytest.mark.parametrize(
    "parts",
    [[], ["projector"], ["vision_tower"], ["audio_tower"], ["vision_tower", "audio_tower", "projector"]],
)
def test_lora_goes_to_the_linears_and_nowhere_else(built, parts):
    model = built.family.tiny_model()
    linears = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    expected = by_hand(built.family.name, "language_model", linears) - {"lm_head"}
    experts = built.family.name == "qwen3_omni_moe_thinker"  # parameters of three dimensions, no linears
    assert len(expected) == 2 * (4 if experts else 7), "two layers of q, k, v, o, gate, up, down"
    for part in parts:
        inside = by_hand(built.family.name, part, linears)
        assert inside or part not in PARTS_BY_HAND[built.family.name] or not built.family.vision_tower
        expected |= inside
    regex = lora_target_regex(model, built.family, **dict.fromkeys(parts, True))
    peft_model = get_peft_model(model, LoraConfig(r=2, target_modules=regex))
    assert adapted(peft_model) == expected


def test_lora_regex_of_a_peft_model_is_refused():
    family = FAMILIES["llama"]
    model = family.tiny_model()
    peft_model = get_peft_model(model, LoraConfig(r=2, target_modules=lora_target_regex(model, family)))
    with pytest.raises(ValueError, match="before PEFT"):
        lora_target_regex(peft_model, family)


def test_family_of_models_configs_and_wrappers(built):
    assert family_of(built.model) is built.family
    assert family_of(built.model.config) is built.family
    assert family_of(torch.nn.DataParallel(built.model)) is built.family
    model = built.family.tiny_model()
    peft_model = get_peft_model(model, LoraConfig(r=2, target_modules=lora_target_regex(model, built.family)))
    assert family_of(peft_model) is built.family
    freeze(peft_model, ["vision_tower", "projector"])
    assert not any(p.requires_grad for p in module_parameters(peft_model, built.family, "vision_tower"))
    assert any(p.requires_grad for p in peft_model.parameters())


def test_the_config_of_a_whole_omni_checkpoint():
    from transformers import (
        Qwen2_5OmniConfig,
        Qwen2_5OmniThinkerForConditionalGeneration,
        Qwen3OmniMoeConfig,
        Qwen3OmniMoeThinkerForConditionalGeneration,
    )

    for config, name, thinker in (
        (Qwen2_5OmniConfig(), "qwen2_5_omni_thinker", Qwen2_5OmniThinkerForConditionalGeneration),
        (Qwen3OmniMoeConfig(), "qwen3_omni_moe_thinker", Qwen3OmniMoeThinkerForConditionalGeneration),
    ):
        assert family_of(config) is FAMILIES[name]
        assert thinker_class(config) is thinker
        with pytest.raises(UnknownFamilyError, match=f"Use its `thinker`, or load .* by {thinker.__name__}"):
            family_of(SimpleNamespace(config=config))
    assert thinker_class(FAMILIES["qwen2_5_vl"].tiny_model().config) is None


def test_unknown_family_names_the_known():
    from transformers import GPT2Config

    with pytest.raises(UnknownFamilyError, match=r"'gpt2'.*internvl, llama.*qwen3_vl"):
        family_of(GPT2Config())
    with pytest.raises(UnknownFamilyError, match="None"):
        family_of(object())
