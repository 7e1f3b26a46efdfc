"""The comparison as text for the terminal."""

from __future__ import annotations

import textwrap

from vidalign.toyworld.demo import summary
from vidalign.toyworld.demo.results import Results

WIDTH = 110


def render(results: Results) -> str:
    """Table, notes, findings and caveats."""
    table = [summary.HEADERS, *summary.rows(results)]
    widths = [max(len(row[column]) for row in table) for column in range(len(summary.HEADERS))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]
    lines.insert(1, "-" * len(lines[0]))
    blocks = [summary.notes(results), summary.sentences(results), summary.caveats(results)]
    for block in blocks:
        lines.append("")
        for text in block:
            lines += textwrap.wrap(text, WIDTH, initial_indent="- ", subsequent_indent="  ")
    return "\n".join(lines)
