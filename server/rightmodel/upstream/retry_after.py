"""How long an upstream asks to wait, out of headers and body: seconds, 0 to an hour.

Sources: RFC 9110 §10.2.3 (Retry-After); `retry-after-ms` as OpenAI and Azure send it;
google.rpc.RetryInfo; "Please try again in 4.77s" (Groq, OpenAI, Gemini); "You will regain access on
2026-10-01 at 00:00 UTC" (Anthropic); "Your limit will reset at 2026-08-17 02:56:15" (Z.ai);
`resets_in_seconds` and `resets_at` (ChatGPT plans); `x-ratelimit-reset-*` in the dialects of OpenAI
and Groq ("6m0s", "7.66s", "120ms"), Anthropic (ISO 8601), OpenRouter (epoch in milliseconds) and
others (seconds).
"""

from __future__ import annotations

import math
import re
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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
_ASKED: Final = re.compile(
    rf"(?:try again|retry|wait|resets?)(?: (?:in|after|for|within|again))* ({_DURATION.pattern})",
    re.ASCII | re.IGNORECASE,
)
_DATE_TOLD: Final = re.compile(
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


def wait_s(
    headers: Mapping[str, str], error: Mapping[str, Any], message: str, *, limited: bool
) -> float | None:
    """Seconds to wait, `None` where nothing usable is said.

    Dates are held against the response's own `Date`, so that a skewed clock does no harm. When
    limits are reset counts only where one was hit (`limited`): many name it on every response.
    """
    now = _date(headers.get("date", "")) or time.time()
    if "retry-after-ms" in headers:
        milliseconds = _number(headers["retry-after-ms"])
        if milliseconds is not None:
            return _bounded(milliseconds / 1000)
    asked = (headers.get("retry-after", ""), _retry_info(error), _in_metadata(error))
    fields = [str(error[key]) for key in _WAIT_KEYS if key in error]
    for text in (*asked, *fields, *_ASKED.findall(message)[:1], *_dates(message)):
        seconds = _seconds(text, now) if text else None
        if seconds is not None:
            return _bounded(seconds)
    return _until_reset(headers, error, now) if limited else None


def _dates(message: str) -> Iterator[str]:
    """Dates in the message, ISO 8601 or as in a header; UTC where no zone is named."""
    for day, at, zone, header in _DATE_TOLD.findall(message):
        offset = re.sub("Z|UTC|GMT", "+00:00", zone.strip())
        yield header or f"{day}T{at}{offset}"


def _retry_info(error: Mapping[str, Any]) -> str:
    for detail in _dicts(error.get("details")):
        if str(detail.get("@type", "")).endswith("RetryInfo"):
            return str(detail.get("retryDelay", ""))
    return ""


def _in_metadata(error: Mapping[str, Any]) -> str:
    """OpenRouter hands on what the provider behind it asked for."""
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


def _resets(headers: Mapping[str, str]) -> Iterable[tuple[str, str]]:
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


def _dicts(value: object) -> list[dict[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []
