"""Faults that are a status with the provider's own body."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.fault import Fault
from rightmodel.simulator.dialects import BY_STATUS, ErrorText
from rightmodel.simulator.fault.base import ANTHROPIC, CHAT, GEMINI, SimulatedFault, made
from rightmodel.simulator.transport import Response, json_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.simulator.call import Call

YEAR_S: Final = 365 * 86_400.0

LEADS_TO: Final[Mapping[int, frozenset[Fault]]] = {
    400: frozenset({Fault.BAD_REQUEST}),
    401: frozenset({Fault.AUTH}),
    402: frozenset({Fault.QUOTA}),
    403: frozenset({Fault.AUTH, Fault.NOT_FOUND, Fault.REFUSED}),
    404: frozenset({Fault.NOT_FOUND}),
    408: frozenset({Fault.SERVER, Fault.TIMEOUT}),
    409: frozenset({Fault.BAD_REQUEST, Fault.SERVER}),
    413: frozenset({Fault.CONTEXT_OVERFLOW, Fault.BAD_REQUEST}),
    422: frozenset({Fault.BAD_REQUEST, Fault.PARAMETER}),
    429: frozenset({Fault.RATE_LIMITED}),
    503: frozenset({Fault.OVERLOADED, Fault.SERVER}),
    529: frozenset({Fault.OVERLOADED}),
}
"""Right readings of a bare status; any other is a server fault."""


def error(kind: str, *leads_to: Fault, name: str = "", **facts: Any) -> SimulatedFault:
    """An error of a kind (a key of `dialects.toml`) in the provider's own words."""
    return made(name or kind, lambda call: call.error(kind, **facts), *leads_to)


def status(code: int, headers: Mapping[str, str] | None = None) -> SimulatedFault:
    """A status with the body that the provider has for it."""
    kind = BY_STATUS.get(code, "bad_request" if code < 500 else "server_error")  # noqa: PLR2004

    def plan(call: Call) -> Response:
        said = replace(call.dialect.errors[kind], status=code)
        response = call.error(said, parameter="messages", words="simulated")
        return response.with_headers(headers or {})

    readings = LEADS_TO.get(code, frozenset({Fault.SERVER if code >= 500 else Fault.BAD_REQUEST}))  # noqa: PLR2004
    return SimulatedFault(f"status_{code}", plan, readings)


def overloaded() -> SimulatedFault:
    """No capacity: Anthropic's 529, the 503 (or 429, 502) of the others."""
    readings = (Fault.OVERLOADED, Fault.SERVER, Fault.RATE_LIMITED)
    return error("overloaded", *readings)


def bad_gateway_page() -> SimulatedFault:
    """502 with an HTML page as body, as a proxy in front of a dead upstream sends it."""
    page = (
        b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
        b"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n"
        b"</body>\r\n</html>\r\n"
    )
    headers = (("content-type", "text/html"), ("server", "cloudflare"))
    return made("bad_gateway_page", lambda _: Response(502, headers, (page,)), Fault.SERVER)


# --- rate limits ---


def rate_limit(
    retry_after: str | float | None = None,
    *,
    retry_after_ms: str | float | None = None,
    date_in_s: float | None = None,
    clock_skew_s: float = 0.0,
    resets: Mapping[str, str] | None = None,
    name: str = "rate_limit",
) -> SimulatedFault:
    """429, and how long to wait in any form.

    `retry_after`, `retry_after_ms`: the headers as written. `date_in_s`: Retry-After as a date so
    many seconds from now. `clock_skew_s`: how far the provider's clock is off: both that date and
    the Date header. `resets`: further headers, such as `x-ratelimit-reset-requests`.
    """

    def plan(call: Call) -> Response:
        headers = dict(resets or {})
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


