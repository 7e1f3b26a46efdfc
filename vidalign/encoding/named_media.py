"""The media that a row's text names, by content blocks or by typed placeholders, against those that the row has.

A chat template writes a placeholder for each block, whether or not a medium came with it, and leaves out a block whose
type it does not know. Looks at text alone: no medium is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vidalign.rows import COMPLETIONS, chain_of, media_of

KINDS = ("video", "audio", "image")


@dataclass(frozen=True)
class Placeholders:
    """What stands for media in the text that a model reads.

    tokens: by kind, the string that stands for one medium; kinds that are written in no text are left out.
    reserved: further strings of the tokenizer that stand for parts of media, which no text may hold.
    only_text: the model reads text alone. Blocks of other types are then left to its chat template.
    """

    tokens: Mapping[str, str] = field(default_factory=dict)
    reserved: frozenset[str] = frozenset()
    only_text: bool = False


def named_problem(row: Mapping[str, Any], kind: str, placeholders: Placeholders) -> str | None:
    """What is wrong between a row's text and its media, as "column: reason"; None if nothing is.

    Messages have as many blocks of a kind as the row has media of it, or none: then the media are put before the first user
    message. The same holds for placeholders typed into a plain string. Completions name no media.

    Args:
        row: a row in which `vidalign.rows.problem` finds nothing.
        kind: a key of `vidalign.rows.COMPLETIONS`.
    """
    # Images of a dataset that a trainer has prepared already stand in columns of its own.
    counts = {medium: len(media_of(row, medium) or media_of(row, f"vidalign_{medium}")) for medium in KINDS}
    if kind != "ranked":
        return row_problem(row, COMPLETIONS[kind], counts, placeholders)
    own = "ranked" if row.get("prompts") is None else "prompts"
    for number, item in enumerate(chain_of(row)):
        if (reason := row_problem(item, ("completion",), counts, placeholders)) is not None:
            return f"{own}, item {number}: {reason}"
    return None


def row_problem(
    row: Mapping[str, Any], completions: Sequence[str], counts: Mapping[str, int], placeholders: Placeholders
) -> str | None:
    """Likewise for a row with `prompt` and the given completion columns. counts: its media of each of `KINDS`."""
    prompt = row["prompt"]
    if (reason := _column_problem(prompt, counts, placeholders)) is not None:
        return f"prompt: {reason}"
    for column in completions:
        if (reason := _column_problem(row[column], None, placeholders)) is not None:
            return f"{column}: {reason}"
    if any(counts.values()) and not isinstance(prompt, str):
        types, _ = _read(prompt)
        unwritten = [kind for kind, count in counts.items() if count and kind not in types]
        if unwritten and not any(message["role"] == "user" for message in prompt):
            return f"prompt: has no user message to show the {unwritten[0]} in; add one, or a block that says where"
    return None


def text_problem(row: Mapping[str, Any], columns: Sequence[str], placeholders: Placeholders) -> str | None:
    """Likewise for the given columns of a row without columns of media, which are tokenised as they are."""
    for column in columns:
        if (reason := _column_problem(row.get(column), {}, placeholders)) is not None:
            return f"{column}: {reason}"
    return None


def _column_problem(value: Any, counts: Mapping[str, int] | None, placeholders: Placeholders) -> str | None:
    """counts: media of each kind; None where none may be named."""
    if not isinstance(value, (str, list, tuple)):
        return None
    types, texts = _read(value)
    for number, name in enumerate(types):
        if name == "text" or name in KINDS:
            continue
        if not placeholders.only_text or any(medium in str(name) for medium in KINDS):
            return (
                f"content block {number} has the type {name!r}, which a chat template may leave out or take for a medium; "
                'blocks are {"type": "text"} and, for a file of the columns videos, audios and images, {"type": "video"}, '
                '{"type": "audio"} and {"type": "image"}'
            )
    for kind in KINDS:
        token = placeholders.tokens.get(kind)
        typed = sum(text.count(token) for text in texts) if token else 0
        written, what = (
            (typed, repr(token)) if typed else (types.count(kind), f'a block {{"type": "{kind}"}}')
        )
        if not written:
            continue
        if counts is None:
            return f"names {_a(kind)} ({what}), but media stand in the prompt; take it out"
        if typed and not isinstance(value, str):
            return (
                f"holds {token!r} as text, which the model would read as {_a(kind)}; for {_a(kind)} write a block "
                f'{{"type": "{kind}"}} and put its file into `{kind}s`, otherwise take it out'
            )
        if written != counts.get(kind, 0):
            return _mismatch(kind, written, counts.get(kind, 0), what)
    for token in placeholders.reserved:
        if any(token in text for text in texts):
            return f"holds {token!r} as text, which stands for part of a medium; take it out"
    return None


def _mismatch(kind: str, written: int, given: int, what: str) -> str:
    if not given:
        return f"names {_many(written, kind)} ({what}), and the row has none; put the file into `{kind}s`, or take it out"
    return (
        f"names {_many(written, kind)} ({what}), and the row has {given} in `{kind}s`; write one for each in their order, "
        "or none at all, and they stand before the first user message"
    )


def _a(kind: str) -> str:
    return f"{'a' if kind == 'video' else 'an'} {kind}"


def _many(count: int, kind: str) -> str:
    return _a(kind) if count == 1 else f"{count} {kind}s"


def _read(value: Any) -> tuple[list[Any], list[str]]:
    """The types of all content blocks of a string or of messages, and all text."""
    if isinstance(value, str):
        return [], [value]
    types: list[Any] = []
    texts: list[Any] = []
    for message in value:
        if not isinstance(message, Mapping):
            continue
        content = message.get("content")
        if isinstance(content, (list, tuple)):
            blocks = [block for block in content if isinstance(block, Mapping)]
            types += [block.get("type") for block in blocks]
            texts += [block.get("text") for block in blocks]
        else:
            texts += [content, message.get("value")]  # `value`: of `conversations`
    return types, [text for text in texts if isinstance(text, str)]
