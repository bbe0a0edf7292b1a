"""What an error response tells a client that retries by itself."""

from __future__ import annotations

import pytest

from rightmodel.surfaces.http.errors import HttpError


@pytest.mark.parametrize(
    ("retryable", "wait_s", "headers"),
    [
        (True, None, {"x-should-retry": "true"}),
        (True, 4.2, {"x-should-retry": "true", "retry-after": "5"}),
        (True, 61.0, {"x-should-retry": "false"}),
        (False, 4.2, {"x-should-retry": "false"}),
    ],
)
def test_nobody_is_told_to_wait_who_should_not(
    retryable: bool, wait_s: float | None, headers: dict[str, str]
) -> None:
    error = HttpError(402, "budget_exhausted", "x", retryable=retryable, retry_after_s=wait_s)
    assert {name.decode(): value.decode() for name, value in error.headers} == headers
