"""Misspelt names of environment variables."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import cache
from typing import TYPE_CHECKING, Final

from rightmodel.manifest.read import shipped_key_names

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY_WORDS: Final = re.compile(r"(API|ACCESS|AUTH|SECRET|PRIVATE|KEYS?|TOKENS?)+$")
_CLOSE: Final = 0.88
_NO_KEYS: Final = frozenset({"ANTHROPIC_AUTH_TOKEN"})
"""Claude Code's bearer token for a gateway: set on purpose, and no API key."""


def near_misses(wanted: str, provider: str, environment: Mapping[str, str]) -> list[str]:
    """Names of set variables that were probably meant to be `wanted`, best first.

    Such a name has the same brand (`OPENAI_KEY`, `OPEN_AI_TOKEN`) or nearly the same spelling, and
    is not the name that another shipped provider looks for.
    """
    if not wanted or environment.get(wanted):
        return []
    others = (shipped_key_names() | _NO_KEYS) - {wanted}
    rated = [
        (_likeness(name, wanted, provider), name)
        for name, value in environment.items()
        if value.strip() and name not in others and _is_key_name(name)
    ]
    return [name for likeness, name in sorted(rated, key=lambda r: (-r[0], r[1])) if likeness]


def _is_key_name(name: str) -> bool:
    return bool(_KEY_WORDS.search(_squeezed(name)))


def _likeness(name: str, wanted: str, provider: str) -> float:
    if _brand(name) in {_brand(wanted), _squeezed(provider)}:
        return 1.0
    ratio = SequenceMatcher(None, _squeezed(name), _squeezed(wanted)).ratio()
    return ratio if ratio >= _CLOSE else 0.0


@cache
def _squeezed(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", name.upper())


@cache
def _brand(name: str) -> str:
    """`OPEN_AI_API_KEY` → `OPENAI`."""
    squeezed = _squeezed(name)
    return _KEY_WORDS.sub("", squeezed) or squeezed
