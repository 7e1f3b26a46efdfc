"""Keys stay in the environment: whatever is logged, raised or stored passes through `redact` first."""

from __future__ import annotations

import json
import logging
import os
import re
import traceback
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

_NAMES = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)($|_)", re.IGNORECASE)
_SHORTEST = 6
_HEADER = re.compile(
    r"(?i)\b(bearer|basic|x-api-key:?|api-key:?|api_key[\"']?\s*[=:])\s+[\"']?[^\s\"',}]{6,}"
)


_remembered: set[str] = set()


def remember(name: str) -> None:
    """From here on the environment variable of this name holds a key, whatever its name."""
    _remembered.add(name)


def redact(text: str) -> str:
    """The text without the values of environment variables that hold a key or are named like a secret, and without
    whatever stands where a key stands in a header. It can be printed: halves of surrogate pairs are replaced.

    To be called before a text is cut, since half a key is not found.
    """
    named = [name for name in os.environ if _NAMES.search(name)]
    text = _HEADER.sub(r"\1 ***", _without(text, _forms(named)))
    return text.encode("utf-8", "replace").decode("utf-8")


def without_keys(text: str) -> str:
    """The text without API keys only: for answers, which may hold the words of other secrets by right."""
    return _without(text, _forms())


def without_keys_in(value: Any) -> Any:
    """`without_keys` of all texts in a JSON value, where an escape can have hidden a key from it."""
    forms = _forms()
    return _without_in(value, forms) if forms else value


def _forms(names: Iterable[str] = ()) -> list[str]:
    named = [*names, *_remembered, *(name for name in os.environ if name.upper().endswith("API_KEY"))]
    values = {os.environ.get(name, "").strip() for name in named}
    # As they are, and as they stand in JSON and in a URL.
    forms = {
        form
        for value in values
        for form in (value, json.dumps(value)[1:-1], quote(value, safe="", errors="replace"))
    }
    return sorted((form for form in forms if len(form) >= _SHORTEST), key=len, reverse=True)


def _without(text: str, forms: Iterable[str]) -> str:
    for form in forms:
        text = text.replace(form, "***")
    return text


def _without_in(value: Any, forms: Iterable[str]) -> Any:
    if isinstance(value, str):
        return _without(value, forms)
    if isinstance(value, list):
        return [_without_in(item, forms) for item in value]
    if isinstance(value, dict):
        return {_without(key, forms): _without_in(item, forms) for key, item in value.items()}
    return value


class KeyFilter(logging.Filter):
    """Redacts what a logger of somebody else's is about to log."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info:
            record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)))
            record.exc_info = None
        return True
