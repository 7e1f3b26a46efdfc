"""Which tokens of a row with media the assistant wrote, by the `{% generation %}` marks of the chat template."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

from transformers.utils.chat_template_utils import render_jinja_template

Span = tuple[int, int]
"""First and last character (exclusive)."""

_EDGE = 3
"""Tokens beside a placeholder that may change with its expansion: marks around a medium, text that merges with a time."""


def assistant_spans(
    messages: list[dict[str, Any]], text: str, processor: Any, options: Mapping[str, Any]
) -> list[Span]:
    """What the template marks in `text`, which it made of the messages.

    Args:
        options: the arguments of `apply_chat_template` beside the messages, `chat_template` among them.

    Raises:
        ValueError: rendered once more, the text is another.
    """
    options = dict(options)
    template = options.pop("chat_template") or processor.chat_template
    [rendered], [spans] = render_jinja_template(
        conversations=[messages],
        chat_template=template["default"] if isinstance(template, Mapping) else template,
        return_assistant_tokens_mask=True,
        **{**processor.tokenizer.special_tokens_map, **options},
    )
    if rendered != text:
        raise ValueError("the chat template renders the row otherwise where it marks the assistant's turns")
    return [(first, last) for first, last in spans if first < last]


def assistant_mask(
    pieces: Sequence[str],
    spans: Collection[Span],
    tokenizer: Any,
    expanded: Sequence[int],
    placeholders: Collection[int],
) -> list[int]:
    """1 for each token of a row that the assistant wrote, 0 for the others.

    Args:
        pieces: the row's prompt, and what follows it, each tokenised by itself.
        spans: the assistant's characters, counted from the begin of the prompt.
        expanded: ids of the prompt as its processor gave them.
        placeholders: as in `expanded_mask`.
    """
    prompt, *completions = pieces
    plain = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    mask = expanded_mask(expanded, plain, marked_tokens(tokenizer, prompt, spans), placeholders)
    start = len(prompt)
    for piece in completions:
        mask += marked_tokens(tokenizer, piece, spans, start)
        start += len(piece)
    return mask


def marked_tokens(tokenizer: Any, text: str, spans: Collection[Span], start: int = 0) -> list[int]:
    """1 for each token of `text` that touches a span, 0 for the others, as transformers marks a conversation with media.

    start: where `text` begins in what the spans count from.
    """
    output = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return [
        int(any(first + start < end and last + start > begin for begin, end in spans))
        for first, last in output["offset_mapping"]
    ]


def expanded_mask(
    expanded: Sequence[int], plain: Sequence[int], mask: Sequence[int], placeholders: Collection[int]
) -> list[int]:
    """The mask of a prompt's tokens, for the prompt with its media expanded. Tokens of media are never in it.

    A processor changes a prompt at its placeholders alone, so what stands between two of them is found again as it is.

    Args:
        expanded: ids of the prompt as its processor gave them.
        plain: the tokenizer's ids of the prompt's text, placeholders not expanded.
        mask: 1 for each token of `plain` that is in it, 0 elsewhere.
        placeholders: ids of the tokens that stand for media in the texts.

    Raises:
        ValueError: tokens of the mask are not found again.
    """
    result = [0] * len(expanded)
    borders = [-1, *(place for place, token in enumerate(plain) if token in placeholders), len(plain)]
    done = 0
    for before, last in pairwise(borders):
        if before >= 0:  # at least one token comes of each placeholder
            done = next((p + 1 for p in range(done, len(expanded)) if expanded[p] in placeholders), done)
        first = before + 1
        marked = [place for place in range(first, last) if mask[place]]
        # At the prompt's own ends nothing is expanded.
        begin = first if first == 0 else min(first + _EDGE, *marked[:1], last)
        end = last if last == len(plain) else max(last - _EDGE, begin, *(place + 1 for place in marked[-1:]))
        start = done if last < len(plain) else max(done, len(expanded) - (end - begin))
        found = _find(expanded, plain[begin:end], start)
        if found is not None:
            for place in marked:
                result[found + place - begin] = 1
            done = found + end - begin
        elif marked:
            raise ValueError(
                "an answer before the last medium is not found again in what the processor made of the prompt, so its tokens "
                "cannot be scored; put the media first, or leave assistant_only_loss unset"
            )
    return result


def _find(ids: Sequence[int], wanted: Sequence[int], start: int) -> int | None:
    """The first place from `start` on where `wanted` stands in `ids`."""
    places = range(start, len(ids) - len(wanted) + 1)
    return next((place for place in places if list(ids[place : place + len(wanted)]) == list(wanted)), None)
