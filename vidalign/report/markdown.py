"""Cards of the Hub: Markdown with a head of metadata, through huggingface_hub's classes, and without keys."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from vidalign.llm.redaction import redact


def card(kind: str, data: Mapping[str, Any], body: str) -> str:
    """The text of a card. The values of environment variables that hold keys, or are named like secrets, stand in it as `***`.

    Args:
        kind: "dataset" or "model".
        data: fields of huggingface_hub's `DatasetCardData` or `ModelCardData`. Those that are None are left out.
        body: Markdown.
    """
    import huggingface_hub  # 0.2 s, which a command that only shows its help does not need

    classes = {"dataset": huggingface_hub.DatasetCard, "model": huggingface_hub.ModelCard}
    card_class = classes[kind]
    # Before the head is written: a key that became *** in finished YAML could leave something that is none.
    head = card_class.card_data_class(**_redacted(dict(data))).to_yaml()
    return redact(str(card_class(f"---\n{head}\n---\n{body.strip()}\n")))


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    r"""Cells are any values, in one line each.

    >>> print(table(["what", "how many"], [["a | b", 2]]))
    | what | how many |
    |---|---|
    | a \| b | 2 |
    """
    lines = [f"| {' | '.join(map(_cell, cells))} |" for cells in (header, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(header), *lines[1:]])


def _cell(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, (list, tuple)):
        return [_redacted(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _redacted(item) for name, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        own = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **_redacted(own))
    return value
