"""Status, headers and body of a failure → the fault and what it puts out of order.

The body is taken apart into typed fields and the upstream's own message; `rules.py` decides. A body
that echoes the prompt, in another field or within the message, changes nothing.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault, Scope
from rightmodel.upstream.error_rules import INPUTS, RULES, STATUS_OF, WINDOWS
from rightmodel.upstream.retry_after import wait_s
from rightmodel.upstream.unsupported_parameters import refused_parameter
from rightmodel.wire.answer import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rightmodel.upstream.error_rules import Rule
    from rightmodel.wire.request import ModelRequest

READ: Final = 4000
"""Characters of a message that are searched for words."""

_WAITABLE: Final = frozenset({Fault.RATE_LIMITED, Fault.OVERLOADED, Fault.SERVER, Fault.QUOTA})


class UpstreamError(ProviderError):
    """A failure that the upstream put in words, with what they allow to mend.

    `limit`: the most that the refused parameter may be. `room`: tokens left for an answer in a
    window that prompt and answer together exceeded.
    """

    limit: int | None = None
    room: int | None = None


class _Said(NamedTuple):
    """What an upstream said. `codes`: every typed field that may tell, in lower case."""

    status: int
    codes: frozenset[str]
    message: str
    error: Mapping[str, Any]


def classify(
    request: ModelRequest, status: int, body: Any, headers: Mapping[str, str]
) -> ProviderError:
    """The typed error for a response that is not an answer. `headers`: lower-case names."""
    said = _said(status, body)
    words = _Words(request, said.message)
    fault, scope = _decide(request, said, words)
    parameter, limit = "", None
    if fault is Fault.BAD_REQUEST and status in {400, 422}:
        parameter, limit = refused_parameter(
            request.provider.protocol, said.codes, said.error, said.message[:READ]
        )
    window = _window(said) if fault is Fault.CONTEXT_OVERFLOW else None
    name = request.provider.name
    found = UpstreamError(
        Fault.PARAMETER if parameter else fault,
        f"{name} {said.status}: {shown(said.message, request.key) or 'no message'}"
        + (_key_from(request) if fault is Fault.AUTH else ""),
        provider=name,
        status=said.status,
        retry_after_s=_wait(fault, headers, said),
        parameter=parameter,
        window=window,
        scope=scope,
    )
    found.limit = limit
    found.room = _room(said.message, window)
    return found


def classify_in_band(request: ModelRequest, body: Mapping[str, Any]) -> ProviderError:
    """The typed error for an error object that came in place of an answer, or within a stream.

    It is classified by the status that it names or that its type stands for, else as a 500.
    """
    error = _error_object(body)
    for value in map(str, (error.get("code"), error.get("status_code"), error.get("status"))):
        if re.fullmatch("[45][0-9][0-9]", value):
            return classify(request, int(value), body, {})
    named = (STATUS_OF[code] for code in sorted(_codes(error)) if code in STATUS_OF)
    return classify(request, next(named, 500), body, {})


def _key_from(request: ModelRequest) -> str:
    """Where the key that was not taken came from."""
    place = request.provider.key_env or request.provider.key_file
    return f" (key from {place})" if place else " (the manifest names no key_env)"


def _decide(request: ModelRequest, said: _Said, words: _Words) -> tuple[Fault, Scope]:
    for rule in RULES[request.provider.protocol]:
        if _fits(rule, said, words):
            return rule.fault, rule.scope
    if 400 <= said.status < 500:  # noqa: PLR2004
        return Fault.BAD_REQUEST, Scope.REQUEST
    return Fault.SERVER, Scope.ENDPOINT


def _fits(rule: Rule, said: _Said, words: _Words) -> bool:
    if rule.statuses and said.status not in rule.statuses:
        return False
    if not rule.codes and rule.words is None:
        return True
    return bool(rule.codes & said.codes) or (rule.words is not None and words.hold(rule.words))


class _Words:
    """The upstream's message, and what of it may be an echo of the prompt."""

    def __init__(self, request: ModelRequest, message: str) -> None:
        self._request = request
        self._message = message[:READ]

    def hold(self, pattern: re.Pattern[str]) -> bool:
        """Whether the upstream says so. What the prompt says as well may be an echo of it."""
        return any(not self._is_echo(found.group()) for found in pattern.finditer(self._message))

    def _is_echo(self, words: str) -> bool:
        sent = (self._request.system, *(turn.text for turn in self._request.turns))
        return any(words.lower() in text.lower() for text in sent)


