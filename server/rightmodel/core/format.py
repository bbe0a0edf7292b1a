"""Text for people: truncation, lists and masking."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def cut(text: str, most: int = 80) -> str:
    """As much of a wrong value as helps: an error lands in the caller's context."""
    return text if len(text) <= most else f"{text[:most]}…"


def listed(names: Sequence[str], most: int = 12) -> str:
    """The names, comma-separated; the rest counted rather than shown."""
    shown = ", ".join(names[:most]) or "none"
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def mask_keys(text: str, keys: list[str]) -> str:
    """The text with every key replaced: keys never appear, not even in an answer."""
    for key in keys:
        if len(key) >= 8 and key in text:  # noqa: PLR2004 - shorter ones would mask ordinary words
            text = text.replace(key, "[key removed]")
    return text
