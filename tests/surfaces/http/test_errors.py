"""What an error response tells a client that retries by itself."""

from __future__ import annotations

import pytest

from rightmodel.core.decision import Rejection
from rightmodel.core.errors import NoCandidateError
from rightmodel.surfaces import rendering
from rightmodel.surfaces.http.errors import HttpError, http_error


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


def test_each_surface_says_where_it_lists_why_no_model_fits() -> None:
    error = NoCandidateError("nothing fits", rejections=[Rejection("p/m", "client", "not for it")])
    assert http_error(error).message.startswith(
        "nothing fits; send the same body to POST /v1/route"
    )
    assert "nothing fits, or call choose_model for the whole list\n" in rendering.error_text(error)
    assert http_error(NoCandidateError("no model is connected")).message == "no model is connected"