def rate_limit_resets(seconds: float = 6.5) -> SimulatedFault:
    """429 that says only when its counters start anew, each provider in its own header form."""

    def plan(call: Call) -> Response:
        if call.protocol in ANTHROPIC:
            # platform.claude.com/docs/en/api/rate-limits: RFC 3339
            at = _rfc3339(call.now + seconds)
            kinds = ("requests", "tokens", "input-tokens", "output-tokens")
            headers = {f"anthropic-ratelimit-{kind}-reset": at for kind in kinds}
            headers["anthropic-ratelimit-requests-remaining"] = "0"
        else:
            # platform.openai.com/docs/guides/rate-limits: Go durations
            headers = {
                "x-ratelimit-limit-requests": "60",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": f"{seconds:g}s",
                "x-ratelimit-reset-tokens": "6m0s",
            }
        return call.error("rate_limit", wait_s=seconds).with_headers(headers)

    protocols = CHAT | ANTHROPIC
    reading = frozenset({Fault.RATE_LIMITED})
    return SimulatedFault("rate_limit_resets", plan, reading, protocols)


def retry_info(delay_s: float = 34.0, *, array: bool = False) -> SimulatedFault:
    """Gemini's 429 with `RetryInfo` in the body; `array`: with a JSON array around the object."""

    def plan(call: Call) -> Response:
        said = call.dialect.errors["quota"]
        filled = replace(said, extra={"details": _retry_details(delay_s, call.request.model)})
        body = call.error_body(filled)
        return json_response(429, [body] if array else body, call.dialect.headers)

    name = "retry_info_in_array" if array else "retry_info"
    return SimulatedFault(name, plan, frozenset({Fault.RATE_LIMITED}), GEMINI)


def _retry_details(delay_s: float, model: str) -> list[dict[str, Any]]:
    """Quota details with a `RetryInfo`, as in github.com/RooCodeInc/Roo-Code/issues/3883."""
    at = "type.googleapis.com/google.rpc."
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
        "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": "20",
    }
    link = {
        "description": "Learn more about Gemini API quotas",
        "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
    }
    return [
        {"@type": f"{at}Help", "links": [link]},
        {"@type": f"{at}QuotaFailure", "violations": [violation]},
        {"@type": f"{at}RetryInfo", "retryDelay": f"{delay_s:g}s"},
    ]


