"""What can go wrong with one request, whatever transport it went by."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Mapping


class RequestFailed(Exception):
    """A request without an answer.

    reason: "rate_limited", "timeout", "connection", "server_error", "bad_body", "bad_request", "context_window",
    "content_policy", "auth" or "not_found".
    status: the HTTP status, if there was one.
    retry_after: seconds that the server asks to wait.
    """

    def __init__(
        self, reason: str, message: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{reason}: {message}" if status is None else f"{reason} ({status}): {message}")
        self.reason = reason
        self.retry_after = retry_after

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        return self.reason in ("rate_limited", "timeout", "connection", "server_error", "bad_body")

    @property
    def hopeless(self) -> bool:
        """Whether every other request will fail in the same way."""
        return self.reason in ("auth", "not_found")


def reason_of(status: int, message: str) -> str:
    """The reason that an HTTP status and a provider's message stand for."""
    said = message.lower()
    if status == 429:
        # OpenAI's 429 for an empty account does not pass by waiting.
        return "auth" if "insufficient_quota" in said else "rate_limited"
    if status in (401, 402, 403):
        return "auth"
    if status in (404, 405):
        return "not_found"
    if status in (408, 504):
        return "timeout"
    if status in (409, 425) or status >= 500:
        return "server_error"
    if "context" in said and ("length" in said or "window" in said or "maximum" in said):
        return "context_window"
    if "content_policy" in said or "content management policy" in said or "safety" in said:
        return "content_policy"
    return "bad_request"


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `retry-after-ms` or `Retry-After`, which is a number of seconds or a date."""
    lower = {key.lower(): value for key, value in headers.items()}
    try:
        if "retry-after-ms" in lower:
            return max(0.0, float(lower["retry-after-ms"]) / 1000)
        value = lower.get("retry-after")
        if value is None:
            return None
        try:
            return max(0.0, float(value))
        except ValueError:
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
