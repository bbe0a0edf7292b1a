"""How providers word their errors: one wire format, many dialects. The texts: `dialects.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from rightmodel.core.task import WireFormat
from rightmodel.simulator.transport import Json, Response, json_response

INVALID: Final = "invalid_request_error"
REQUEST_ID: Final = "req_simulated"


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

    `errors`: by kind. `reasoning_key`: the key of the reasoning's text, "" where it is not shown.
    `usage_always`: streams report usage without being asked. `cuts_silently`: a prompt that is too
    long is cut without an error. `comment`: its keep-alive.
    """

    name: str
    protocol: WireFormat
    errors: Mapping[str, ErrorText]
    reasoning_key: str = ""
    usage_always: bool = False
    cuts_silently: bool = False
    comment: str = ": keep-alive"
    headers: Mapping[str, str] = field(default_factory=dict)

    def error(self, kind: str | ErrorText, facts: Facts) -> Response:
        """The whole response for an error: of a kind, or with a text of its own."""
        text = self._text(kind).filled(facts)
        headers = {**self.headers, **text.headers}
        return json_response(text.status, self._body(text), headers)

    def error_body(self, kind: str | ErrorText, facts: Facts) -> Any:
        """Only the body of an error."""
        return self._body(self._text(kind).filled(facts))

    def _text(self, kind: str | ErrorText) -> ErrorText:
        return self.errors[kind] if isinstance(kind, str) else kind

    def _body(self, text: ErrorText) -> Json:
        return _BODIES.get(self.name, _openai_body)(text)


def masked(key: str) -> str:
    """A key as providers repeat it: the ends, the middle starred out."""
    return f"{key[:3]}{'*' * 12}{key[-4:]}" if len(key) > 8 else "*" * len(key)  # noqa: PLR2004


# --- the bodies around an error's text ---


def _openai_body(text: ErrorText) -> Json:
    known = {"message": text.message, "type": text.type, "param": text.param, "code": text.code}
    return {"error": {**known, **text.extra}}


def _openrouter_body(text: ErrorText) -> Json:
    code = text.code if isinstance(text.code, int) else text.status
    metadata = {"provider_name": None} if text.status in {402, 429} else {}
    metadata = {**metadata, **text.extra}
    error = {"message": text.message, "code": code, **({"metadata": metadata} if metadata else {})}
    return {"error": error, "user_id": "user_simulated"}


def _vllm_body(text: ErrorText) -> Json:
    kind = text.type or "BadRequestError"
    error = {"message": text.message, "type": kind, "param": text.param, "code": text.status}
    return {"error": error}


def _llamacpp_body(text: ErrorText) -> Json:
    error = {"code": text.status, "message": text.message, "type": text.type, **text.extra}
    return {"error": error}


def _groq_body(text: ErrorText) -> Json:
    code = {} if text.code is None else {"code": text.code}
    return {"error": {"message": text.message, "type": text.type, **code, **text.extra}}


def _mistral_body(text: ErrorText) -> Json:
    if text.status == 401:  # noqa: PLR2004 - github.com/agent0ai/agent-zero/issues/539
        return {"detail": "Unauthorized"}
    message: object = text.message
    if text.type == "extra_forbidden":
        location = ["body", text.param or ""]
        detail = {"type": text.type, "loc": location, "msg": text.message, "input": None}
        message = {"detail": [detail]}
    kind = INVALID if text.type == "extra_forbidden" else text.type
    known = {"message": message, "type": kind, "param": None, "code": text.code}
    return {"object": "error", **known}


def _anthropic_body(text: ErrorText) -> Json:
    error = {"type": text.type, "message": text.message, **text.extra}
    return {"type": "error", "error": error, "request_id": REQUEST_ID}


def _gemini_body(text: ErrorText) -> Json:
    error = {"code": text.status, "message": text.message, "status": text.type}
    return {"error": {**error, **text.extra}}


_BODIES: Final[Mapping[str, Callable[[ErrorText], Json]]] = {
    "openrouter": _openrouter_body,
    "vllm": _vllm_body,
    "llamacpp": _llamacpp_body,
    "groq": _groq_body,
    "mistral": _mistral_body,
    "anthropic": _anthropic_body,
    "gemini": _gemini_body,
}
"""By dialect; all others send OpenAI's."""


def _read() -> dict[str, Dialect]:
    data = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    usual = data["openai"]["errors"]
    made = {}
    for name, entry in data.items():
        errors = {k: ErrorText(**text) for k, text in {**usual, **entry.pop("errors")}.items()}
        protocol = WireFormat(entry.pop("protocol"))
        made[name] = Dialect(name, protocol, errors, **entry)
    responses = replace(
        made["openai"], name="openai-responses", protocol=WireFormat.OPENAI_RESPONSES
    )
    return {**made, responses.name: responses}


DIALECTS: Final[Mapping[str, Dialect]] = _read()
"""Every dialect by name."""

NATIVE: Final[Mapping[WireFormat, Dialect]] = {
    WireFormat.OPENAI_CHAT: DIALECTS["openai"],
    WireFormat.OPENAI_RESPONSES: DIALECTS["openai-responses"],
    WireFormat.ANTHROPIC_MESSAGES: DIALECTS["anthropic"],
    WireFormat.GEMINI: DIALECTS["gemini"],
}
"""The dialect of a protocol's inventor."""
