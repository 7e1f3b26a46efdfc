"""What a trainer is given, looked at before a model is loaded: the model's config and family, settings and columns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from transformers import AutoConfig

from vidalign.encoding.sound import AUDIO_COLUMNS, require_audio
from vidalign.families import FAMILIES, UnknownFamilyError, family_of, thinker_class
from vidalign.families.family import Family
from vidalign.trainers import _trl
from vidalign.trainers.media_columns import HIDDEN, MEDIA_COLUMNS


def config_of(model: Any, args: Any, parent: str) -> tuple[Any, Callable[..., Any] | None]:
    """The config of what is trained, and what loads it in place of TRL: of a model that also speaks, its thinker alone.

    Raises:
        UnknownFamilyError: a whole such model instead of its name.
    """
    if not isinstance(model, str):
        if thinker_class(model.config) is not None:
            family_of(model)  # says what to pass instead
        return model.config, None
    init = args.model_init_kwargs or {}
    config = AutoConfig.from_pretrained(
        model, revision=init.get("revision"), trust_remote_code=args.trust_remote_code
    )
    thinker = thinker_class(config)
    if thinker is None:
        return config, None
    config.thinker_config._name_or_path = config._name_or_path  # the processor lies beside the whole
    create = _trl.TRAINER_MODULES[parent].create_model_from_path
    return config.thinker_config, partial(create, architecture=thinker)


def known_family(config: Any, *, needed: bool) -> Family | None:
    """The model's family. An unknown one is refused only where it is needed: other text trains as in TRL."""
    try:
        return family_of(config)
    except UnknownFamilyError:
        if needed:
            raise
        return None


def refuse_senseless(family: Family | None, columns: list[str], name: str) -> None:
    """Columns of media that the family can neither see nor hear."""
    for column in AUDIO_COLUMNS:
        if column in columns:
            require_audio(family, f"the {name} dataset has the column {column}")
    media = {*MEDIA_COLUMNS, *HIDDEN.values()}.intersection(columns)
    if media and family is not None and not family.vision_tower:
        seeing = ", ".join(known.name for known in FAMILIES.values() if known.vision_tower)
        raise ValueError(
            f"the {name} dataset has media, but {family.name} is a text model with no vision tower; load one of {seeing}"
        )


def refuse_shared_noise(args: Any) -> None:
    """NEFTune draws noise for each token of each row, by the row's length. A prefix that is embedded once for several rows
    has one draw, and a packed sequence the length of them all."""
    if args.share_prefix and args.neftune_noise_alpha:
        raise ValueError(
            f"neftune_noise_alpha={args.neftune_noise_alpha} cannot be with share_prefix=True: rows of one prompt would share "
            "the noise on it, which would also be weaker, by the length of all rows together. Set share_prefix=False, which "
            "trains on separate rows as transformers does, or leave neftune_noise_alpha unset"
        )


def refuse_bypassing(args: Any, media: bool) -> None:
    """Settings of TRL that would be silently without effect, or wrong, here."""
    if args.accelerator_config.dispatch_batches:
        raise ValueError(
            "accelerator_config.dispatch_batches=True is not supported: it cuts every tensor of a batch by its number of "
            "rows, and media come once a prompt. Leave it unset."
        )
    reasons = {
        "padding_free": "rows are packed without padding already",
        "packing": "rows with media cannot be packed into blocks of text",
        "use_liger_kernel": "it replaces the model's forward; use model_init_kwargs={'use_kernels': True}",
    }
    for name, reason in reasons.items():
        if getattr(args, name, False) and (media or name == "use_liger_kernel"):
            raise ValueError(f"{name}=True is not supported: {reason}. Leave it unset.")
    if media and getattr(args, "truncation_mode", "keep_start") == "keep_end":
        raise ValueError(
            "truncation_mode='keep_end' would cut the media off the front of a row; use 'keep_start' or max_length=None"
        )
