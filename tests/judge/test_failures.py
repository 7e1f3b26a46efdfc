"""What an HTTP status stands for, and how long a server asks to wait."""

import email.utils
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidalign.llm.failures import RequestFailed, reason_of, retry_after


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"RETRY-AFTER": " 2 "}, 2.0),
        ({"Retry-After": "0"}, 0.0),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After-Ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "Retry-After": "9"}, 0.25),
        ({"retry-after-ms": "soon", "Retry-After": "9"}, 9.0),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "inf"}, None),
        ({"Retry-After": "1e999"}, None),
        ({"Retry-After": "Wed, 99 Foo 2015 07:28:00 GMT"}, None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
    ],
)
def test_seconds_to_wait(headers, seconds):
    assert retry_after(headers) == seconds


@pytest.mark.parametrize("zone", ["GMT", "+0000", "-0000"])
def test_a_date_to_wait_for_is_in_universal_time(monkeypatch, zone):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        date = email.utils.formatdate(time.time() + 90, usegmt=True).replace("GMT", zone)
        assert retry_after({"Retry-After": date}) == pytest.approx(90, abs=1.5)
    finally:
        monkeypatch.undo()
        time.tzset()


@given(
    st.text()
    | st.from_regex(r"\w{3}, \d{1,6} \w{3} \d{1,6} \d{1,4}:\d\d:\d\d( [+-]\d{1,9}| GMT)?", fullmatch=True)
)
def test_no_value_makes_the_client_stumble(value):
    for name in ("Retry-After", "retry-after-ms"):
        seconds = retry_after({name: value})
        assert seconds is None or 0 <= seconds < float("inf")


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        (400, "bad", "bad_request"),
        (413, "too large", "bad_request"),
        (400, "maximum context length is 4096", "context_window"),
        (400, "content_policy_violation", "content_policy"),
        (401, "", "auth"),
        (402, "", "auth"),
        (403, "", "auth"),
        (404, "", "not_found"),
        (405, "", "not_found"),
        (408, "", "timeout"),
        (409, "", "server_error"),
        (425, "", "server_error"),
        (429, "slow down", "rate_limited"),
        (429, '{"code": "insufficient_quota"}', "auth"),
        (500, "", "server_error"),
        (502, "", "server_error"),
        (503, "maximum context length", "server_error"),
        (504, "", "timeout"),
        (529, "overloaded", "server_error"),
        (599, "", "server_error"),
    ],
)
def test_reasons(status, message, reason):
    assert reason_of(status, message) == reason


def test_what_passes_and_what_is_hopeless_exclude_each_other():
    reasons = "rate_limited timeout connection server_error bad_body bad_request context_window content_policy auth not_found"
    failures = [RequestFailed(reason, "") for reason in reasons.split()]
    assert [f.reason for f in failures if f.passing] == reasons.split()[:5]
    assert [f.reason for f in failures if f.hopeless] == ["auth", "not_found"]