def _said(status: int, body: Any) -> _Said:
    error = _error_object(body)
    message = _message(error)
    if not message and isinstance(body, str):
        message = body
    codes = _codes(error)
    inner = _behind_a_gateway(error)
    if inner:
        codes |= _codes(inner)
        message = f"{message}: {_message(inner)}" if message else _message(inner)
    return _Said(status, codes, message, error)


def _error_object(body: Any) -> Mapping[str, Any]:
    """The error's fields, wherever they are: Gemini's also in a list, vLLM's and xAI's flat."""
    if isinstance(body, list):
        body = body[0] if body else {}
    if not isinstance(body, dict):
        return {}
    error = body.get("error")
    if isinstance(error, dict):
        return error
    return {**body, "message": error} if isinstance(error, str) else body


def _message(error: Mapping[str, Any]) -> str:
    """The upstream's own words. FastAPI and Mistral put a list of complaints there."""
    for key in ("message", "detail", "error_message", "msg"):
        value = error.get(key)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, dict | list) and (complaints := _complaints(value)):
            return "; ".join(complaints)
    return ""


def _complaints(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = value.get("detail", [value])
    found = [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []
    return [f"{_place(v.get('loc'))}: {v.get('msg') or v.get('message')}" for v in found]


def _place(location: object) -> str:
    return ".".join(map(str, location)) if isinstance(location, list) else str(location or "")


def _codes(error: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(str(value).lower() for value in _typed(error) if isinstance(value, str | int))


def _typed(error: Mapping[str, Any]) -> Iterator[object]:
    """Every field that names a kind of error."""
    for key in ("code", "type", "status", "error_code"):
        yield error.get(key)
    details = error.get("details")
    for detail in details if isinstance(details, list) else [details]:
        if isinstance(detail, dict):
            yield detail.get("error_code")
            yield detail.get("reason")
    yield from _typed_in_metadata(error.get("metadata"))
    inner = error.get("innererror")
    if isinstance(inner, dict):
        yield inner.get("code")
    if _daily_quota(details):
        yield "perday_without_wait"


def _typed_in_metadata(metadata: object) -> Iterator[object]:
    """OpenRouter's: what kind of limit, what the provider behind it said, what was moderated."""
    if isinstance(metadata, dict):
        for key in ("limit_source", "error_type", "provider_code"):
            yield metadata.get(key)
        if metadata.get("reasons") or "flagged_input" in metadata:
            yield "moderated"


def _daily_quota(details: object) -> bool:
    """Gemini: a quota per day is used up, and nothing is said of when to come back."""
    found = [d for d in details if isinstance(d, dict)] if isinstance(details, list) else []
    kinds = {str(d.get("@type", "")).rpartition(".")[2] for d in found}
    quotas = json.dumps([d for d in found if "violations" in d])
    return "RetryInfo" not in kinds and "PerDay" in quotas


def _behind_a_gateway(error: Mapping[str, Any]) -> Mapping[str, Any]:
    """OpenRouter's `metadata.raw`: what the provider behind it said, as JSON or as plain words."""
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if isinstance(raw, dict):
        return _error_object(raw)
    if not isinstance(raw, str) or not raw:
        return {}
    try:
        return _error_object(json.loads(raw)) or {"message": raw}
    except (ValueError, RecursionError):
        return {"message": raw}


def _window(said: _Said) -> int | None:
    stated = said.error.get("n_ctx")  # llama.cpp
    return stated if isinstance(stated, int) else _first(WINDOWS, said.message)


def _room(message: str, window: int | None) -> int | None:
    used = _first(INPUTS, message)
    return None if window is None or used is None else window - used


def _first(patterns: Iterable[re.Pattern[str]], message: str) -> int | None:
    found = (pattern.search(message[:READ]) for pattern in patterns)
    return next((int(m.group(1).replace(",", "")) for m in found if m), None)


def _wait(fault: Fault, headers: Mapping[str, str], said: _Said) -> float | None:
    if fault not in _WAITABLE:
        return None
    limited = fault is Fault.RATE_LIMITED
    return wait_s(headers, said.error, said.message[:READ], limited=limited)
