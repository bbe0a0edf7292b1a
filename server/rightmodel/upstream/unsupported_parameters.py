"""Which parameter of a request an upstream refused, and the most that it takes, out of its words.

Names are paths in the request's body ("output_config.effort"). Only parameters that a request can
do without, or with less of, are named: everything else is a fault of the request.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.task import WireFormat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MENDABLE: Final = {
    WireFormat.OPENAI_CHAT: (
        "max_completion_tokens", "max_tokens", "reasoning_effort", "reasoning", "response_format",
        "stream_options", "usage",
    ),
    WireFormat.ANTHROPIC_MESSAGES: (
        "max_tokens", "thinking", "output_config.effort", "output_config.format",
    ),
    WireFormat.GEMINI: (
        "generationConfig.maxOutputTokens", "generationConfig.thinkingConfig",
        "generationConfig.responseJsonSchema",
    ),
}  # fmt: skip

_CODES: Final = frozenset({
    "unsupported_parameter", "unknown_parameter", "unsupported_value", "invalid_value",
    "invalid_parameter_error", "extra_forbidden", "invalid_json_schema", "integer_above_max_value",
    "invalid_argument", "validation_error", "wrong_api_format", "invalid_request_error",
    "badrequesterror", "bad_request", "invalidparameter", "invalid_type", "400", "422", "3001",
    "1210",
})  # fmt: skip

_OPENAI: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        (
            r"(?:unsupported|unknown|unrecognized|invalid) (?:parameters?|fields?|values?|request "
            r"arguments?)(?: supplied| passed| name)?:?\s*[`'\"]?([\w.]+)"
        ),
        r"[`'\"]([\w.]+)[`'\"] (?:is |are )?(?:not supported|unsupported|not permitted)",
        (
            r"\b(max_tokens|max_completion_tokens)\b[`'\"]?(?: for \S+| for \w+ model \S+)? "
            r"(?:is too large|must be less|must be at most)"
        ),
        r"^invalid (max_tokens|max_completion_tokens) value",
        r"property [`'\"]?([\w.]+)[`'\"]? is (?:unsupported|not allowed|not supported)",
        r"range of (max_tokens) should be",
        r"does not support (?:the )?(?:parameters?:? )?[`'\"]?([a-z]+_[a-z_]+)[`'\"]?",
        r"support (response)[ _]format",
        r"^this (response_format) type is unavailable",
        r"[`'\"](response_format)[`'\"]",
        r"(?:^|[\n ])(reasoning_effort)\n",  # Cerebras prints pydantic's complaint
        r"(?:invalid|unsupported|supported) (reasoning)[ _]effort",
        r"target type: ([\w.]+)",  # DeepSeek prints serde's complaint
        r"(?:^|; )body\.([\w.]+): (?:extra inputs|input should be|field)",
    )
)
_ANTHROPIC: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^(max_tokens|output_config\.\w+|thinking)[\w.]*: ",
        r"[\"'`](thinking)[\w.]*[\"'`] is not supported",
        r"does not support the (effort) parameter",
        r"(thinking) is not supported",
        r"does not support (thinking|effort|output format)",
        r"(output format|structured outputs?) (?:is|are) not supported",
        r"(output_config\.\w+)",
    )
)
_GEMINI: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(thinking)[_ ](?:level|budget|config)",
        r"^(budget) \d+ is invalid",
        r"does not support (thinking)",
        r"(max_?output_?tokens)",
        r"unknown name \"(\w+)\"",
        r"(json mode|response_?mime_?type|response_?(?:json_?)?schema) ",
        r"generation_config\.(\w+)",
    )
)
_WORDS: Final = {
    WireFormat.OPENAI_CHAT: _OPENAI,
    WireFormat.ANTHROPIC_MESSAGES: _ANTHROPIC,
    WireFormat.GEMINI: _GEMINI,
}
_LIMITS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"max_tokens: \d+ > (\d+)",
        r"at most (\d+) (?:completion|output) tokens",
        r"less than or equal to `?(\d+)",
        r"expected a value <= (\d+)",
        r"valid range of max_tokens is \[1, ?(\d+)",
        r"range of max_tokens should be \[1, ?(\d+)",
        r"from 1 \(inclusive\) to (\d+) \(exclusive\)",
        r"exceeds? (?:the )?(?:maximum|limit)(?: value| allowed)?(?: of)? (\d+)",
    )
)
_NO_NAMES: Final = frozenset({"", "validation_error"})
"""What stands in `param` where it names no parameter."""

_EXCLUSIVE: Final = "(exclusive)"
_ALIASES: Final = {
    "effort": "output_config.effort",
    "output format": "output_config.format",
    "structured output": "output_config.format",
    "structured outputs": "output_config.format",
    "response": "response_format",
    "responseformat": "response_format",
    "budget": "generationConfig.thinkingConfig",
    "maxoutputtokens": "generationConfig.maxOutputTokens",
    "jsonmode": "generationConfig.responseJsonSchema",
    "responsemimetype": "generationConfig.responseJsonSchema",
    "responseschema": "generationConfig.responseJsonSchema",
    "responsejsonschema": "generationConfig.responseJsonSchema",
    "thinkingconfig": "generationConfig.thinkingConfig",
    "thinkinglevel": "generationConfig.thinkingConfig",
    "thinkingbudget": "generationConfig.thinkingConfig",
}


def refused_parameter(
    protocol: WireFormat, codes: frozenset[str], error: Mapping[str, Any], message: str
) -> tuple[str, int | None]:
    """The path of the parameter, "" where it is not about one, and the most it may be if said."""
    if codes and not codes & _CODES:
        return "", None
    named = [name for name in _named(error) if name not in _NO_NAMES]
    for name in named or _worded(protocol, message):
        path = _path(protocol, name)
        if path:
            return path, _limit(message) if "max" in path else None
    return "", None


def _named(error: Mapping[str, Any]) -> Iterator[str]:
    """Typed fields: `param`, and where pydantic says that something extra was found."""
    if isinstance(error.get("param"), str):
        yield error["param"]
    for place in (error.get("detail"), error.get("message")):
        found = place.get("detail") if isinstance(place, dict) else place
        for complaint in found if isinstance(found, list) else ():
            location = complaint.get("loc") if isinstance(complaint, dict) else None
            if isinstance(location, list) and len(location) > 1:
                yield ".".join(str(part) for part in location[1:])


def _worded(protocol: WireFormat, message: str) -> Iterator[str]:
    for pattern in _WORDS[protocol]:
        for found in pattern.finditer(message):
            yield found.group(1)


def _path(protocol: WireFormat, name: str) -> str:
    """The mendable parameter that a name means, "" for any other."""
    squeezed = name.lower().replace("_", "").replace(" ", "")
    name = _ALIASES.get(name.lower()) or _ALIASES.get(squeezed) or name
    if protocol is WireFormat.GEMINI and squeezed == "thinking":
        name = "generationConfig.thinkingConfig"
    known = _MENDABLE[protocol]
    return next((path for path in known if name == path or name.startswith(f"{path}.")), "")


def _limit(message: str) -> int | None:
    for pattern in _LIMITS:
        found = pattern.search(message)
        if found:
            return int(found.group(1)) - (_EXCLUSIVE in message)
    return None
