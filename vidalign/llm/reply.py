"""What one request brought back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reply:
    """text: the model's answer. finish: "stop", "length", "content_filter", "refusal" or what else the provider says.
    dollars: what it cost, None where no price is known."""

    text: str
    finish: str
    input_tokens: int = 0
    output_tokens: int = 0
    dollars: float | None = None
