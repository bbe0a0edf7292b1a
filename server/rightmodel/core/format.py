"""Text for people: truncation, lists and masking."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

_TERMINAL_CONTROLS: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line feed, delete, C1
    "\u2028\u2029\u202a-\u202e\u2066-\u2069"  # line separators, bidirectional overrides
    "\ud800-\udfff]"  # half a surrogate pair: it cannot be encoded
)


def visible(text: str) -> str:
    """The text with control characters escaped as JSON does; tabs and line ends stay.

    For terminals. JSON text keeps its meaning.
    """
    text = text.replace("\r\n", "\n")
    return _TERMINAL_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def cut(text: str, most: int = 80) -> str:
    """As much of a wrong value as helps: an error lands in the caller's context."""
    return text if len(text) <= most else f"{text[:most]}…"


def listed(names: Sequence[str], most: int = 12) -> str:
    """The names, comma-separated; the rest counted rather than shown."""
    shown = ", ".join(names[:most]) or "none"
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def per_million(price: Decimal | None) -> str:
    """USD per token → the manifest's USD per million tokens, "" for an unknown price."""
    return "" if price is None else f"{(price * 1_000_000).normalize():f}"


def mask_keys(text: str, keys: list[str]) -> str:
    """The text with every key replaced: keys never appear, not even in an answer."""
    for key in keys:
        if len(key) >= 8 and key in text:  # noqa: PLR2004 - shorter ones would mask ordinary words
            text = text.replace(key, "[key removed]")
    return text


def well_formed(text: str) -> str:
    """The text with split surrogate pairs joined and lone halves replaced: it can be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
