"""The parts of a model that can be frozen or adapted by themselves: vision tower, audio tower, projector, language model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from torch import nn

from vidalign.families.family import Family
from vidalign.families.known import family_of

PARTS = ("vision_tower", "audio_tower", "projector", "language_model")


def unwrap(model: Any) -> Any:
    """The `...ForConditionalGeneration` (or `...ForCausalLM`) inside PEFT or DDP."""
    model = getattr(model, "module", model)
    return (
        model.get_base_model()
        if hasattr(model, "peft_config") and hasattr(model, "get_base_model")
        else model
    )


def backbone_path(model: Any) -> str:
    """Name of the backbone in the model: `model.base_model` is `model.<this>`."""
    model = unwrap(model)
    return next((name for name, module in model.named_children() if module is model.base_model), "")


def part_paths(family: Family, part: str) -> tuple[str, ...]:
    """Module paths of a part, from the backbone. Raises ValueError for a part that is none of PARTS."""
    if part not in PARTS:
        raise ValueError(f"No part {part!r} in a {family.name} model. The parts are: {', '.join(PARTS)}.")
    return {
        "vision_tower": family.vision_tower,
        "audio_tower": family.audio_tower,
        "projector": family.projector + family.projector_parameters,
        "language_model": (family.language_model,),
    }[part]


def inside(name: str, paths: Iterable[str]) -> bool:
    """Whether a dotted name is one of the paths or lies below one. The path "" holds everything."""
    return any(not path or name == path or name.startswith(path + ".") for path in paths)


def module_parameters(model: Any, family: Family, part: str) -> list[nn.Parameter]:
    """The parameters of one part, each once.

    A tower is taken without a projector that lies inside it. The language model is taken with the output head, which
    lies beside the backbone. A part that a family does not have (a text model's tower) has no parameters.
    """
    paths = part_paths(family, part)
    excluded = part_paths(family, "projector") if part in ("vision_tower", "audio_tower") else ()
    model = unwrap(model)
    found = [
        parameter
        for name, parameter in model.base_model.named_parameters()
        if inside(name, paths) and not inside(name, excluded)
    ]
    if part == "language_model" and (head := model.get_output_embeddings()) is not None:
        # A tied head is the input embedding, which is in the list already.
        found += [p for p in head.parameters() if all(p is not other for other in found)]
    return found


def freeze(model: Any, parts: Iterable[str]) -> None:
    """Set `requires_grad` to False on every parameter of the named parts. All others stay as they are."""
    family = family_of(model)
    for part in (parts,) if isinstance(parts, str) else tuple(parts):
        for parameter in module_parameters(model, family, part):
            parameter.requires_grad_(False)


def lora_target_regex(
    model: Any,
    family: Family,
    *,
    vision_tower: bool = False,
    audio_tower: bool = False,
    projector: bool = False,
) -> str | list[str]:
    """A regex for `LoraConfig(target_modules=...)`: every `nn.Linear` of the language model, never the head.

    For a mixture of experts the result is a list of names: there PEFT matches a regex against the end of a name alone, and
    would adapt a tower's `q_proj` as well. The experts are no `nn.Linear`; to adapt them, name them in
    `LoraConfig(target_parameters=...)`.

    vision_tower, audio_tower: also those inside the tower, without the projector. projector: also those inside it.
    PEFT matches the whole name of a module, as the full model names it, e.g.
    `model.language_model.layers.0.self_attn.q_proj`. Names are listed, all but the layer numbers: a tower may
    use the same last names as the language model.
    """
    if hasattr(model, "peft_config"):
        raise ValueError(
            "The model carries PEFT adapters, whose own layers would be targeted: pass it before PEFT."
        )
    model = unwrap(model)
    paths = [*part_paths(family, "language_model")]
    if vision_tower:
        paths += part_paths(family, "vision_tower")
    if audio_tower:
        paths += part_paths(family, "audio_tower")
    excluded = () if projector else part_paths(family, "projector")
    if projector:
        paths += part_paths(family, "projector")
    prefix = backbone_path(model)
    modules = {f"{prefix}.{name}" if prefix else name: m for name, m in model.base_model.named_modules()}
    targets = []
    others = [name for name, module in modules.items() if not isinstance(module, nn.Linear)]
    patterns: dict[str, None] = {}
    for name, module in modules.items():
        bare = name.removeprefix(f"{prefix}.") if prefix else name
        if isinstance(module, nn.Linear) and inside(bare, paths) and not inside(bare, excluded):
            targets.append(name)
            exact = re.escape(name)
            numbered = re.sub(r"(?<=\\\.)\d+(?=\\\.|$)", r"\\d+", exact)
            # In an nn.Sequential the next number may be an activation.
            alike = patterns.keys() & {numbered} or not any(re.fullmatch(numbered, other) for other in others)
            patterns[numbered if alike else exact] = None
    experts = hasattr(model.config.get_text_config(), "num_experts")
    return targets if experts else f"(?:{'|'.join(patterns)})"
