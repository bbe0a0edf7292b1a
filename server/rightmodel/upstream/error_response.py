"""An error response taken apart: its typed fields, its message, how long it asks to wait.

Bodies: OpenAI's and Anthropic's `error` object; flat ones (vLLM, xAI, Cohere, AWS); lists (Gemini,
Cloudflare); FastAPI's `detail`; MiniMax's `base_resp`; and an upstream's error inside a gateway's
(OpenRouter's `metadata.raw`; JSON inside a message, as LiteLLM and many proxies write it).

Waits: RFC 9110 §10.2.3 (Retry-After); `retry-after-ms` (OpenAI, Azure); google.rpc.RetryInfo;
"Please try again in 4.77s" (Groq, OpenAI, Gemini); "You will regain access on 2026-10-01 at 00:00
UTC" (Anthropic); "Your limit will reset at 2026-08-17 02:56:15" (Z.ai); `resets_in_seconds` and
`resets_at` (ChatGPT plans); `x-ratelimit-reset-*` in the dialects of OpenAI and Groq ("6m0s",
"7.66s", "120ms"), Anthropic (ISO 8601), OpenRouter (epoch in milliseconds), others (seconds).
"""

from __future__ import annotations

import json
import math
import re
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MOST_SEARCHED: Final = 4000
"""Characters of a message that are searched for words."""

MOST_SHOWN: Final = 300
"""Characters of a body that are shown where no known field holds a message."""

_WRAPPERS: Final = re.compile(
    r"^(?:(?:error code: \d+|http \d+|litellm\.\w+|\w+(?:error|exception)|\w[\w-]* error)"
    r"\s*[:-]\s*)+",
    re.IGNORECASE,
)
"""What gateways put before an upstream's message: "litellm.BadRequestError: OpenAIException - "."""

_MESSAGE_KEYS: Final = (
    "message", "detail", "error_message", "msg", "Message", "status_msg", "error_description",
    "errorMessage",
)  # fmt: skip
_WINDOW_FULL: Final = "Context size has been exceeded."
_CODE_KEYS: Final = ("code", "type", "status", "error_code", "error_type", "__type", "Code")

MOST_WAIT_S: Final = 3600.0
_YEAR_2001: Final = 1e9
_UNITS_S: Final = (("milli", 0.001), ("ms", 0.001), ("d", 86400.0), ("h", 3600.0), ("m", 60.0))
"""By how a unit begins, in this order; any other is seconds."""

_UNIT: Final = (
    r"(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)(?![a-z])"
)
_PART: Final = re.compile(rf"(\d+(?:\.\d+)?) ?({_UNIT})", re.ASCII | re.IGNORECASE)
_DURATION: Final = re.compile(
    rf"(?:\d+(?:\.\d+)? ?{_UNIT},? ?(?:and )?)+", re.ASCII | re.IGNORECASE
)
_WAIT_IN_TEXT: Final = re.compile(
    rf"(?:try again|retry|wait|resets?)(?: (?:in|after|for|within|again))* ({_DURATION.pattern})",
    re.ASCII | re.IGNORECASE,
)
_DATE_IN_TEXT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ]| at )(\d\d:\d\d(?::\d\d)?)(?:\.\d+)?"
    r"( ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?|"
    r"((?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d? [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT)",
    re.ASCII,
)
_WAIT_KEYS: Final = (
    "retry_after", "retryAfter", "retry_after_seconds", "resets_in_seconds", "resets_at",
    "reset_at", "retry_at",
)  # fmt: skip
_LIMITS: Final = ("requests", "tokens", "input-tokens", "output-tokens")


class ErrorBody(NamedTuple):
    """What an upstream answered.

    `codes`: every field that names a kind of error, in lower case. `message`: its own words, ""
    where there are none. `is_page`: an HTML page, as proxies and firewalls send. `shown`: what a
    person should see. `error`: the fields of the error object.
    """

    status: int
    codes: frozenset[str]
    message: str
    is_page: bool
    shown: str
    error: Mapping[str, Any]


def read_error(status: int, body: Any) -> ErrorBody:
    """Take an error's body apart. `body`: decoded JSON, or text where it was none."""
    error = error_object(body)
    codes = frozenset(_codes(error))
    message = _message(error)
    text = body if isinstance(body, str) else ""
    is_page = text.lstrip()[:1] == "<"
    if not message and not is_page:
        message = text
    shown = message
    if inner := _inner_error(error, message):
        codes |= frozenset(_codes(inner))
        nested = _message(inner)
        own = "" if nested in message else message
        message = f"{own}: {nested}" if own else nested
        shown = message if own else shown
    if not shown:
        shown = (text or json.dumps(body, ensure_ascii=False) if body else "")[:MOST_SHOWN]
    return ErrorBody(status, codes, _WRAPPERS.sub("", message), is_page, shown, error)


