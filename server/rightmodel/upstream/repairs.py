"""Which one field of a request the upstream refused, and the most that it takes, out of its words.

Names are paths in the request's body ("output_config.effort"), and two that stand for more than a
path: `SYSTEM` (no system role: the prompt goes into the first user message) and "stream" (no
streaming). Only what a request can do without, or with less of, is named: everything else is a
fault of the request.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Protocol

from rightmodel.upstream.error_body import MOST_SEARCHED
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.request import system_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rightmodel.upstream.error_body import ErrorBody
    from rightmodel.wire.codec import Codec
    from rightmodel.wire.request import ModelRequest

SYSTEM: Final = "system"

_NO_STREAM: Final = re.compile(
    r"verified to stream|stream(?:ing)? (?:is |mode is )?(?:not|un)[ -]?(?:supported|allowed|"
    r"enabled|available|permitted)|not support stream(?:ing)?\b(?!_)|set `?stream`? to false|"
    r"`?stream`? must be false|only (?:supports? )?non-stream",
    re.IGNORECASE,
)
_NO_SYSTEM: Final = re.compile(
    r"(?:system|developer)[`'\"]? (?:role|messages?|prompts?|instructions?) (?:is |are )?"
    r"(?:not|un) ?(?:supported|allowed|enabled|available|permitted)|"
    r"not support (?:the )?[`'\"]?(?:system|developer)\b|"
    r"(?:unexpected|invalid|unsupported|unknown) (?:message )?role:? [`'\"]?(?:system|developer)|"
    r"roles must alternate|only (?:support )?user(?:,| and| or) (?:\w+,? )*assistant|"
    r"(?:system|developer)[`'\"]? is not (?:one of|a (?:valid|supported)|supported|allowed)",
    re.IGNORECASE,
)
_NO_SCHEMA: Final = re.compile(
    r"too many states|\bgrammar\b|\bguided[_ ](?:json|decoding)|structured[_ ]outputs?|"
    r"json[_ ]?schema|response[_ ]?(?:format|json[_ ]?schema|schema)|\bschemas?\b|xgrammar|"
    r"^request contains an invalid argument\.?$",
    re.IGNORECASE,
)
"""Of a request that has a schema: it is put in words, and then nothing in it can be too complex."""

_AFFORDABLE: Final = re.compile(r"can only afford (\d[\d,]*)", re.IGNORECASE)
_BY_WORDS: Final = frozenset({400, 403, 404, 422, 500, 501})
"""Statuses of the words above: llama.cpp's templates fail with 500, mlx_lm's with 404."""
_BY_NAME: Final = frozenset({400, 404, 422})

_CODES: Final = frozenset({
    "unsupported_parameter", "unknown_parameter", "unsupported_value", "invalid_value",
    "invalid_parameter_error", "extra_forbidden", "invalid_json_schema", "integer_above_max_value",
    "invalid_argument", "validation_error", "wrong_api_format", "invalid_request_error",
    "badrequesterror", "bad_request", "invalidparameter", "invalid_type", "400", "422", "3001",
    "1210",
})  # fmt: skip

_NAMES: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        (
            r"(?:unsupported|unknown|unrecognized|invalid) (?:parameters?|fields?|values?|request "
            r"arguments?)(?: supplied| passed| name)?:?\s*[`'\"]?([\w.]+)"
        ),
        r"(?:unsupported fields|unexpected keys) in the request: .*?'(\w+)'",  # transformers serve
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
        r"^(max_tokens|output_config\.\w+|thinking)[\w.]*: ",
        r"[\"'`](thinking)[\w.]*[\"'`] is not supported",
        r"does not support the (effort) parameter",
        r"(thinking) is not supported",
        r"does not support (thinking|effort|output format)",
        r"(output format|structured outputs?) (?:is|are) not supported",
        r"(output_config\.\w+)",
        r"(thinking)[_ ](?:level|budget|config)",
        r"^(budget) \d+ is invalid",
        r"does not support (thinking)",
        r"(max_?output_?tokens)",
        r"unknown name \"(\w+)\"",
        r"(json mode|response_?mime_?type|response_?(?:json_?)?schema) ",
        r"generation_config\.(\w+)",
    )
)
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
_SCHEMA_NAMES: Final = frozenset({
    "responseformat", "response", "outputformat", "structuredoutput", "structuredoutputs",
    "outputconfigformat", "jsonmode", "responsemimetype", "responseschema", "responsejsonschema",
})  # fmt: skip
_CAP_NAMES: Final = frozenset({"maxtokens", "maxcompletiontokens", "maxoutputtokens"})
_EFFORT_NAMES: Final = frozenset({
    "effort", "reasoningeffort", "reasoning", "thinking", "budget", "thinkingconfig",
    "thinkinglevel", "thinkingbudget", "outputconfigeffort",
})  # fmt: skip


class Words(Protocol):
    """The upstream's message. `hold`: whether it says so itself, and not as an echo."""

    def hold(self, pattern: re.Pattern[str]) -> bool:
        """Whether the upstream itself says so."""
        ...


def refused_parameter(
    request: ModelRequest, parsed: ErrorBody, words: Words
) -> tuple[str, int | None]:
    """The path of the field, "" where the error is not about one, and its largest valid value."""
    codec = CODECS[request.provider.protocol]
    if parsed.status in {402, 403} and (most := _AFFORDABLE.search(parsed.message)):
        return codec.cap_paths[-1], int(most.group(1).replace(",", ""))
    if parsed.status in _BY_WORDS:
        if words.hold(_NO_STREAM) or parsed.error.get("param") == "stream":
            return "stream", None
        if system_of(request) and words.hold(_NO_SYSTEM):
            return SYSTEM, None
    if parsed.status in _BY_NAME and (not parsed.codes or parsed.codes & _CODES):
        path, limit = _by_name(codec, parsed)
        if path:
            return path, limit
    has_schema = request.schema is not None and request.native_schema
    if has_schema and parsed.status in _BY_WORDS and words.hold(_NO_SCHEMA):
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
    """Typed fields: `param`, and where pydantic says that something extra was found."""
    if isinstance(error.get("param"), str):
        yield error["param"]
    for place in (error.get("detail"), error.get("message")):
        found = place.get("detail") if isinstance(place, dict) else place
        for complaint in found if isinstance(found, list) else ():
            location = complaint.get("loc") if isinstance(complaint, dict) else None
            if isinstance(location, list) and len(location) > 1:
                yield ".".join(str(part) for part in location[1:])


def _worded(message: str) -> Iterator[str]:
    for pattern in _NAMES:
        for found in pattern.finditer(message):
            yield found.group(1)


def _path(codec: Codec, name: str) -> str:
    """The optional field that a name means in this wire format, "" for any other."""
    for path in codec.optional:
        if name == path or name.startswith(f"{path}."):
            return path
    squeezed = re.sub(r"[_. ]", "", name.lower())
    if squeezed in _SCHEMA_NAMES:
        return codec.schema_path
    if squeezed in _CAP_NAMES:
        return codec.cap_paths[-1]
    return codec.effort_path if squeezed in _EFFORT_NAMES else ""


def _limit(message: str) -> int | None:
    for pattern in _LIMITS:
        found = pattern.search(message)
        if found:
            return int(found.group(1)) - (_EXCLUSIVE in message)
    return None
