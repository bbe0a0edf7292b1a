"""The body of an error → typed fields and the upstream's own message, whatever shape it has.

Shapes: OpenAI's and Anthropic's `error` object; flat ones (vLLM, xAI, Cohere, AWS); lists (Gemini,
Cloudflare); FastAPI's `detail`; MiniMax's `base_resp`; and an upstream's error inside a gateway's
(OpenRouter's `metadata.raw`; JSON inside a message, as LiteLLM and many proxies write it).
"""

from __future__ import annotations

import json
import re
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
_CODE_KEYS: Final = ("code", "type", "status", "error_code", "error_type", "__type", "Code")


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
    """Whether MiniMax's `base_resp`, which every response of its has, says that it failed."""
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
            # Spring: `error` is the status' name, and `message` says what is wrong.
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
    """Google says what is wrong in the violations of a `BadRequest`, under a general message."""
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


def _typed_in_metadata(metadata: object) -> Iterator[object]:
    """OpenRouter's: what kind of limit, what the provider behind it said, what was moderated."""
    if isinstance(metadata, dict):
        for key in ("limit_source", "error_type", "provider_code"):
            yield metadata.get(key)
        if metadata.get("reasons") or "flagged_input" in metadata:
            yield "moderated"


def _is_daily_quota(details: object) -> bool:
    """Gemini: a quota per day is used up, and nothing says when it is renewed."""
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
