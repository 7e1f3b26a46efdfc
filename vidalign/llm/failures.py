"""What can go wrong with one request, whatever transport it went by."""

from __future__ import annotations

import datetime
import email.utils
import math
import time
from collections.abc import Mapping


class RequestFailed(Exception):
    """A request without an answer.

    reason: "rate_limited", "timeout", "connection", "server_error", "bad_body", "bad_request", "context_window",
    "content_policy", "auth" or "not_found".
    message: what the server or the library said, without keys.
    status: the HTTP status, if there was one.
    retry_after: seconds that the server asks to wait.
    sent: whether a model may have worked on it, and somebody pays for that.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        sent: bool = False,
    ) -> None:
        super().__init__(f"{reason}: {message}" if status is None else f"{reason} ({status}): {message}")
        self.reason = reason
        self.retry_after = retry_after
        self.sent = sent

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
    """Seconds to wait by `retry-after-ms` or `Retry-After`, which is a number of seconds or a date; None where neither can
    be read."""
    lower = {key.lower(): value for key, value in headers.items()}
    milliseconds = _number(lower.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = lower.get("retry-after", "")
    seconds = _number(value)
    return _until(value) if seconds is None else seconds


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def _until(date: str) -> float | None:
    try:
        then = email.utils.parsedate_to_datetime(date)
        # A date without a zone is in UTC, as all of HTTP's are.
        then = then if then.tzinfo else then.replace(tzinfo=datetime.UTC)
        return max(0.0, then.timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
