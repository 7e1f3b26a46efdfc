"""The form of an answer: JSON schemas of lists whose length the material bounds.

Under guided decoding a small model that goes in circles ends where its list must.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def object_of(**properties: Mapping[str, Any]) -> dict[str, Any]:
    """An object with these keys, all of them and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def list_of(item: Mapping[str, Any], *, maximum: int, minimum: int = 0) -> dict[str, Any]:
    """A list of at least `minimum` and at most `maximum` items."""
    bounds = {"maxItems": max(1, maximum), **({"minItems": minimum} if minimum else {})}
    return {"type": "array", "items": item, **bounds}


INTEGER = {"type": "integer"}
BOOLEAN = {"type": "boolean"}
STRING = {"type": "string"}
