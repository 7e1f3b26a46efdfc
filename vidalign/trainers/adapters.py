"""LoRA by name of a part instead of by module names."""

from __future__ import annotations

import copy
from typing import Any

from vidalign.families import family_of, lora_target_regex
from vidalign.families.known import UnknownFamilyError

LANGUAGE_MODEL = "language-model"
WITH_VISION_TOWER = "language-model+vision-tower"
EVERY_PART = "language-model+vision-tower+projector"
PRESETS = (LANGUAGE_MODEL, WITH_VISION_TOWER, EVERY_PART)


def lora_preset(
    *,
    r: int = 128,
    alpha: int = 64,
    dropout: float = 0.05,
    vision_tower: bool = False,
    projector: bool = False,
) -> Any:
    """LoRA on every linear layer of the language model (SynPO, appendix C: r 128, alpha 64, dropout 0.05).

    Args:
        r, alpha, dropout: as in PEFT.
        vision_tower: also on every linear layer of the vision tower.
        projector: and of the projector; only together with the tower.

    Returns:
        A `peft.LoraConfig` for the `peft_config` of a vidalign trainer, which fills in the module names.
    """
    from peft import LoraConfig

    if projector and not vision_tower:
        raise ValueError("lora_preset(projector=True) is for the vision tower as well; set vision_tower=True")
    parts = EVERY_PART if projector else WITH_VISION_TOWER if vision_tower else LANGUAGE_MODEL
    return LoraConfig(
        r=r,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=parts,
        task_type="CAUSAL_LM",
    )


def preset_of(peft_config: Any) -> str | None:
    """The preset that a PEFT config names instead of modules, if it does."""
    targets = getattr(peft_config, "target_modules", None)
    if isinstance(targets, (list, tuple, set)) and len(targets) == 1:
        targets = next(iter(targets))
    return targets if targets in PRESETS else None


def expand_preset(peft_config: Any, model: Any) -> Any:
    """A copy of `peft_config` in which a preset's name has become the modules of `model`. Others pass as they are."""
    preset = preset_of(peft_config)
    if preset is None:
        return peft_config
    expanded = copy.deepcopy(peft_config)
    try:
        family = family_of(model)
    except UnknownFamilyError:
        if preset != LANGUAGE_MODEL:
            raise
        expanded.target_modules = "all-linear"  # PEFT's own name: every linear layer except the head
        return expanded
    expanded.target_modules = lora_target_regex(
        model, family, vision_tower=preset != LANGUAGE_MODEL, projector=preset == EVERY_PART
    )
    return expanded
