"""What the demo with sound found, as data: everything that the table and the report show is read from here."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from demo.av.measures import Run


@dataclass(frozen=True)
class Example:
    """A test clip. reference: its caption. spans: per arm, the caption's pieces, each with whether it is right."""

    video: str
    reference: str
    spans: dict[str, list[tuple[str, bool]]]


@dataclass
class Results:
    """base: the supervised checkpoint that all arms start from. runs: of each arm, one a seed."""

    settings: dict[str, Any]
    environment: dict[str, str]
    base: Run
    runs: dict[str, list[Run]]
    examples: list[Example]
    seconds: dict[str, float] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
