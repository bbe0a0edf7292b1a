from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightmodel.core.fault import Fault
from rightmodel.core.task import WireFormat
from rightmodel.upstream.error_response import wait_s
from upstream.upstream import failure, refusal

DATE = "Tue, 24 Nov 2026 10:00:00 GMT"


def waits(headers: dict[str, str], message: str = "", error: dict[str, Any] | None = None) -> Any:
    return wait_s({"date": DATE, **headers}, error or {}, message, limited=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": " 20 "}, 20.0),
        ({"retry-after": "Tue, 24 Nov 2026 10:00:30 GMT"}, 30.0),
        ({"retry-after": "34s"}, 34.0),
        ({"x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"x-ratelimit-reset-tokens": "1s"}, 1.0),
        ({"x-ratelimit-reset-tokens": "120ms"}, 0.12),
        ({"x-ratelimit-reset-requests": "7.66s"}, 7.66),
        ({"x-ratelimit-reset-requests": "1h2m3.5s"}, 3600.0),
        ({"x-ratelimit-reset": "59.5"}, 59.5),
        ({"x-ratelimit-reset": "1795514460"}, 60.0),
        ({"x-ratelimit-reset": "1795514460000"}, 60.0),
        ({"x-ratelimit-reset": "2026-11-24T10:01:00Z"}, 60.0),
        ({"anthropic-ratelimit-input-tokens-reset": "2026-11-24T10:00:05+00:00"}, 5.0),
    ],
)
def test_every_form_of_a_wait_is_understood(headers: dict[str, str], seconds: float) -> None:
    assert waits(headers) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, 3600.0),
        ({"retry-after": "31536000"}, 3600.0),
        ({"retry-after": "Wed, 24 Nov 2027 10:00:00 GMT"}, 3600.0),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after-ms": "later", "retry-after": "4"}, 4.0),
        ({"retry-after": "nan", "x-ratelimit-reset": "8"}, 8.0),
        ({"x-ratelimit-reset": "1795514400000000000"}, 3600.0),
    ],
)
def test_an_invalid_wait_is_bounded_or_unknown(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert waits(headers) == seconds


def test_a_date_is_held_against_the_upstreams_own_clock() -> None:
    ahead = time.time() + 86_400
    headers = {"date": formatdate(ahead, usegmt=True)}
    headers["retry-after"] = formatdate(ahead + 12, usegmt=True)
    assert waits(headers) == pytest.approx(12.0)


def test_without_a_date_the_own_clock_has_to_do() -> None:
    headers = {"date": "", "retry-after": formatdate(time.time() + 100, usegmt=True)}
    assert 95 < waits(headers) <= 100


def test_retry_after_wins_over_resets_and_over_the_message() -> None:
    headers = {"retry-after": "2", "x-ratelimit-reset-requests": "6m0s"}
    assert waits(headers, "Please try again in 9s") == 2.0


def test_the_limit_that_is_used_up_counts() -> None:
    headers = {
        "x-ratelimit-remaining-requests": "14",
        "x-ratelimit-reset-requests": "1s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "6m0s",
    }
    assert waits(headers) == 360.0


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Rate limit reached … Please try again in 4.77s. Need more tokens?", 4.77),
        ("Please try again in 9m38.016s.", 578.016),
        ("Please try again in 380ms", 0.38),
        ("Please retry in 34.074824224s.", 34.074824224),
        ("Please try again later", None),
        ("Please wait 30 seconds before retrying", 30.0),
        ("Rate limit reached. Retry after 2 minutes.", 120.0),
        ("Try again in 1 hour, 2 minutes and 3 seconds", 3600.0),
        ("Resets in 1m 5s", 65.0),
        ("Your limit will reset at 2026-11-24 10:01:30", 90.0),
        ("已达到 5 小时的使用上限。您的限额将在 2026-11-24 10:00:20 重置。", 20.0),
        ("limit resets at: 2026-11-24T10:13:01+0000", 781.0),
        ("You will regain access on 2026-11-24 at 10:05 UTC.", 300.0),
        ("Quota renewed at 2026-11-24T12:00:10+02:00", 10.0),
        ("Come back after Tue, 24 Nov 2026 10:00:45 GMT", 45.0),
        ("This key is limited to 40 API calls / minute", None),
    ],
)
def test_a_wait_in_the_message_is_parsed(message: str, seconds: float | None) -> None:
    found = waits({}, message)
    assert found == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        ({"resets_in_seconds": 600, "resets_at": 1795514999}, 600.0),
        ({"resets_at": 1795514460}, 60.0),
        ({"retry_after": "12"}, 12.0),
        ({"retry_at": "2026-11-24T10:00:05Z"}, 5.0),
        ({"retry_after": None}, None),
    ],
)
def test_a_wait_in_a_field_of_the_body_is_understood(
    error: dict[str, Any], seconds: float | None
) -> None:
    assert waits({}, error=error) == seconds


def test_when_limits_are_reset_means_nothing_where_none_was_hit() -> None:
    headers = {"x-ratelimit-reset-requests": "6m0s"}
    assert failure(refusal(500, "", **headers)).retry_after_s is None
    assert failure(refusal(429, "", **headers)).retry_after_s == 360.0


def test_retry_info_counts_in_a_list_too() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}
    body = [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [info]}}]
    error = failure(refusal(429, body), protocol=WireFormat.GEMINI)
    assert (error.fault, error.retry_after_s) == (Fault.RATE_LIMITED, 34.0)


@given(text=st.text(max_size=30), name=st.sampled_from(["retry-after", "x-ratelimit-reset"]))
def test_no_header_however_odd_leads_out_of_bounds(text: str, name: str) -> None:
    found = waits({name: text})
    assert found is None or 0 <= found <= 3600
