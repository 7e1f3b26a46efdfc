"""The families that are known, and which of them a model belongs to."""

from __future__ import annotations

from typing import Any

from vidalign.families import (
    internvl,
    llava_next_video,
    perception_lm,
    qwen2_5_vl,
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
        llava_next_video.FAMILY,
        video_llava.FAMILY,
        perception_lm.FAMILY,
        internvl.FAMILY,
        *text.FAMILIES,
    )
}
"""Every family that is known, by the `model_type` of its config."""


class UnknownFamilyError(ValueError):
    """A model_type that `FAMILIES` does not hold."""


def family_of(model_or_config: Any) -> Family:
    """The family of a model (bare, or wrapped by PEFT or DDP) or of a config, by its `model_type`.

    Raises UnknownFamilyError, naming the families that are known.
    """
    unwrapped = getattr(model_or_config, "module", model_or_config)  # DDP and DeepSpeed hide the config
    config = getattr(unwrapped, "config", unwrapped)
    model_type = getattr(config, "model_type", None)
    if model_type not in FAMILIES:
        raise UnknownFamilyError(
            f"No family for model_type {model_type!r} ({type(model_or_config).__name__}). Known: "
            f"{', '.join(sorted(FAMILIES))}. Use a model of one of these, or write a Family for it: one file "
            "in vidalign/families/ and one entry in FAMILIES."
        )
    return FAMILIES[model_type]