def _rfc3339(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- money ---


def out_of_quota() -> SimulatedFault:
    """The account is used up, each provider in its way: 429, 402, or Anthropic's 400."""
    quota = error("quota", Fault.QUOTA, name="out_of_quota")
    return replace(quota, protocols=CHAT | ANTHROPIC)


def insufficient_quota() -> SimulatedFault:
    """OpenAI's 429 that no waiting helps against: type and code `insufficient_quota`."""
    return _only(error("quota", Fault.QUOTA, name="insufficient_quota"), "openai")


def project_spend_limit() -> SimulatedFault:
    """OpenAI's 429 `project_spend_limit_exceeded`, type still `insufficient_quota`.

    Source: developers.openai.com/api/docs/guides/spend-limits and help article 5955604.
    """
    message = "You exceeded your project's monthly spend limit."
    said = ErrorText(429, message, "insufficient_quota", "project_spend_limit_exceeded")
    return _only(made("project_spend_limit", lambda call: call.error(said), Fault.QUOTA), "openai")


def payment_required() -> SimulatedFault:
    """402, as DeepSeek and OpenRouter send it."""
    found = error("quota", Fault.QUOTA, name="payment_required")
    return replace(found, protocols=CHAT, dialects=frozenset({"deepseek", "openrouter"}))


def credit_balance_too_low() -> SimulatedFault:
    """Anthropic's 400 `invalid_request_error` about the credit balance."""
    return _only(error("quota", Fault.QUOTA, name="credit_balance_too_low"), "anthropic")


def spend_limit_enforced() -> SimulatedFault:
    """Anthropic's 429 with `enforced_spend_limit_reached` in the details and no retry-after.

    Source: the docs' words as repeated at
    developersdigest.tech/errors/api/anthropic-api/429-enforced-spend-limit-reached.
    """
    said = ErrorText(
        429,
        "Your organization has reached its monthly spend limit. Access resumes on the first day "
        "of next month at 00:00 UTC.",
        "rate_limit_error",
        extra={"details": {"error_code": "enforced_spend_limit_reached"}},
    )
    found = made("spend_limit_enforced", lambda call: call.error(said), Fault.QUOTA)
    return _only(found, "anthropic")


def spend_limit_set() -> SimulatedFault:
    """Anthropic's 400 for a spend limit that the user has set.

    Source: developersdigest.tech/errors/api/anthropic-api/400-spend-limit-reached.
    """
    said = ErrorText(
        400,
        "You have reached your specified API usage limits. You will regain access on "
        "2026-12-01 at 00:00 UTC.",
        "invalid_request_error",
    )
    return _only(made("spend_limit_set", lambda call: call.error(said), Fault.QUOTA), "anthropic")


# --- keys, names, requests ---


def wrong_key() -> SimulatedFault:
    """The key is not taken: 401, or Gemini's 400."""
    return error("wrong_key", Fault.AUTH)


def forbidden() -> SimulatedFault:
    """403 as the provider has it: no right to the model, no right at all, or moderation."""
    return error("forbidden", Fault.AUTH, Fault.NOT_FOUND, Fault.REFUSED)


def firewall_page() -> SimulatedFault:
    """403 with an HTML page, as a firewall in front of the API sends it."""
    page = b"<html><head><title>Access denied</title></head><body>Access denied</body></html>"
    headers = (("content-type", "text/html"), ("server", "cloudflare"))
    return made("firewall_page", lambda _: Response(403, headers, (page,)), Fault.FORBIDDEN)


def wrong_path() -> SimulatedFault:
    """404 as the provider has it for a path that it does not serve."""
    return error("no_route", Fault.WRONG_URL, Fault.NOT_FOUND, name="wrong_path")


def region_forbidden() -> SimulatedFault:
    """OpenAI's 403 for a country: github.com/home-assistant/core/issues/120072."""
    said = ErrorText(
        403,
        "Country, region, or territory not supported",
        "request_forbidden",
        "unsupported_country_region_territory",
    )
    return _only(made("region_forbidden", lambda call: call.error(said), Fault.AUTH), "openai")


def model_forbidden() -> SimulatedFault:
    """OpenAI's 403 for a model that the project may not use."""
    return _only(error("forbidden", Fault.NOT_FOUND, name="model_forbidden"), "openai")


def moderated() -> SimulatedFault:
    """OpenRouter's 403 for a prompt that moderation has flagged."""
    return _only(error("forbidden", Fault.REFUSED, name="moderated"), "openrouter")


def unknown_model() -> SimulatedFault:
    """There is no such model: 404, or the 400 of DeepSeek, Mistral and OpenRouter."""
    return error("unknown_model", Fault.NOT_FOUND, Fault.BAD_REQUEST)


def bad_request(words: str = "simulated") -> SimulatedFault:
    """400: a fault of the request."""
    return error("bad_request", Fault.BAD_REQUEST, parameter="messages", words=words)


def echoed_prompt() -> SimulatedFault:
    """400 whose body repeats the prompt beside the message: its words mean nothing.

    Ask with a prompt that contains "rate limit 429 context length".
    """

    def plan(call: Call) -> Response:
        body = call.error_body("bad_request", parameter="messages", words="simulated")
        whole = {**body, "input": call.request.prompt}
        return json_response(400, whole, call.dialect.headers)

    return made("echoed_prompt", plan, Fault.BAD_REQUEST)


def _only(fault: SimulatedFault, dialect: str) -> SimulatedFault:
    protocols = {"anthropic": ANTHROPIC, "gemini": GEMINI}.get(dialect, CHAT)
    return replace(fault, protocols=protocols, dialects=frozenset({dialect}))