def status_named(body: Any) -> int | None:
    """The status that an error inside a successful response names, `None` where it names none."""
    error = error_object(body)
    for value in map(str, (error.get("code"), error.get("status_code"), error.get("status"))):
        if re.fullmatch("[45][0-9][0-9]", value):
            return int(value)
    return None


def is_refused(body: Mapping[str, Any]) -> bool:
    """Whether MiniMax's `base_resp`, a field of all its responses, reports a failure."""
    status = body.get("base_resp")
    return isinstance(status, dict) and bool(status.get("status_code"))


def error_object(body: Any) -> Mapping[str, Any]:
    """The error's fields, wherever they are."""
    if isinstance(body, list):
        body = body[0] if body else {}
    if not isinstance(body, dict):
        return {}
    for key in ("error", "errors", "base_resp"):
        error = body.get(key)
        if isinstance(error, list):
            error = error[0] if error else None
        if isinstance(error, dict):
            return {**error, "minimax": error.get("status_code")} if key == "base_resp" else error
        if isinstance(error, str) and error:
            typed = {k: v for k, v in body.items() if k not in _MESSAGE_KEYS}
            named = _message(body)
            # Spring: `error` is the status' name, and `message` explains it.
            return {**typed, "message": named if named and len(error) < len(named) else error}
    return body


def _message(error: Mapping[str, Any]) -> str:
    """The upstream's own words. FastAPI and Mistral put a list of complaints there."""
    for key in _MESSAGE_KEYS:
        value = error.get(key)
        if isinstance(value, str) and value:
            return value + _described(error.get("details"))
        if isinstance(value, dict | list) and (complaints := _complaints(value)):
            return "; ".join(complaints)
    return ""


def _described(details: object) -> str:
    """Google explains a `BadRequest` in its violations, under a general message."""
    found = [
        str(violation.get("description"))
        for detail in _dicts(details)
        for violation in _dicts(detail.get("fieldViolations"))
        if violation.get("description")
    ]
    return "".join(f"; {description}" for description in found)


def _complaints(value: Any) -> list[str]:
    if isinstance(value, dict):
        if isinstance(value.get("message"), str):
            return [value["message"]]
        value = value.get("detail", [value])
    return [
        f"{_location(v.get('loc'))}: {words}"
        for v in _dicts(value)
        if (words := v.get("msg") or v.get("message"))
    ]


def _location(location: object) -> str:
    return ".".join(map(str, location)) if isinstance(location, list) else str(location or "")


def _codes(error: Mapping[str, Any]) -> Iterator[str]:
    for value in _typed(error):
        if isinstance(value, str | int) and not isinstance(value, bool):
            yield str(value).lower().rpartition("#")[2]


def _typed(error: Mapping[str, Any]) -> Iterator[object]:
    """Every field that names a kind of error."""
    for key in _CODE_KEYS:
        yield error.get(key)
    if "minimax" in error:
        yield f"minimax_{error['minimax']}"
    details = error.get("details")
    for detail in details if isinstance(details, list) else [details]:
        if isinstance(detail, dict):
            yield detail.get("error_code")
            yield detail.get("reason")
    yield from _typed_in_metadata(error.get("metadata"))
    inner = error.get("innererror")
    if isinstance(inner, dict):
        yield inner.get("code")
    if _is_daily_quota(details):
        yield "perday_without_wait"
    # llama.cpp: together, the requests in progress exceed the window; each of them would fit alone.
    if error.get("type") == "server_error" and error.get("message") == _WINDOW_FULL:
        yield "shared_window_full"


def _typed_in_metadata(metadata: object) -> Iterator[object]:
    """OpenRouter's: kind of limit, code of the provider behind it, moderation."""
    if isinstance(metadata, dict):
        for key in ("limit_source", "error_type", "provider_code"):
            yield metadata.get(key)
        if metadata.get("reasons") or "flagged_input" in metadata:
            yield "moderated"


def _is_daily_quota(details: object) -> bool:
    """Gemini: a quota per day is used up, and no time of renewal is given."""
    found = _dicts(details)
    kinds = {str(d.get("@type", "")).rpartition(".")[2] for d in found}
    quotas = json.dumps([d for d in found if "violations" in d])
    return "RetryInfo" not in kinds and "PerDay" in quotas


def _inner_error(error: Mapping[str, Any], message: str) -> Mapping[str, Any]:
    """What the upstream behind a gateway answered, as JSON or as plain words."""
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if isinstance(raw, dict):
        return error_object(raw)
    if isinstance(raw, str) and raw:
        return _decoded(raw) or {"message": raw}
    text = _WRAPPERS.sub("", message).removeprefix("b'")
    return _decoded(text) if text.startswith("{") else {}


