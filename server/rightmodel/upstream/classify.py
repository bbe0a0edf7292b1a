"""An error response → the fault, what is out of order, and the one change that would help.

`error_response.py` takes the response apart, `error_rules.toml` decides. A body that echoes the
prompt, in another field or in the message, changes nothing.

A refused field is named by its path in the request's body ("output_config.effort"), or by one of
two names that stand for more than a path: `SYSTEM` (no system role: the prompt goes into the first
user message) and "stream" (no streaming). Only what a request can do without, or with less of, is
named: everything else is a fault of the request.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault, Scope
from rightmodel.core.format import one_line
from rightmodel.upstream import error_rules as table
from rightmodel.upstream.error_response import MOST_SEARCHED, read_error, status_named, wait_s
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.request import ModelRequest, has_system

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rightmodel.upstream.error_response import ErrorBody
    from rightmodel.upstream.error_rules import Rule
    from rightmodel.wire.codec import Codec

_WAITABLE: Final = frozenset({Fault.RATE_LIMITED, Fault.OVERLOADED, Fault.SERVER, Fault.QUOTA})
LEAST_NAME: Final = 3
_REPAIRABLE: Final = frozenset(
    {Fault.BAD_REQUEST, Fault.SERVER, Fault.QUOTA, Fault.AUTH, Fault.FORBIDDEN, Fault.NOT_FOUND}
)
SYSTEM: Final = "system"
_AFFORDABLE: Final = re.compile(r"can only afford (\d[\d,]*)", re.IGNORECASE)
_BY_WORDS: Final = frozenset({400, 403, 404, 422, 500, 501})
"""Of words about streams, roles, schemas: llama.cpp's templates fail with 500, mlx_lm: 404."""
_BY_NAME: Final = frozenset({400, 404, 422})

_NO_NAMES: Final = frozenset({"", "validation_error"})
"""Values of `param` that name no parameter."""

_EXCLUSIVE: Final = "(exclusive)"


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
        f"{name} {parsed.status}: {one_line(parsed.shown, request.key) or 'no message'}"
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
    """The typed error for an error object instead of an answer, or within a stream.

    It is classified by the status that it names or that its type stands for, else as a 500.
    """
    codes = read_error(0, body).codes
    by_type = next(
        (table.STATUS_OF[code] for code in sorted(codes) if code in table.STATUS_OF), None
    )
    return classify(request, status_named(body) or by_type or 500, body, {})


def _hint(request: ModelRequest, fault: Fault, parsed: ErrorBody) -> str:
    """What a person needs to find the cause: where the key came from, which URL was used."""
    if fault is Fault.SERVER and _Words(request, parsed).match(table.DISK_FULL):
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
    for rule in table.RULES:
        if _fits(rule, parsed, words):
            return rule.fault, rule.scope
    fault = Fault.BAD_REQUEST if 400 <= parsed.status < 500 else Fault.SERVER  # noqa: PLR2004
    return fault, fault.scope


def _fits(rule: Rule, parsed: ErrorBody, words: _Words) -> bool:
    if rule.statuses and parsed.status not in rule.statuses:
        return False
    if (rule.page and not parsed.is_page) or (rule.named and not words.names_model):
        return False
    if not rule.codes and rule.words is None:
        return True
    return bool(rule.codes & parsed.codes) or (rule.words is not None and words.match(rule.words))


class _Words:
    """The upstream's message, and what of it may be an echo of the prompt."""

    def __init__(self, request: ModelRequest, parsed: ErrorBody) -> None:
        self._request = request
        self._message = parsed.message[:MOST_SEARCHED]

    @property
    def names_model(self) -> bool:
        """Whether the message names the requested model (a very short name proves nothing)."""
        name = self._request.name
        return len(name) >= LEAST_NAME and name in self._message

    def match(self, pattern: re.Pattern[str]) -> bool:
        """Whether the message matches. A match that the prompt holds too may be an echo of it."""
        return any(not self._is_echo(found.group()) for found in pattern.finditer(self._message))

    def _is_echo(self, words: str) -> bool:
        sent = (self._request.system, *(message.text for message in self._request.messages))
        return bool(words) and any(words.lower() in text.lower() for text in sent)


