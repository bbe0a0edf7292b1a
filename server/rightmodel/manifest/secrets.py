"""Texts that look like keys: to explain a pasted key without repeating it."""

from __future__ import annotations

import re
from typing import Final

_PREFIXES: Final = re.compile(
    r"(sk|pk|rk|gsk|xai|hf|r8|nvapi|pplx|csk|fw|tgp|ghp|gho|ghs|github_pat|glpat|akia|key|co|"
    r"sess|api)[-_][a-z0-9_-]{12,}|aiza[a-z0-9_-]{20,}|eyj[a-z0-9_-]{20,}.*|akia[a-z0-9]{12,}",
    re.IGNORECASE,
)
"""How keys of known providers begin."""
_SECRET_HEADER: Final = re.compile(
    r"auth|key|token|secret|password|cookie|credential|signature", re.IGNORECASE
)
_LONG: Final = 24
_LONGEST_WORD: Final = 15
_VARIABLE_CASE: Final = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*|[a-z][a-z0-9]*(_[a-z0-9]+)*")


def looks_like_key(text: str) -> bool:
    """Whether a text is a key rather than the name of something.

    A name is made of words in one case; a key is long, of one piece and mixes letters and digits.
    """
    text = text.strip().removeprefix("Bearer ")
    if _PREFIXES.fullmatch(text) and not _is_name(text):
        return True
    return (
        len(text) >= _LONG
        and re.fullmatch(r"[A-Za-z0-9+=_-]+", text) is not None
        and re.search(r"\d", text) is not None
        and re.search(r"[A-Za-z]", text) is not None
        and not _is_name(text)
    )


def is_secret_header(name: str, value: str) -> bool:
    """Whether a header carries something that must not be shown."""
    return _SECRET_HEADER.search(name) is not None or looks_like_key(value)


def _is_name(text: str) -> bool:
    """Short words in one case with underscores between them, most of them without digits."""
    words = text.split("_")
    plain = sum(word.isalpha() for word in words)
    return (
        _VARIABLE_CASE.fullmatch(text) is not None
        and max(map(len, words)) <= _LONGEST_WORD
        and plain * 2 > len(words)
    )
