"""How many tokens a text or an attachment makes, without a tokenizer.

Text. Every character is mapped to a class (lower case, upper case, digit, quote, … for the first
256, the script for the others); the estimate is a weighted sum of how often short patterns of
classes occur. A word that follows a space is `sa` or `sA` and makes about one token, eight
letters on end (`aaaaaaaa`) a third of a token more, and so on: roughly where o200k_base cuts a
text before it merges bytes. `bytes.count` does all of the work, so that 800 characters take some
20 µs.

The weights are least squares on the relative error against o200k_base, non-negative but for a few
pairs such as `":"` that make one token, on manual pages, source files, JSON, message catalogues and
the Declaration of Human Rights in 28 languages;
`benchmarks/token_estimate.py` fits them and measures the error on other texts, `.md` beside it
has the result (mean error 5 % on English, 6 % on code, 5 % on JSON, 3 to 13 % elsewhere). Other
tokenizers differ from o200k_base by more than that: `scoring.py` has the margins for it.
"""

from __future__ import annotations

import re
import struct
from math import ceil, sqrt
from operator import mul
from typing import TYPE_CHECKING, Final

from pydantic_core import to_json

from rightmodel.core.task import (
    Attachment,
    Content,
    Message,
    Text,
    ToolCall,
    ToolResult,
    WireFormat,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


SAMPLED_ABOVE: Final = 65_536
"""Longer texts (characters) are estimated from `WINDOWS` pieces of `WINDOW` characters."""
WINDOWS: Final = 32
WINDOW: Final = 2_048
MOST_REMEMBERED: Final = 20_000
_remembered: Final[dict[int, int]] = {}

WEIGHTS: Final[Mapping[str, float]] = {
    "aaaaaaaa": 0.34, "aaaaaaaaaaaa": 1.92, "AAAA": 1.0, "AAAAAAAA": 2.0, "aA": 0.74,
    "x": 1.72, "0": 0.40, "A0": 1.56, "0a": 1.45, "0A": 4.15, "q0": 0.34, "s0": 2.92,
    "p": 0.10, "k": 1.14, "kpk": -0.50, "kqk": -1.00, "pk": -0.19, "kp": -0.24, "kq": -0.61,
    "q": 1.01, "sp": 0.89, "sk": 0.12, "ap": 0.85, "pa": 0.51, "ppa": 0.72, "ka": 0.61,
    "qa": 0.39, "sa": 0.93, "nA": 1.18, "sA": 1.21, "na": 2.54, "kA": 0.58, "pA": 1.78,
    "ss": 0.06, "n": 0.26, "ns": 0.64, "so": 0.23, "G": 0.38, "C": 0.26, "R": 0.29, "D": 0.32,
    "T": 0.41, "V": 1.44, "P": 0.54, "K": 0.72, "H": 0.77, "N": 0.68, "E": 0.65, "U": 0.40,
}  # fmt: skip
"""Tokens for each occurrence of a pattern of classes.

a lower case, A upper case, x letter with an accent, 0 digit, k quotation mark, q full stop or
comma, p other punctuation, s space, n line break, o a character beyond Latin-1. Single capital
letters stand for those by script: G Greek and combining marks, C Cyrillic, Hebrew and Armenian,
R Arabic, D Indic, T Thai and Lao, V Vietnamese, P general punctuation and symbols, K kana, H Han,
N Hangul, E half of a surrogate pair (emoji, rare signs), U anything else. E, U and runs of capitals
are set by hand: an emoji makes one or two tokens, scripts that are not listed 0.25 to 1.5 a
character, capitals on end (a gene, a protein) one for two; control characters count as x.
"""


def _latin_classes() -> bytes:
    """Latin-1 code → class."""
    table = bytearray(b"p" * 256)
    for code in range(256):
        char = chr(code)
        if char.isalpha():
            table[code] = ord("x" if code > 127 else "a" if char.islower() else "A")  # noqa: PLR2004
        elif char.isspace():
            table[code] = ord("s")
        elif code < 32:  # noqa: PLR2004 - a control character
            table[code] = ord("x")
    for chars, name in (("\r\n", "n"), ("0123456789", "0"), (",.", "q"), ("\"'", "k"), ("?", "o")):
        for char in chars:
            table[ord(char)] = ord(name)
    return bytes(table)


def _script_classes() -> bytes:
    """High byte of a UTF-16 code unit → class; Latin is left out ("-")."""
    table = bytearray(b"U" * 256)
    for first, last, name in (
        (0x00, 0x02, "-"), (0x03, 0x03, "G"), (0x04, 0x05, "C"), (0x06, 0x08, "R"),
        (0x09, 0x0D, "D"), (0x0E, 0x0F, "T"), (0x1E, 0x1E, "V"), (0x1F, 0x1F, "G"),
        (0x20, 0x2F, "P"), (0x30, 0x30, "K"), (0x31, 0x33, "P"), (0x34, 0x9F, "H"),
        (0xAC, 0xD7, "N"), (0xD8, 0xDF, "E"), (0xFF, 0xFF, "P"),
    ):  # fmt: skip
        table[first : last + 1] = name.encode() * (last + 1 - first)
    return bytes(table)


_LATIN: Final = _latin_classes()
_SCRIPT: Final = _script_classes()
SCRIPTS: Final = "GCRDTVPKHNEU"
_LETTERS: Final = tuple(k.encode() for k in WEIGHTS if set(k) == {"a"})
_PATTERNS: Final = tuple(k.encode() for k in WEIGHTS if k not in SCRIPTS and set(k) != {"a"})
_SCRIPT_NAMES: Final = tuple(k.encode() for k in WEIGHTS if k in SCRIPTS)
_VALUES: Final = tuple(WEIGHTS.values())
_FIRST_WORD: Final = 0.5
"""Tokens added because no space stands before the first word."""


def features(text: str) -> list[int]:
    """How often each key of `WEIGHTS` occurs, in that order; without scripts for plain ASCII."""
    # A character that Latin-1 lacks becomes "?"; real question marks step aside for it.
    latin = text.replace("?", "!").encode("latin-1", "replace").translate(_LATIN)
    found = [latin.count(pattern) for pattern in _LETTERS]
    # A shorter run of letters has the same neighbours, and is quicker to count.
    found += map(latin.replace(b"aaa", b"a").replace(b"aa", b"a").count, _PATTERNS)
    if not text.isascii():
        high = text.encode("utf-16-le", "surrogatepass")[1::2].translate(_SCRIPT)
        found.extend([high.count(name) for name in _SCRIPT_NAMES])
    return found


def estimate_tokens(text: str) -> int:
    """About how many tokens `text` makes; 0 only for an empty text. Never raises.

    Texts are remembered by their hash: an agent sends the same instructions and the same
    conversation with every turn.
    """
    if not text:
        return 0
    key = hash(text)
    tokens = _remembered.get(key)
    if tokens is None:
        if len(text) > SAMPLED_ABOVE:
            tokens = round(_estimate(sample(text)) * len(text) / (WINDOWS * WINDOW))
        else:
            tokens = round(_estimate(text))
        if len(_remembered) >= MOST_REMEMBERED:
            _remembered.clear()
        _remembered[key] = tokens = max(1, tokens)
    return tokens


def sample(text: str) -> str:
    """`WINDOWS` pieces at equal distances from the first character to the last."""
    step = (len(text) - WINDOW) / (WINDOWS - 1)
    return "".join([text[int(i * step) : int(i * step) + WINDOW] for i in range(WINDOWS)])


def _estimate(text: str) -> float:
    return sum(map(mul, features(text), _VALUES), _FIRST_WORD)


UNREAD_IMAGE: Final = (1024, 1024)
"""Pixels assumed for an image whose header cannot be read."""
PDF_PAGE: Final = 2_000
"""Tokens a page: its text and, with some providers, a picture of it as well.

Anthropic's guide to PDF support says 1,500 to 3,000 tokens of text a page and the picture on
top; Gemini's says 258 a page. The middle of that.
"""
PDF_PAGE_BYTES: Final = 60_000
AUDIO_BYTES_PER_TOKEN: Final = 500
"""Gemini counts 32 tokens a second (its guide to tokens); 128 kbit/s are 16,000 bytes a second."""


def tokens_of(content: Content) -> int:
    """Estimated prompt tokens: system, conversation, tools, files and schema."""
    texts = [text for message in content.messages for text in _sent_texts(message)]
    if content.system:
        texts.append(content.system)
    texts += [to_json(tool.parameters).decode() + tool.description for tool in content.tools]
    if content.schema is not None:
        texts.append(to_json(content.schema).decode())
    return sum(map(estimate_tokens, texts)) + sum(map(attachment_tokens, content.files)) + 8


def _sent_texts(message: Message) -> list[str]:
    """The texts of a message that a model reads: its own, calls of tools and what they returned."""
    found = [message.text] if message.text else []
    for part in message.parts:
        if isinstance(part, ToolCall):
            found.append(part.name + part.arguments)
        elif isinstance(part, ToolResult):
            found += [inner.text for inner in part.parts if isinstance(inner, Text)]
    return found


def attachment_tokens(attachment: Attachment, protocol: WireFormat | None = None) -> int:
    """About how many prompt tokens an attachment makes; a rule of thumb. Never raises.

    Images by `image_tokens`; PDFs by pages; audio by size; anything else as text. `protocol`:
    whose formula; `None` takes the dearest, which is the safe side for windows and budgets.
    """
    modality = attachment.modality
    if modality == "image":
        width, height = image_size(attachment.data) or UNREAD_IMAGE
        return image_tokens(width, height, protocol)
    if modality == "pdf":
        return pdf_pages(attachment.data) * PDF_PAGE
    if modality == "audio":
        return len(attachment.data) // AUDIO_BYTES_PER_TOKEN + 1
    return estimate_tokens(attachment.data.decode("utf-8", "replace"))


def image_tokens(width: int, height: int, protocol: WireFormat | None = None) -> int:
    """Tokens of an image of that many pixels, by the formulae that the providers publish.

    OpenAI (guide "Images and vision", high detail): fitted into 2048², the short side brought
    down to 768, then 85 and 170 for each tile of 512². Anthropic (guide "Vision"): fitted into
    1568 pixels and about 1,600 tokens, then width × height / 750. Gemini (guide "Understand and
    count tokens"): 258 up to 384², else 258 for each tile of 768². Some newer models differ.
    """
    formulae = {
        WireFormat.OPENAI_CHAT: _openai_image,
        WireFormat.OPENAI_RESPONSES: _openai_image,
        WireFormat.ANTHROPIC_MESSAGES: _anthropic_image,
        WireFormat.GEMINI: _gemini_image,
    }
    if protocol is not None:
        return formulae[protocol](width, height)
    return max(formula(width, height) for formula in formulae.values())


def _openai_image(width: int, height: int) -> int:
    scale = min(1.0, 2048 / max(width, height))
    scale = min(scale, 768 / min(width, height))
    return 85 + 170 * ceil(width * scale / 512) * ceil(height * scale / 512)


def _anthropic_image(width: int, height: int) -> int:
    scale = min(1.0, 1568 / max(width, height), sqrt(1600 * 750 / (width * height)))
    return ceil(width * scale * height * scale / 750)


def _gemini_image(width: int, height: int) -> int:
    small = 384
    if width <= small and height <= small:
        return 258
    # Larger pictures are scaled down to at most 3072 pixels before they are cut into tiles.
    scale = min(1.0, 3072 / max(width, height))
    return 258 * ceil(width * scale / 768) * ceil(height * scale / 768)


def pdf_pages(data: bytes) -> int:
    """Pages of a PDF: its page objects, or by size where they are compressed. At least 1."""
    pages = len(re.findall(rb"/Type\s*/Page(?![a-zA-Z])", data))
    return pages or max(1, len(data) // PDF_PAGE_BYTES)


def image_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels from the header of a PNG, JPEG, GIF or WebP; else `None`."""
    try:
        size = _image_size(data)
    except (struct.error, IndexError):
        return None
    return size if size and min(size) > 0 else None


def _image_size(data: bytes) -> tuple[int, int] | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        width, height = struct.unpack_from(">II", data, 16)
    elif data.startswith((b"GIF87a", b"GIF89a")):
        width, height = struct.unpack_from("<HH", data, 6)
    elif data.startswith(b"\xff\xd8"):
        return _jpeg_size(data)
    elif data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp_size(data)
    else:
        return None
    return int(width), int(height)


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """From the first start-of-frame segment (markers C0 to CF without C4, C8 and CC)."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:  # noqa: PLR2004
        marker = data[at + 1]
        if marker == 0xFF:  # noqa: PLR2004 - fill byte
            at += 1
            continue
        if marker & 0xF0 == 0xC0 and marker not in {0xC4, 0xC8, 0xCC}:  # noqa: PLR2004
            height, width = struct.unpack_from(">HH", data, at + 5)
            return int(width), int(height)
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Lossy (VP8), lossless (VP8L) and extended (VP8X) files."""
    kind = data[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return int(width) & 0x3FFF, int(height) & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (int(bits) & 0x3FFF) + 1, (int(bits) >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        raw = data[24:30].ljust(6, b"\0")
        width, height = int.from_bytes(raw[:3], "little"), int.from_bytes(raw[3:], "little")
        return width + 1, height + 1
    return None
