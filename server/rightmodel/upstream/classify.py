"""Status, headers and body of a failure → the fault, what is out of order, and what would help.

`error_body.py` takes the body apart, `error_rules.py` decides, `repairs.py` names the one change
that would cure it. A body that echoes the prompt, in another field or in the message, changes
nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault, Scope
from rightmodel.upstream.answer import shown
from rightmodel.upstream.error_body import MOST_SEARCHED, read_error, status_named
from rightmodel.upstream.error_rules import DISK_FULL, INPUTS, RULES, STATUS_OF, WINDOWS
from rightmodel.upstream.repairs import refused_parameter
from rightmodel.upstream.retry_after import wait_s

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rightmodel.upstream.error_body import ErrorBody
    from rightmodel.upstream.error_rules import Rule
    from rightmodel.wire.request import ModelRequest

_WAITABLE: Final = frozenset({Fault.RATE_LIMITED, Fault.OVERLOADED, Fault.SERVER, Fault.QUOTA})
LEAST_NAME: Final = 3
_DISK_FULL: Final = re.compile(DISK_FULL, re.IGNORECASE)
_REPAIRABLE: Final = frozenset(
    {Fault.BAD_REQUEST, Fault.SERVER, Fault.QUOTA, Fault.AUTH, Fault.FORBIDDEN, Fault.NOT_FOUND}
)


class UpstreamError(ProviderError):
    """A failure that the upstream put in words, with the change that would cure it.

    `limit`: the most that the refused parameter may be. `room`: tokens left for an answer in a
    window that prompt and answer together exceeded.
    """

    limit: int | None = None
    room: int | None = None


def classify(
    request: ModelRequest, status: int, body: Any, headers: Mapping[str, str]
) -> ProviderError:
    """The typed error for a response that is not an answer. `headers`: lower-case names."""
    parsed = read_error(status, body)
    fault, scope = _decide(request, parsed)
    parameter, limit = "", None
    if fault in _REPAIRABLE:
        parameter, limit = refused_parameter(request, parsed, _Words(request, parsed))
        if parameter and fault is not Fault.QUOTA:
            fault, scope = Fault.PARAMETER, Fault.PARAMETER.scope
    window = _window(parsed) if fault is Fault.CONTEXT_OVERFLOW else None
    name = request.provider.name
    found = UpstreamError(
        fault,
        f"{name} {parsed.status}: {shown(parsed.shown, request.key) or 'no message'}"
        + _hint(request, fault, parsed),
        provider=name,
        status=parsed.status,
        retry_after_s=_wait(fault, headers, parsed),
        parameter=parameter,
        window=window,
        scope=scope,
    )
    found.limit = limit
    found.room = _room(parsed.message, window)
    return found


def classify_in_band(request: ModelRequest, body: Mapping[str, Any]) -> ProviderError:
    """The typed error for an error object that came in place of an answer, or within a stream.

    It is classified by the status that it names or that its type stands for, else as a 500.
    """
    codes = read_error(0, body).codes
    by_type = next((STATUS_OF[code] for code in sorted(codes) if code in STATUS_OF), None)
    return classify(request, status_named(body) or by_type or 500, body, {})


def _hint(request: ModelRequest, fault: Fault, parsed: ErrorBody) -> str:
    """What a person needs to find the cause: where the key came from, which URL was used."""
    if fault is Fault.SERVER and _Words(request, parsed).hold(_DISK_FULL):
        return " (the disk of the server is full)"
    if fault is Fault.BAD_REQUEST and parsed.status == 413:  # noqa: PLR2004
        return " (a limit in bytes, of the server or of a proxy before it: send less or raise it)"
    provider = request.provider
    if fault is Fault.AUTH:
        source = provider.key_env or provider.key_file
        if not source:
            return " (the manifest names no key_env)"
        return f" (key from {source})" if request.key else f" (no key was sent: {source} gave none)"
    if fault is Fault.WRONG_URL:
        return (
            f" (no such path under base_url {provider.base_url}: the server is there, but this is "
            "not where its API is)"
        )
    return ""


def _decide(request: ModelRequest, parsed: ErrorBody) -> tuple[Fault, Scope]:
    words = _Words(request, parsed)
    for rule in RULES:
        if _fits(rule, parsed, words):
            return rule.fault, rule.scope
    fault = Fault.BAD_REQUEST if 400 <= parsed.status < 500 else Fault.SERVER  # noqa: PLR2004
    return fault, fault.scope


def _fits(rule: Rule, parsed: ErrorBody, words: _Words) -> bool:
    if rule.statuses and parsed.status not in rule.statuses:
        return False
    if (rule.page and not parsed.is_page) or (rule.named and not words.name_model):
        return False
    if not rule.codes and rule.words is None:
        return True
    return bool(rule.codes & parsed.codes) or (rule.words is not None and words.hold(rule.words))


class _Words:
    """The upstream's message, and what of it may be an echo of the prompt."""

    def __init__(self, request: ModelRequest, parsed: ErrorBody) -> None:
        self._request = request
        self._message = parsed.message[:MOST_SEARCHED]

    @property
    def name_model(self) -> bool:
        """Whether the message names the requested model (a very short name proves nothing)."""
        name = self._request.name
        return len(name) >= LEAST_NAME and name in self._message

    def hold(self, pattern: re.Pattern[str]) -> bool:
        """Whether the upstream says so. What the prompt says as well may be an echo of it."""
        return any(not self._is_echo(found.group()) for found in pattern.finditer(self._message))

    def _is_echo(self, words: str) -> bool:
        sent = (self._request.system, *(turn.text for turn in self._request.turns))
        return bool(words) and any(words.lower() in text.lower() for text in sent)


def _window(parsed: ErrorBody) -> int | None:
    stated = parsed.error.get("n_ctx")  # llama.cpp
    return stated if isinstance(stated, int) else _first(WINDOWS, parsed.message)


def _room(message: str, window: int | None) -> int | None:
    used = _first(INPUTS, message)
    return None if window is None or used is None else window - used


def _first(patterns: Iterable[re.Pattern[str]], message: str) -> int | None:
    found = (pattern.search(message[:MOST_SEARCHED]) for pattern in patterns)
    return next((int(m.group(1).replace(",", "")) for m in found if m), None)


def _wait(fault: Fault, headers: Mapping[str, str], parsed: ErrorBody) -> float | None:
    if fault not in _WAITABLE:
        return None
    limited = fault is Fault.RATE_LIMITED
    return wait_s(headers, parsed.error, parsed.message[:MOST_SEARCHED], limited=limited)
