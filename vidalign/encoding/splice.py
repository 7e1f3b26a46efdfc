"""Another prompt on the same media, without processing the media again."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def splice(
    expanded: Sequence[int], plain: Sequence[int], other: Sequence[int], placeholders: Collection[int]
) -> list[int] | None:
    """Ids of another prompt with its media expanded.

    A processor expands placeholders where they stand and leaves the rest as the tokenizer has it, so two prompts that are
    alike up to and with their last placeholder have the same expansion.

    Args:
        expanded: ids of the first prompt as its processor gave them.
        plain: the tokenizer's ids of the first prompt's text, placeholders not expanded.
        other: the tokenizer's ids of the other prompt's text.
        placeholders: ids of the tokens that stand for media in the texts.

    Returns:
        What the processor would give for the other prompt, or None where the two are not alike so far.
    """
    tail = 0  # tokens at the end that the expansion left alone
    while tail < min(len(expanded), len(plain)) and expanded[-1 - tail] == plain[-1 - tail]:
        tail += 1
    head = len(plain) - tail
    media = frozenset(placeholders)
    last = max((place for place, token in enumerate(plain) if token in media), default=None)
    # Where the processor rewrote text behind the placeholder, it may do so by what stands there.
    if last is None or head > last + 1:
        return None
    if list(other[: last + 1]) != list(plain[: last + 1]) or media.intersection(other[last + 1 :]):
        return None
    return [*expanded[: len(expanded) - tail], *other[head:]]
