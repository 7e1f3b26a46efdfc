"""LoRA on parts of a model, beside parts that are frozen."""

import pytest
import torch

from vidalign.families import FAMILIES, module_parameters
from vidalign.trainers.adapters import PRESETS, lora_preset, preset_of


@pytest.fixture(params=["qwen2_5_vl", "perception_lm"])
def frozen_arm(request, trainer_of):
    """Ranking with the vision tower frozen and LoRA on the language model and the projector."""

    def build(**settings):
        preset = lora_preset(r=4, dropout=0.0, projector=True)
        return trainer_of(
            "ranking",
            model=request.param,
            freeze=["vision_tower"],
            trainer_options={"peft_config": preset},
            video_num_frames=2,
            video_fps=None,
            **settings,
        )

    return build


def parts_of(trainer):
    model = trainer.model
    family = FAMILIES[model.config.model_type]
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        part: {names[id(p)]: p for p in module_parameters(model, family, part)}
        for part in ("vision_tower", "projector", "language_model")
    }


def test_the_frozen_arm_trains_the_projector_and_not_the_tower(frozen_arm, losses_of):
    trainer = frozen_arm(max_steps=2, learning_rate=1e-2)
    parts = parts_of(trainer)
    learning = {part: {name for name, p in held.items() if p.requires_grad} for part, held in parts.items()}
    assert not learning["vision_tower"]
    assert not any("lora_" in name for name in parts["vision_tower"])
    for part in ("projector", "language_model"):
        assert learning[part]
        assert all("lora_" in name for name in learning[part])
    before = {name: p.detach().clone() for held in parts.values() for name, p in held.items()}
    losses_of(trainer)
    moved = {name for held in parts.values() for name, p in held.items() if not torch.equal(p, before[name])}
    assert moved <= learning["projector"] | learning["language_model"]
    for part in (
        "projector",
        "language_model",
    ):  # B starts at zero, so A has a gradient from the second step on
        assert {name for name in learning[part] if "lora_B" in name} <= moved


def test_the_frozen_arm_shares_its_prefix_exactly(frozen_arm, first_step, moved, assert_same_gradients):
    shared, separate = (moved(frozen_arm(share_prefix=share)) for share in (True, False))
    (loss, grads), (expected, expected_grads) = first_step(shared), first_step(separate)
    assert loss == pytest.approx(expected, abs=1e-5)
    assert_same_gradients(grads, expected_grads)
    assert any(grad.any() for name, grad in grads.items() if name in parts_of(shared)["projector"])


@pytest.mark.parametrize("vision_tower", [False, True])
@pytest.mark.parametrize("projector", [False, True])
@pytest.mark.parametrize("audio_tower", [False, True])
def test_presets_have_names(vision_tower, projector, audio_tower):
    config = lora_preset(vision_tower=vision_tower, projector=projector, audio_tower=audio_tower)
    assert preset_of(config) in PRESETS
