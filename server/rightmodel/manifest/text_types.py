"""Texts that keys of a manifest take, and what is said about wrong ones."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from rightmodel.manifest.base_url import clean_base_url
from rightmodel.manifest.keys import looks_like_key

PATTERNS: Final[dict[str, str]] = {}
"""Regular expression → what a text that does not fit should be."""


def _pattern(pattern: str, right: str) -> str:
    PATTERNS[pattern] = right
    return pattern


_NAME: Final = _pattern(r"^[^\x00-\x1f\x7f-\x9f]+$", "must not contain control characters")
_SKILL: Final = _pattern(
    r"^[a-z][a-z0-9_]*$", "must be made of lower-case letters, digits and _, a letter first"
)
_HEADER: Final = _pattern(
    r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", "must be the name of a header, without spaces"
)
_HOURS: Final = _pattern(
    r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$", 'must be hours such as "06:00-10:00"'
)
_CLIENT: Final = _pattern(
    r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$",
    "must be made of up to 64 letters, digits and ._@-, a letter or digit first",
)
_LEDGER: Final = _pattern(
    r"^postgres(ql)?://", "write postgresql://USER@HOST/DATABASE; without url the ledger is a file"
)
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=_NAME)]
Skill = Annotated[str, Field(pattern=_SKILL)]
HeaderName = Annotated[str, Field(pattern=_HEADER)]
Hours = Annotated[str, Field(pattern=_HOURS)]
ClientName = Annotated[str, Field(pattern=_CLIENT)]
LedgerUrl = Annotated[str, Field(pattern=_LEDGER)]

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_INSTEAD: Final = (
    (r"\$\{?[A-Za-z_]\w*\}?|\{env:.*\}", "without $ and braces"),
    (r"[a-z][a-z0-9+.-]*://.*", "not the URL itself"),
    (r"[a-z_]\w*=.*", "without its value"),
    (r"[~.]{0,2}[/\\].*|[a-z]:[/\\].*|.*\.(env|key|pem|txt|json)", "not the path of a file"),
)
"""What is written in place of a variable's name → what to say about it."""


def _variable(value: str) -> str:
    """Checked here, since pydantic's message would repeat a pasted key."""
    if _VARIABLE.fullmatch(value) and not looks_like_key(value):
        return value
    flags = re.IGNORECASE | re.DOTALL
    hints = (text for shape, text in _INSTEAD if re.fullmatch(shape, value, flags))
    hint = next(hints, "which has letters, digits and _ alone")
    if looks_like_key(value):
        hint = "not the key itself"
    raise ValueError(
        f"takes the name of an environment variable, {hint}: write NAME=value into keys.env or a "
        "file for --env-file, and NAME here"
    )


Variable = Annotated[
    str, AfterValidator(_variable), Field(json_schema_extra={"pattern": f"^{_VARIABLE.pattern}$"})
]


def _file(value: str) -> str:
    """Checked here, for the same reason."""
    if looks_like_key(value) or "://" in value:
        raise ValueError(
            "takes the path of a file that contains the key, not the key itself or a URL"
        )
    return value


KeyFile = Annotated[Name, AfterValidator(_file)]

_KEY_HEADERS: Final = frozenset({"authorization", "x-api-key", "x-goog-api-key", "api-key"})
_MESSAGE_HEADERS: Final = frozenset(
    {"host", "content-length", "content-type", "accept-encoding", "transfer-encoding", "connection"}
    | {"keep-alive", "proxy-connection", "expect", "te", "trailer", "upgrade"}
)
"""What the HTTP client says itself: said twice, or otherwise, a request would not be read."""
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if name.lower() in _KEY_HEADERS:
            raise ValueError(f"header {name} carries a key; use key_env or key_file")
        if name.lower() in _MESSAGE_HEADERS:
            hint = " and name the host in base_url" if name.lower() == "host" else ""
            raise ValueError(f"header {name} is set for each request; leave it out{hint}")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"the value of header {name} has a character that cannot be sent")
    return headers


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    return pattern


BaseUrl = Annotated[str, AfterValidator(clean_base_url)]
Headers = Annotated[dict[HeaderName, str], AfterValidator(_headers)]
Pattern = Annotated[str, AfterValidator(_compiles)]