def _decoded(text: str) -> Mapping[str, Any]:
    try:
        value, _ = json.JSONDecoder().raw_decode(text[: 10 * MOST_SEARCHED])
    except (ValueError, RecursionError):
        return {}
    return error_object(value)


def _dicts(value: object) -> list[dict[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def wait_s(
    headers: Mapping[str, str], error: Mapping[str, Any], message: str, *, limited: bool
) -> float | None:
    """Seconds to wait, `None` where the response names no usable time.

    Dates are held against the response's own `Date`, so that a skewed clock does no harm. When
    limits are reset counts only where one was hit (`limited`): many name it on every response.
    """
    now = _date(headers.get("date", "")) or time.time()
    if "retry-after-ms" in headers:
        milliseconds = _number(headers["retry-after-ms"])
        if milliseconds is not None:
            return _bounded(milliseconds / 1000)
    waits = (headers.get("retry-after", ""), _retry_info(error), _in_metadata(error))
    fields = [str(error[key]) for key in _WAIT_KEYS if key in error]
    for text in (*waits, *fields, *_WAIT_IN_TEXT.findall(message)[:1], *_dates(message)):
        seconds = _seconds(text, now) if text else None
        if seconds is not None:
            return _bounded(seconds)
    return _until_reset(headers, error, now) if limited else None


def _dates(message: str) -> Iterator[str]:
    """Dates in the message, ISO 8601 or as in a header; UTC where no zone is named."""
    for day, at, zone, header in _DATE_IN_TEXT.findall(message):
        offset = re.sub("Z|UTC|GMT", "+00:00", zone.strip())
        yield header or f"{day}T{at}{offset}"


def _retry_info(error: Mapping[str, Any]) -> str:
    for detail in _dicts(error.get("details")):
        if str(detail.get("@type", "")).endswith("RetryInfo"):
            return str(detail.get("retryDelay", ""))
    return ""


def _in_metadata(error: Mapping[str, Any]) -> str:
    """OpenRouter passes on the wait of the provider behind it."""
    metadata = error.get("metadata")
    if not isinstance(metadata, dict):
        return ""
    nested = metadata.get("headers")
    inner = nested.get("Retry-After") if isinstance(nested, dict) else None
    return str(inner or metadata.get("retry_after_seconds") or "")


def _until_reset(headers: Mapping[str, str], error: Mapping[str, Any], now: float) -> float | None:
    """When the limit that is used up is reset; with none named as used up, the first to be."""
    resets = dict(_resets(headers))
    metadata = error.get("metadata")
    nested = metadata.get("headers") if isinstance(metadata, dict) else None
    if isinstance(nested, dict):
        resets |= _resets({str(k).lower(): str(v) for k, v in nested.items()})
    found = {name: s for name, value in resets.items() if (s := _seconds(value, now)) is not None}
    if not found:
        return None
    spent = [s for name, s in found.items() if _used_up(headers, name)]
    return _bounded(max(spent) if spent else min(found.values()))


def _resets(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in ("x-ratelimit-reset", "ratelimit-reset", "anthropic-ratelimit-unified-reset"):
        if headers.get(name):
            yield "", headers[name]
            break
    for limit in _LIMITS:
        names = (f"x-ratelimit-reset-{limit}", f"anthropic-ratelimit-{limit}-reset")
        value = next((headers[n] for n in names if headers.get(n)), "")
        if value:
            yield limit, value


def _used_up(headers: Mapping[str, str], limit: str) -> bool:
    names = (
        f"x-ratelimit-remaining-{limit}" if limit else "x-ratelimit-remaining",
        f"anthropic-ratelimit-{limit}-remaining",
    )
    return any(_number(headers.get(name, "")) == 0 for name in names)


def _seconds(text: str, now: float) -> float | None:
    """A number of seconds, a duration, an epoch in seconds or milliseconds, or a date."""
    text = text.strip()
    number = _number(text)
    if number is not None:
        if number < _YEAR_2001:
            return number
        return (number / 1000 if number > _YEAR_2001 * 100 else number) - now
    if _DURATION.fullmatch(text):
        return sum(float(n) * _unit_s(unit.lower()) for n, unit in _PART.findall(text))
    when = _date(text)
    return None if when is None else when - now


def _unit_s(unit: str) -> float:
    return next((seconds for start, seconds in _UNITS_S if unit.startswith(start)), 1.0)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def _date(text: str) -> float | None:
    """An HTTP date or an ISO 8601 one, as an epoch."""
    if not text:
        return None
    try:
        when = parsedate_to_datetime(text) if text[:1].isalpha() else datetime.fromisoformat(text)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), MOST_WAIT_S)
