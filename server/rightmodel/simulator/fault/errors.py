"""Faults that are an error response: rate limits, quota, keys, names. Texts: `dialects.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import formatdate
from typing import TYPE_CHECKING, Final

from rightmodel.core.fault import Fault
from rightmodel.simulator.fault.base import ANTHROPIC, CHAT, GEMINI, Group, SimulatedFault, made
from rightmodel.simulator.transport import Response, json_response

if TYPE_CHECKING:
    from rightmodel.simulator.call import Call

YEAR_S: Final = 365 * 86_400.0
STATUSES: Final[Mapping[int, tuple[str, tuple[Fault, ...]]]] = {
    400: ("bad_request", (Fault.BAD_REQUEST,)),
    401: ("wrong_key", (Fault.AUTH,)),
    402: ("quota", (Fault.QUOTA,)),
    403: ("forbidden", (Fault.AUTH, Fault.NOT_FOUND, Fault.REFUSED)),
    404: ("unknown_model", (Fault.NOT_FOUND,)),
    408: ("timeout", (Fault.SERVER, Fault.TIMEOUT)),
    409: ("bad_request", (Fault.BAD_REQUEST, Fault.SERVER)),
    413: ("too_large", (Fault.CONTEXT_OVERFLOW, Fault.BAD_REQUEST)),
    422: ("extra_parameter", (Fault.BAD_REQUEST, Fault.PARAMETER)),
    429: ("rate_limit", (Fault.RATE_LIMITED,)),
    500: ("server_error", (Fault.SERVER,)),
    502: ("bad_gateway", (Fault.SERVER,)),
    503: ("unavailable", (Fault.OVERLOADED, Fault.SERVER)),
    504: ("gateway_timeout", (Fault.SERVER,)),
    529: ("overloaded", (Fault.OVERLOADED,)),
}
"""A bare status → the kind of error that it stands for, and its right classifications."""

RATE_LIMITS: Final = Group("Rate limits")
REFUSALS: Final = Group("Refusals, quota, keys, names")

# --- rate limits ---


def rate_limit(
    retry_after: str | float | None = None,
    *,
    retry_after_ms: str | float | None = None,
    date_in_s: float | None = None,
    clock_skew_s: float = 0.0,
    name: str = "rate_limit",
) -> SimulatedFault:
    """429, and how long to wait in any form.

    `retry_after`, `retry_after_ms`: the headers as written. `date_in_s`: Retry-After as a date so
    many seconds from now. `clock_skew_s`: how far the provider's clock is off: both that date and
    the Date header.
    """

    def plan(call: Call) -> Response:
        headers = {}
        if retry_after is not None:
            headers["retry-after"] = str(retry_after)
        if retry_after_ms is not None:
            headers["retry-after-ms"] = str(retry_after_ms)
        now = call.now + clock_skew_s
        if date_in_s is not None:
            headers["retry-after"] = formatdate(now + date_in_s, usegmt=True)
        if clock_skew_s:
            headers["date"] = formatdate(now, usegmt=True)
        return call.error("rate_limit").with_headers(headers)

    return made(name, plan, Fault.RATE_LIMITED)


RATE_LIMITS.faults += (
    rate_limit(),
    rate_limit("2", name="rate_limit_seconds"),
    rate_limit("1.5", name="rate_limit_fraction"),
    rate_limit("0", name="rate_limit_zero"),
    rate_limit("-5", name="rate_limit_negative"),
    rate_limit("NaN", name="rate_limit_nan"),
    rate_limit("inf", name="rate_limit_infinite"),
    rate_limit("soon", name="rate_limit_words"),
    rate_limit(f"{YEAR_S:.0f}", name="rate_limit_year"),
    rate_limit(retry_after_ms="750", name="rate_limit_ms"),
    rate_limit(retry_after_ms="NaN", name="rate_limit_ms_nan"),
    rate_limit("20", retry_after_ms="400", name="rate_limit_ms_and_seconds"),
    rate_limit(date_in_s=3, name="rate_limit_date"),
    rate_limit(date_in_s=-3600, name="rate_limit_past_date"),
    rate_limit(date_in_s=YEAR_S, name="rate_limit_date_in_a_year"),
    rate_limit(date_in_s=3, clock_skew_s=7200, name="rate_limit_clock_ahead"),
    rate_limit(date_in_s=3, clock_skew_s=-7200, name="rate_limit_clock_behind"),
)


@RATE_LIMITS.fault(Fault.RATE_LIMITED, protocols=CHAT | ANTHROPIC)
def rate_limit_resets(call: Call, seconds: float = 6.5) -> Response:
    """429 whose only hint is when the counters start anew, in each provider's own headers."""
    if call.protocol in ANTHROPIC:  # platform.claude.com/docs/en/api/rate-limits: RFC 3339
        at = datetime.fromtimestamp(call.now + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        kinds = ("requests", "tokens", "input-tokens", "output-tokens")
        headers = {f"anthropic-ratelimit-{kind}-reset": at for kind in kinds}
        headers["anthropic-ratelimit-requests-remaining"] = "0"
    else:  # platform.openai.com/docs/guides/rate-limits: Go durations
        headers = {
            "x-ratelimit-limit-requests": "60",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": f"{seconds:g}s",
            "x-ratelimit-reset-tokens": "6m0s",
        }
    return call.error("rate_limit", wait_s=seconds).with_headers(headers)


@RATE_LIMITS.fault(Fault.RATE_LIMITED, protocols=GEMINI)
def retry_info(call: Call, delay_s: float = 34.0, *, array: bool = False) -> Response:
    """Gemini's 429 with `RetryInfo` in the body; `array`: with a JSON array around the object.

    Source: github.com/RooCodeInc/Roo-Code/issues/3883.
    """
    at = "type.googleapis.com/google.rpc."
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
        "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
        "quotaDimensions": {"location": "global", "model": call.request.model},
        "quotaValue": "20",
    }
    link = {
        "description": "Learn more about Gemini API quotas",
        "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
    }
    details = [
        {"@type": f"{at}Help", "links": [link]},
        {"@type": f"{at}QuotaFailure", "violations": [violation]},
        {"@type": f"{at}RetryInfo", "retryDelay": f"{delay_s:g}s"},
    ]
    text = replace(call.dialect.errors["quota"], extra={"details": details})
    body = call.error_body(text)
    return json_response(429, [body] if array else body, call.dialect.headers)


