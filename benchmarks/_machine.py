"""What a result row must say of where it was measured."""

from __future__ import annotations

from vidalign.provenance import describe as facts


def describe(packages: tuple[str, ...] = ("torch", "transformers", "trl")) -> str:
    """One line: commit, versions, hardware, time."""
    return "; ".join(facts(packages).values())
