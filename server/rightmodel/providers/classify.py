"""Status, headers and body of a failure → the fault and what it puts out of order.

Status and the typed fields `code`, `type`, `status`, `param` come first; words count only within
the upstream's own error message. A body that echoes the prompt elsewhere changes nothing.
"""

from __future__ import annotations

import math
import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from rightmodel.errors import Fault, ProviderError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.providers.base import ModelRequest

MOST_WAIT_S: Final = 3600.0
SHOWN: Final = 500
_OVERFLOW: Final = re.compile(
    r"maximum context length|prompt is too long|exceed context limit|input token count"
    r"|exceeds the available context size|max_tokens must be at least 1, got -",
    re.IGNORECASE,
)
_WINDOW: Final = (
    re.compile(r"maximum context length (?:is|of) (\d+)", re.IGNORECASE),
    re.compile(r"> (\d+) maximum", re.IGNORECASE),
    re.compile(r"context limit: [\d+ ]+> (\d+)", re.IGNORECASE),
    re.compile(r"maximum number of tokens allowed \(?(\d+)", re.IGNORECASE),
    re.compile(r"available context size \(?(\d+)", re.IGNORECASE),
)
_PARAMETER: Final = re.compile(
    r"(?:unsupported|unknown|unrecognized) (?:parameter|request argument)[^'\"`]*['\"`]([\w.]+)",
    re.IGNORECASE,
)
_QUOTA_CODES: Final = {"insufficient_quota", "enforced_spend_limit_reached", "billing_error"}


def classify(
    request: ModelRequest, status: int, body: object, headers: Mapping[str, str]
) -> ProviderError:
    """The typed error for a response that is not an answer."""
    error = _error_object(body)
    message = _message(error, body)
    codes = {str(error.get(k)).lower() for k in ("code", "type", "status") if error.get(k)}
    fault, scope = _fault(status, codes, message, error)
    name = request.provider.name
    shown = masked(" ".join(message.split())[:SHOWN], request.key)
    return ProviderError(
        fault,
        f"{name} {status}: {shown or 'no message'}",
        provider=name,
        status=status,
        retry_after_s=retry_after_s(headers, error),
        parameter=_parameter(error, message) if fault is Fault.PARAMETER else "",
        window=_window(message) if fault is Fault.CONTEXT_OVERFLOW else None,
        scope=scope,
    )


def masked(text: str, key: str) -> str:
    """The text without the key."""
    return text.replace(key, "[key removed]") if key else text


def _error_object(body: object) -> dict[str, Any]:
    """The error's fields, wherever the provider puts them (Gemini: also in a list)."""
    if isinstance(body, list) and body:
        body = body[0]
    if not isinstance(body, dict):
        return {}
    error = body.get("error", body)
    if isinstance(error, dict):
        return error
    return {**body, "message": error} if isinstance(error, str) else body


def _message(error: Mapping[str, Any], body: object) -> str:
    for key in ("message", "detail", "error"):
        if isinstance(error.get(key), str):
            return str(error[key])
    return body if isinstance(body, str) else str(error or "")


def _fault(
    status: int, codes: set[str], message: str, error: Mapping[str, Any]
) -> tuple[Fault, str]:
    """The fault and its scope."""
    if codes & _QUOTA_CODES or status == 402 or "credit balance is too low" in message:  # noqa: PLR2004
        return Fault.QUOTA, "key"
    if status == 529 or "overloaded_error" in codes:  # noqa: PLR2004
        return Fault.OVERLOADED, "endpoint"
    if status == 429 or codes & {"rate_limit_error", "rate_limit_exceeded"}:  # noqa: PLR2004
        return Fault.RATE_LIMITED, "endpoint"
    if status in {400, 413, 422, 200} and (
        "context_length_exceeded" in codes or status == 413 or _OVERFLOW.search(message)  # noqa: PLR2004
    ):
        return Fault.CONTEXT_OVERFLOW, ""
    if status in {400, 422} and _parameter(error, message):
        return Fault.PARAMETER, ""
    return _by_status(status, codes, message, error)


def _by_status(
    status: int, codes: set[str], message: str, error: Mapping[str, Any]
) -> tuple[Fault, str]:
    if status == 401:  # noqa: PLR2004
        return Fault.AUTH, "key"
    if status == 403:  # noqa: PLR2004
        metadata = error.get("metadata")
        if isinstance(metadata, dict) and ("reasons" in metadata or "flagged_input" in metadata):
            return Fault.REFUSED, ""
        of_model = "model" in " ".join(codes) or "model" in message.lower()
        return (Fault.NOT_FOUND, "model") if of_model else (Fault.AUTH, "key")
    if status == 404:  # noqa: PLR2004
        return Fault.NOT_FOUND, "model"
    if status == 503:  # noqa: PLR2004
        return Fault.OVERLOADED, "endpoint"
    if status in {400, 422} or 404 < status < 408 or 408 < status < 500:  # noqa: PLR2004
        return Fault.BAD_REQUEST, ""
    return Fault.SERVER, "endpoint"


def _parameter(error: Mapping[str, Any], message: str) -> str:
    """The request key that the upstream does not take, "" where it is not about one."""
    if error.get("code") in {"unsupported_parameter", "unknown_parameter", "unsupported_value"}:
        return str(error.get("param") or "")
    found = _PARAMETER.search(message)
    return found.group(1) if found else ""


def _window(message: str) -> int | None:
    found = (pattern.search(message) for pattern in _WINDOW)
    return next((int(m.group(1)) for m in found if m), None)


def retry_after_s(headers: Mapping[str, str], error: Mapping[str, Any]) -> float | None:
    """Seconds to wait as the upstream asks, between 0 and an hour; `None` where it does not say.

    `retry-after-ms`, `Retry-After` as a number or a date (held against the response's own `Date`,
    so that a skewed clock does no harm), Gemini's `RetryInfo.retryDelay`.
    """
    if "retry-after-ms" in headers:
        return _bounded(headers["retry-after-ms"], 0.001)
    if "retry-after" in headers:
        value = headers["retry-after"]
        seconds = _bounded(value, 1.0)
        return _until(value, headers.get("date", "")) if seconds is None else seconds
    for detail in error.get("details") or ():
        if isinstance(detail, dict) and str(detail.get("@type", "")).endswith("RetryInfo"):
            return _bounded(str(detail.get("retryDelay", "")).removesuffix("s"), 1.0)
    return None


def _bounded(text: str, unit_s: float) -> float | None:
    try:
        seconds = float(text) * unit_s
    except ValueError:
        return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), MOST_WAIT_S)


def _until(when: str, now: str) -> float | None:
    try:
        seconds = (parsedate_to_datetime(when) - parsedate_to_datetime(now)).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), MOST_WAIT_S)
