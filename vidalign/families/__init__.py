"""What differs between model families, one file each."""

from vidalign.families.family import DecodedVideo, EncodedPrompt, Family, Media
from vidalign.families.known import FAMILIES, UnknownFamilyError, family_of, thinker_class
from vidalign.families.modules import PARTS, freeze, lora_target_regex, module_parameters
from vidalign.families.placeholders import PlaceholderError

__all__ = [
    "FAMILIES",
    "PARTS",
    "DecodedVideo",
    "EncodedPrompt",
    "Family",
    "Media",
    "PlaceholderError",
    "UnknownFamilyError",
    "family_of",
    "freeze",
    "lora_target_regex",
    "module_parameters",
    "thinker_class",
]