RATE_LIMITS.faults.append(replace(retry_info(array=True), name="retry_info_in_array"))

# --- refusals ---


def status(code: int, headers: Mapping[str, str] | None = None) -> SimulatedFault:
    """A status with the body that the provider has for it."""
    is_server = code >= 500  # noqa: PLR2004
    usual = ("server_error", (Fault.SERVER,)) if is_server else STATUSES[400]
    kind, leads_to = STATUSES.get(code, usual)

    def plan(call: Call) -> Response:
        text = replace(call.dialect.errors[kind], status=code)
        response = call.error(text, parameter="messages", words="simulated")
        return response.with_headers(headers or {})

    return made(f"status_{code}", plan, *leads_to)


REFUSALS.faults += (status(code) for code in STATUSES)

_error: Final = REFUSALS.error

# Anthropic's 529, the 503 (or 429, 502) of the others
overloaded = _error("overloaded", Fault.OVERLOADED, Fault.SERVER, Fault.RATE_LIMITED)
# 429, 402, or Anthropic's 400
out_of_quota = _error("out_of_quota", Fault.QUOTA, protocols=CHAT | ANTHROPIC, kind="quota")
# OpenAI's 429 that no waiting helps against: type and code `insufficient_quota`
insufficient_quota = _error("insufficient_quota", Fault.QUOTA, dialects=["openai"], kind="quota")
project_spend_limit = _error("project_spend_limit", Fault.QUOTA, dialects=["openai"])
# 402, as DeepSeek and OpenRouter send it
payment_required = _error(
    "payment_required", Fault.QUOTA, dialects=["deepseek", "openrouter"], kind="quota"
)
# Anthropic's 400 `invalid_request_error`
credit_balance_too_low = _error(
    "credit_balance_too_low", Fault.QUOTA, dialects=["anthropic"], kind="quota"
)
spend_limit_enforced = _error("spend_limit_enforced", Fault.QUOTA, dialects=["anthropic"])
spend_limit_set = _error("spend_limit_set", Fault.QUOTA, dialects=["anthropic"])
# 401, or Gemini's 400
wrong_key = _error("wrong_key", Fault.AUTH)
# 403: no right to the model, no right at all, or moderation
forbidden = _error("forbidden", Fault.AUTH, Fault.NOT_FOUND, Fault.REFUSED)
region_forbidden = _error("region_forbidden", Fault.AUTH, dialects=["openai"])
# 404 for a path that the provider does not serve
wrong_path = _error("wrong_path", Fault.WRONG_URL, Fault.NOT_FOUND, kind="no_route")
# OpenAI's 403 for a model that the project may not use
model_forbidden = _error("model_forbidden", Fault.NOT_FOUND, dialects=["openai"], kind="forbidden")
# OpenRouter's 403 for a prompt that moderation has flagged
moderated = _error("moderated", Fault.REFUSED, dialects=["openrouter"], kind="forbidden")
# 404, or the 400 of DeepSeek, Mistral and OpenRouter
unknown_model = _error("unknown_model", Fault.NOT_FOUND, Fault.BAD_REQUEST)


@REFUSALS.fault(Fault.SERVER)
def bad_gateway_page(_: Call) -> Response:
    """502 with an HTML page as body, as a proxy in front of a dead upstream sends it."""
    page = (
        b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
        b"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n"
        b"</body>\r\n</html>\r\n"
    )
    return Response(502, (("content-type", "text/html"), ("server", "cloudflare")), (page,))


@REFUSALS.fault(Fault.FORBIDDEN)
def firewall_page(_: Call) -> Response:
    """403 with an HTML page, as a firewall in front of the API sends it."""
    page = b"<html><head><title>Access denied</title></head><body>Access denied</body></html>"
    return Response(403, (("content-type", "text/html"), ("server", "cloudflare")), (page,))


@REFUSALS.fault(Fault.BAD_REQUEST)
def bad_request(call: Call, words: str = "simulated") -> Response:
    """400: a fault of the request."""
    return call.error("bad_request", parameter="messages", words=words)


@REFUSALS.fault(Fault.BAD_REQUEST)
def echoed_prompt(call: Call) -> Response:
    """400 whose body repeats the prompt beside the message: its words mean nothing.

    Ask with a prompt that contains "rate limit 429 context length".
    """
    body = call.error_body("bad_request", parameter="messages", words="simulated")
    return json_response(400, {**body, "input": call.request.prompt}, call.dialect.headers)
