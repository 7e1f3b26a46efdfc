"""The families that are known, and which of them a model belongs to."""

from __future__ import annotations

from typing import Any

from vidalign.families import (
    internvl,
    llava_next_video,
    perception_lm,
    qwen2_5_omni,
    qwen2_5_vl,
    qwen3_omni,
    qwen3_vl,
    text,
    video_llava,
)
from vidalign.families.family import Family

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        qwen2_5_vl.FAMILY,
        qwen3_vl.FAMILY,
        qwen2_5_omni.FAMILY,
        qwen3_omni.FAMILY,
        llava_next_video.FAMILY,
        video_llava.FAMILY,
        perception_lm.FAMILY,
        internvl.FAMILY,
        *text.FAMILIES,
    )
}
"""Every family that is known, by the `model_type` of its config."""


THINKERS = {
    "qwen2_5_omni": ("qwen2_5_omni_thinker", "Qwen2_5OmniThinkerForConditionalGeneration"),
    "qwen3_omni_moe": ("qwen3_omni_moe_thinker", "Qwen3OmniMoeThinkerForConditionalGeneration"),
}
"""`model_type` of a checkpoint that also speaks -> (family, class) of the part that reads and writes text."""


class UnknownFamilyError(ValueError):
    """A model_type that `FAMILIES` does not hold."""


def thinker_class(config: Any) -> Any:
    """The class by whose `from_pretrained` a checkpoint of this config is trained, None where it has no thinker.

    It reads the thinker's weights and config from the checkpoint of the whole model, and leaves the speaking parts.
    """
    import transformers

    model_type = getattr(config, "model_type", None)
    return getattr(transformers, THINKERS[model_type][1]) if model_type in THINKERS else None


def family_of(model_or_config: Any) -> Family:
    """The family of a model (bare, or wrapped by PEFT or DDP) or of a config, by its `model_type`.

    The config of a whole omni checkpoint gives the family of its thinker.
    Raises UnknownFamilyError, naming the families that are known.
    """
    unwrapped = getattr(model_or_config, "module", model_or_config)  # DDP and DeepSpeed hide the config
    config = getattr(unwrapped, "config", unwrapped)
    model_type = getattr(config, "model_type", None)
    if model_type in THINKERS:
        if config is unwrapped:
            return FAMILIES[THINKERS[model_type][0]]
        raise UnknownFamilyError(
            f"{type(unwrapped).__name__} holds a thinker and the parts that speak, and only the thinker is trained "
            f"here. Use its `thinker`, or load the checkpoint by {THINKERS[model_type][1]}.from_pretrained."
        )
    if model_type not in FAMILIES:
        raise UnknownFamilyError(
            f"No family for model_type {model_type!r} ({type(model_or_config).__name__}). Known: "
            f"{', '.join(sorted(FAMILIES))}. Use a model of one of these, or write a Family for it: one file "
            "in vidalign/families/ and one entry in FAMILIES."
        )
    return FAMILIES[model_type]
