"""LoRA by name of a part instead of by module names."""

from __future__ import annotations

import copy
from typing import Any

from vidalign.encoding.sound import require_audio
from vidalign.families import family_of, lora_target_regex
from vidalign.families.known import UnknownFamilyError

LANGUAGE_MODEL = "language-model"
PRESETS = tuple(
    f"{LANGUAGE_MODEL}{seeing}{hearing}"
    for seeing in ("", "+projector", "+vision-tower", "+vision-tower+projector")
    for hearing in ("", "+audio-tower")
)
"""What a recipe's `lora_target_modules` may name instead of modules."""


def lora_preset(
    *,
    r: int = 128,
    alpha: int = 64,
    dropout: float = 0.05,
    vision_tower: bool = False,
    projector: bool = False,
    audio_tower: bool = False,
) -> Any:
    """LoRA on every linear layer of the language model (SynPO, appendix C: r 128, alpha 64, dropout 0.05).

    Args:
        r, alpha, dropout: as in PEFT.
        vision_tower: also on every linear layer of the vision tower.
        projector: and of the projector.
        audio_tower: also on every linear layer of the audio tower.

    Returns:
        A `peft.LoraConfig` for the `peft_config` of a vidalign trainer, which fills in the module names.
    """
    from peft import LoraConfig

    parts = {"vision-tower": vision_tower, "projector": projector, "audio-tower": audio_tower}
    return LoraConfig(
        r=r,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules="+".join([LANGUAGE_MODEL, *(part for part, wanted in parts.items() if wanted)]),
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
    parts = preset.split("+")
    if "audio-tower" in parts:
        require_audio(family, f"LoRA on {preset!r} names an audio tower")
    wanted = {part.replace("-", "_"): True for part in parts if part != LANGUAGE_MODEL}
    expanded.target_modules = lora_target_regex(model, family, **wanted)
    return expanded
