"""A comparison: a table, what its numbers are and what came out, and the same as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 110


@dataclass(frozen=True)
class Summary:
    """headers, rows: a table. notes: what its numbers are. sentences: what came out. caveats: what it cannot show."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str]
    sentences: Sequence[str]
    caveats: Sequence[str]


def render(summary: Summary) -> str:
    """Title, table, notes, findings and caveats."""
    table = [summary.headers, *summary.rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(summary.headers))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]
    lines.insert(1, "-" * len(lines[0]))
    lines = [summary.title, "", *lines]
    for block in (summary.notes, summary.sentences, summary.caveats):
        lines.append("")
        for text in block:
            lines += textwrap.wrap(text, WIDTH, initial_indent="- ", subsequent_indent="  ")
    return "\n".join(lines)
