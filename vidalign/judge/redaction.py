"""Keys stay in the environment: whatever is logged, raised or stored passes through `redact` first."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

_NAMES = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)($|_)", re.IGNORECASE)
_SHORTEST = 6
_HEADER = re.compile(
    r"(?i)\b(bearer|basic|x-api-key:?|api-key:?|api_key[\"']?\s*[=:])\s+[\"']?[^\s\"',}]{6,}"
)


def redact(text: str, names: Iterable[str] = ()) -> str:
    """The text without the values of environment variables that are named like secrets, and of those in `names`, and
    without whatever stands where a key stands in a header."""
    named = [*names, *(name for name in os.environ if _NAMES.search(name))]
    return _HEADER.sub(r"\1 ***", without_keys(text, named))


def without_keys(text: str, names: Iterable[str]) -> str:
    """The text without the values of these environment variables: for answers, which may hold other words by right."""
    values = {os.environ.get(name, "").strip() for name in names}
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= _SHORTEST:
            text = text.replace(value, "***")
    return text


def public_url(url: str) -> str:
    """A URL without user, password, query and fragment."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"
