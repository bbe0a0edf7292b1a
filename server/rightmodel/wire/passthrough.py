"""A body that passes through: the client and the upstream speak the same wire format."""

from __future__ import annotations

import json
import re
from typing import Final

_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_MODEL: Final = re.compile(
    rb'"(?:m|\\u006[dD])(?:o|\\u006[fF])(?:d|\\u0064)(?:e|\\u0065)(?:l|\\u006[cC])"'
    rb'\s*:\s*("[^"\\]*(?:\\.[^"\\]*)*")'
)
"""`model` with a text, each letter as it is or as an escape."""
_ESCAPE: Final = b"\\"


def with_model(body: bytes, name: str) -> bytes:
    """The body with another `model` at its top level and every other byte as it was.

    The key may be there more than once and spelt with escapes: readers differ in which one counts.
    """
    # Within a string, its first quote would be escaped.
    found = [m for m in _MODEL.finditer(body) if not body.startswith(_ESCAPE, m.start() - 1)]
    pieces, end, read, depth = [], 0, 0, 0
    for match in found:
        if len(found) > 1:  # one alone is at the top level
            depth += _opened(body[read : match.start()])
            read = match.end()
        if depth <= 1:
            pieces += [body[end : match.start(1)], json.dumps(name).encode()]
            end = match.end(1)
    if not pieces:
        return json.dumps({**json.loads(body), "model": name}).encode()
    return b"".join((*pieces, body[end:]))


def _opened(piece: bytes) -> int:
    """How many more objects and arrays it opens than it closes; it is cut between tokens."""
    bare = _STRING.sub(b"", piece)
    return bare.count(b"{") + bare.count(b"[") - bare.count(b"}") - bare.count(b"]")
