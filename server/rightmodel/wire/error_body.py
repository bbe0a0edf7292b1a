"""Errors in the shape of each wire format, as clients act upon them."""

from __future__ import annotations

from typing import Any, Final

SERVER_ERROR: Final = 500
"""The least HTTP status that says that the server failed."""

_OPENAI_TYPES: Final = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    503: "service_unavailable_error",
}
_OPENAI_CODES: Final = {
    "context_overflow": "context_length_exceeded",
    "overloaded": "server_is_overloaded",
    "parameter_refused": "unsupported_value",
    "quota_exhausted": "insufficient_quota",
    "rate_limited": "rate_limit_exceeded",
    "refused": "invalid_prompt",
    "unknown_name": "model_not_found",
}
"""Ours → OpenAI's. opencode 1.18.33 compacts the conversation after `context_length_exceeded` and
does not retry after `insufficient_quota` (read in its program, 2026-11-29)."""

_OPENAI_CODES_OF_FIELDS: Final = {"previous_response_id": "previous_response_not_found"}
"""A client that knows the code, or the API's words for it, sends the whole conversation instead:
Agno 3.1 does after "previous response" and "not found" (read in its source, 2026-11-29)."""

FAILED_CODES: Final = frozenset({
    "context_length_exceeded", "insufficient_quota", "invalid_prompt", "rate_limit_exceeded",
    "server_is_overloaded",
})  # fmt: skip
"""Of a response that failed in its stream, where the code is one of a list: `server_error` stands
for all others. The first, second and last are not in the API's list, but Codex 0.171 acts on them
(read in its program, 2026-11-29)."""

_ANTHROPIC_TYPES: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_TOO_LONG: Final = "prompt is too long"
"""Claude Code 2.1.332 compacts the conversation after these words (read in
its program, 2026-11-29)."""

_GEMINI_STATUSES: Final = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def openai_error(status: int, code: str, message: str, param: str) -> dict[str, Any]:
    """`{"error": …}` of both of OpenAI's APIs."""
    usual = "server_error" if status >= SERVER_ERROR else "invalid_request_error"
    kind = _OPENAI_TYPES.get(status, usual)
    code = _OPENAI_CODES_OF_FIELDS.get(param) or _OPENAI_CODES.get(code, code)
    known = {"type": kind, "param": param or None, "code": code}
    return {"error": {"message": _named(param, message), **known}}


def anthropic_error(status: int, code: str, message: str, param: str) -> dict[str, Any]:
    """`{"type": "error", …}`."""
    if code == "context_overflow" and _TOO_LONG not in message.lower():
        message = f"{_TOO_LONG}: {message}"
    usual = "api_error" if status >= SERVER_ERROR else "invalid_request_error"
    kind = _ANTHROPIC_TYPES.get(status, usual)
    error = {"type": kind, "message": _named(param, message), "details": {"error_code": code}}
    return {"type": "error", "error": error}


def gemini_error(status: int, code: str, message: str, param: str) -> dict[str, Any]:
    """`{"error": …}` with the HTTP status as number and as name."""
    del code
    usual = "INTERNAL" if status >= SERVER_ERROR else "INVALID_ARGUMENT"
    name = _GEMINI_STATUSES.get(status, usual)
    return {"error": {"code": status, "message": _named(param, message), "status": name}}


def _named(param: str, message: str) -> str:
    """The SDKs show the message alone."""
    return message if message.startswith(param) else f"{param}: {message}"
