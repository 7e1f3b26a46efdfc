"""A prompt has one placeholder per medium before the processor, and one per feature after it."""

from __future__ import annotations

from collections.abc import Collection, Sequence


class PlaceholderError(ValueError):
    """The placeholders of a prompt do not fit its media."""


def check_media_count(text: str, placeholder: str, given: int, medium: str) -> None:
    """Raise PlaceholderError unless `text` names as many media of a kind as are given.

    A processor given too few would fail with an index error, or shift media between prompts.
    """
    found = text.count(placeholder)
    if found == given:
        return
    raise PlaceholderError(
        f"The prompt holds {found} {medium} placeholder(s) {placeholder!r}, but {given} {medium}(s) came "
        f"with it. Write one placeholder per {medium} into the prompt (the chat template does so for a "
        f'content block of {{"type": "{medium}"}}), and none as plain text. The prompt starts {text[:120]!r}.'
    )


def check_feature_count(
    input_ids: Sequence[int], token_ids: Collection[int], features: int, medium: str
) -> None:
    """Raise PlaceholderError unless there is one placeholder token per feature that the towers will give.

    features: computed from the processed sizes and the config, without running the model.
    """
    tokens = sum(token in token_ids for token in input_ids)
    if tokens == features:
        return
    raise PlaceholderError(
        f"The encoded prompt holds {tokens} {medium} tokens, but its media give {features} features. The "
        "processor and the model disagree on sizes (patch size, merge size, number of frames), or the tokens "
        "were truncated: load both from the same checkpoint, and never cut a prompt after it was encoded."
    )
