"""Values as text and JSON: money, durations, truncation, lists, masking, terminals."""

from __future__ import annotations

import re
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final
from unicodedata import category, normalize

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN: Final = "–"
"""Shown for a figure that is not known; never 0."""
_FINE: Final = Decimal("0.00001")
_CENTS: Final = Decimal("0.01")
_WHOLE: Final = Decimal(1)
_MUCH: Final = 100_000
_MOST_LINE: Final = 500
"""Most characters of an upstream's words in a message."""

_INVISIBLE: Final = frozenset({"Cc", "Cf"})
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


_UNITS: Final = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def duration(seconds: float | None) -> str:
    """A span of time in its largest unit: "350 ms", "2.1 s", "12 h"; "–" for an unknown one."""
    if seconds is None:
        return UNKNOWN
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{seconds / size:,.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds * 1000:.0f} ms"


def cut(text: str, most: int = 80) -> str:
    """As much of a wrong value as helps: an error lands in the caller's context."""
    return text if len(text) <= most else f"{text[:most]}…"


def one_line(text: str, key: str = "") -> str:
    """The text of an upstream as callers may see it: printable, bounded, without the key."""
    text = " ".join(text.split())
    text = (text.replace(key, "[key removed]") if key else text)[: _MOST_LINE + 1]
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= _MOST_LINE else f"{text[: _MOST_LINE - 1]}…"


def listed(names: Sequence[str], most: int = 12) -> str:
    """The names, comma-separated; the rest counted rather than shown."""
    shown = ", ".join(names[:most]) or "none"
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def counted(number: int, noun: str) -> str:
    """`1 call`, `2,000 calls`."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def per_million(price: Decimal | None) -> str:
    """USD per token → the manifest's USD per million tokens, "" for an unknown price."""
    return "" if price is None else f"{(price * 1_000_000).normalize():f}"


def amount(value: Decimal) -> str:
    """A decimal number without exponent, at most seven decimals: for programs."""
    text = f"{value:.7f}".rstrip("0")
    return text + "0" if text.endswith(".") else text


def plain_object(**values: Any) -> dict[str, Any]:
    """A JSON object without surprises: decimals as strings, whole floats as integers.

    A client that re-serialises `5.0` as `5` would no longer recognise the text copy of the result.
    """
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, Decimal):
        return amount(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def dollars(value: Decimal | float) -> str:
    """`$0.0004`, `-$0.01`: at least cents, at most seven decimals, no exponent: for sentences."""
    size = -value if value < 0 else value
    text = f"{size:.7f}" if 0 < float(size) < 0.001 else f"{size:.4f}"  # noqa: PLR2004
    whole, _, fraction = text.partition(".")
    sign = "-" if value < 0 else ""
    return f"{sign}${whole}.{fraction.rstrip('0').ljust(2, '0')}"


def usd(value: Decimal | None) -> str:
    """For columns: five decimals below a dollar, then cents, at last whole dollars; "–" unknown."""
    if value is None:
        return UNKNOWN
    sign, size = ("−" if value < 0 else ""), abs(value)
    if size and size < _FINE / 2:
        return f"{sign}<${_FINE}"
    step = _FINE if size < 1 and size else _CENTS if size < _MUCH else _WHOLE
    return f"{sign}${size.quantize(step):,}"


def mask_keys(text: str, keys: list[str]) -> str:
    """The text with every key replaced: keys never appear, not even in an answer."""
    for key in keys:
        if len(key) >= 8 and key in text:  # noqa: PLR2004 - shorter ones would mask ordinary words
            text = text.replace(key, "[key removed]")
    return text


def fits(name: str, pattern: str) -> bool:
    """Whether the name of a model matches: `*` and `?` stand for others; ids may hold brackets."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def unified(text: str) -> str:
    """The text as a search should see it.

    Compatibility forms (full width, accents apart) are unified, invisible characters removed but
    white space.
    """
    text = normalize("NFKC", text)
    invisible = [c for c in set(text) if category(c) in _INVISIBLE and not c.isspace()]
    return text.translate(dict.fromkeys(map(ord, invisible))) if invisible else text


def well_formed(text: str) -> str:
    """The text with split surrogate pairs joined and lone halves replaced: it can be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
