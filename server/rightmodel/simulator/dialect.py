"""How a provider words its errors: one protocol, many dialects."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from rightmodel.simulator.transport import Json, Response, json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rightmodel.core.task import WireFormat

Kind = str
"""What is wrong, in this package's words: a key of a dialect's table."""

KINDS: Final = (
    "no_key",
    "wrong_key",
    "forbidden",
    "unknown_model",
    "no_route",
    "bad_json",
    "bad_request",
    "missing",
    "parameter",
    "value",
    "extra_parameter",
    "context",
    "too_large",
    "rate_limit",
    "quota",
    "overloaded",
    "timeout",
    "server_error",
    "bad_gateway",
    "unavailable",
    "gateway_timeout",
)

BY_STATUS: Final[Mapping[int, Kind]] = {
    400: "bad_request",
    401: "wrong_key",
    402: "quota",
    403: "forbidden",
    404: "unknown_model",
    408: "timeout",
    413: "too_large",
    422: "extra_parameter",
    429: "rate_limit",
    500: "server_error",
    502: "bad_gateway",
    503: "unavailable",
    504: "gateway_timeout",
    529: "overloaded",
}
"""Which kind of error a bare status stands for."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What an error may mention. Tokens for `input`, `output`, `window`; `wait_s` in seconds.

    `key`: masked. `path`: of the request. `words`: a text that the error repeats.
    """

    model: str = ""
    parameter: str = ""
    instead: str = ""
    value: str = ""
    key: str = ""
    path: str = ""
    words: str = ""
    input: int = 0
    output: int = 0
    window: int = 0
    wait_s: float = 20


@dataclass(frozen=True, slots=True)
class ErrorText:
    """One error of one provider. `message` may name any field of `Facts` in braces.

    `extra`: further keys of the error object, their texts filled in like the message.
    `numbers`: further keys whose value is a number of `Facts`, by its name. `headers`: sent along.
    """

    status: int
    message: str
    type: str = ""
    code: str | int | None = None
    param: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    numbers: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def filled(self, facts: Facts) -> ErrorText:
        """The same with the facts filled in."""
        known = asdict(facts)
        known["instead"] = f" Use '{facts.instead}' instead." if facts.instead else ""
        extra = {
            **{k: v.format(**known) if isinstance(v, str) else v for k, v in self.extra.items()},
            **{key: known[name] for key, name in self.numbers.items()},
        }
        return replace(
            self,
            message=self.message.format(**known),
            param=self.param.format(**known) if self.param else self.param,
            extra=extra,
            numbers={},
        )


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one provider speaks one wire format.

    `shape`: puts an error into the provider's body. `errors`: by kind; a kind that is
    missing is taken from `like`, in this dialect's own shape. `reasoning_key`: under which the
    thinking is shown, "" for nowhere. `usage_always`: streams report usage without being asked.
    `cuts_silently`: a prompt that is too long is cut without a word. `comment`: its keep-alive.
    """

    name: str
    protocol: WireFormat
    shape: Callable[[ErrorText], Any]
    errors: Mapping[Kind, ErrorText]
    like: Dialect | None = None
    reasoning_key: str = ""
    usage_always: bool = False
    cuts_silently: bool = False
    comment: str = ": keep-alive"
    headers: Mapping[str, str] = field(default_factory=dict)

    def said(self, kind: Kind) -> ErrorText:
        """The error of a kind, as this provider has it."""
        found = self.errors.get(kind)
        if found is None and self.like is not None:
            return self.like.said(kind)
        if found is None:
            raise KeyError(f"{self.name} has no error {kind!r}; kinds: {', '.join(self.errors)}")
        return found

    def error(self, kind: Kind | ErrorText, facts: Facts) -> Response:
        """The whole response for an error."""
        said = (kind if isinstance(kind, ErrorText) else self.said(kind)).filled(facts)
        return json_response(said.status, self.shape(said), {**self.headers, **said.headers})

    def error_body(self, kind: Kind | ErrorText, facts: Facts) -> Any:
        """Only the body of an error."""
        return self.shape((kind if isinstance(kind, ErrorText) else self.said(kind)).filled(facts))


def masked(key: str) -> str:
    """A key as providers repeat it: the ends, the middle starred out."""
    return f"{key[:3]}{'*' * 12}{key[-4:]}" if len(key) > 8 else "*" * len(key)  # noqa: PLR2004


def openai_shape(said: ErrorText) -> Json:
    """`{"error": {message, type, param, code}}`."""
    known = {"message": said.message, "type": said.type, "param": said.param, "code": said.code}
    return {"error": {**known, **said.extra}}