def _window(parsed: ErrorBody) -> int | None:
    stated = parsed.error.get("n_ctx")  # llama.cpp
    return stated if isinstance(stated, int) else _first(table.WINDOWS, parsed.message)


def _room(message: str, window: int | None) -> int | None:
    used = _first(table.INPUTS, message)
    return None if window is None or used is None else window - used


def _first(patterns: Iterable[re.Pattern[str]], message: str) -> int | None:
    found = (pattern.search(message[:MOST_SEARCHED]) for pattern in patterns)
    return next((int(m.group(1).replace(",", "")) for m in found if m), None)


def _wait(fault: Fault, headers: Mapping[str, str], parsed: ErrorBody) -> float | None:
    if fault not in _WAITABLE:
        return None
    limited = fault is Fault.RATE_LIMITED
    return wait_s(headers, parsed.error, parsed.message[:MOST_SEARCHED], limited=limited)


def refused_parameter(
    request: ModelRequest, parsed: ErrorBody, words: _Words
) -> tuple[str, int | None]:
    """The path of the field, "" where the error is not about one, and its largest valid value."""
    codec = CODECS[request.provider.protocol]
    if parsed.status in {402, 403} and (most := _AFFORDABLE.search(parsed.message)):
        return codec.cap_paths[-1], int(most.group(1).replace(",", ""))
    if parsed.status in _BY_WORDS:
        if words.match(table.NO_STREAM) or parsed.error.get("param") == "stream":
            return "stream", None
        if has_system(request) and words.match(table.NO_SYSTEM):
            return SYSTEM, None
    if parsed.status in _BY_NAME and (not parsed.codes or parsed.codes & table.CODES):
        path, limit = _by_name(codec, parsed)
        if path:
            return path, limit
    has_schema = request.schema is not None and request.native_schema
    if has_schema and parsed.status in _BY_WORDS and words.match(table.NO_SCHEMA):
        return codec.schema_path, None
    return "", None


def _by_name(codec: Codec, parsed: ErrorBody) -> tuple[str, int | None]:
    """The field that a typed part of the error names, else its words."""
    named = [name for name in _named(parsed.error) if name not in _NO_NAMES]
    for name in named or _worded(parsed.message[:MOST_SEARCHED]):
        path = _path(codec, name)
        if path:
            return path, _limit(parsed.message) if "max" in path else None
    return "", None


def _named(error: Mapping[str, Any]) -> Iterator[str]:
    """Typed fields: `param`, and pydantic's locations of invalid fields."""
    if isinstance(error.get("param"), str):
        yield error["param"]
    for holder in (error.get("detail"), error.get("message")):
        found = holder.get("detail") if isinstance(holder, dict) else holder
        for complaint in found if isinstance(found, list) else ():
            location = complaint.get("loc") if isinstance(complaint, dict) else None
            if isinstance(location, list) and len(location) > 1:
                yield ".".join(str(part) for part in location[1:])


def _worded(message: str) -> Iterator[str]:
    for pattern in table.NAMES:
        for found in pattern.finditer(message):
            yield found.group(1)


def _path(codec: Codec, name: str) -> str:
    """The optional field that a name means in this wire format, "" for any other."""
    for path in codec.optional:
        if name == path or name.startswith(f"{path}."):
            return path
    squeezed = re.sub(r"[_. ]", "", name.lower())
    if squeezed in table.SCHEMA_NAMES:
        return codec.schema_path
    if squeezed in table.CAP_NAMES:
        return codec.cap_paths[-1]
    return codec.effort_path if squeezed in table.EFFORT_NAMES else ""


def _limit(message: str) -> int | None:
    for pattern in table.LIMITS:
        found = pattern.search(message)
        if found:
            return int(found.group(1)) - (_EXCLUSIVE in message)
    return None
