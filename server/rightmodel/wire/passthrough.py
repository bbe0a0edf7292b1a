"""A body that passes through: the client and the upstream speak the same wire format."""

from __future__ import annotations

import json
import re
from typing import Final

_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]')
_VALUE: Final = re.compile(rb'\s*:\s*("[^"\\]*(?:\\.[^"\\]*)*")')


def with_model(body: bytes, name: str) -> bytes:
    """The body with another `model` at its top level and every other byte as it was.

    A body that spells the key with escapes is encoded anew.
    """
    pieces, end, depth = [], 0, 0
    is_single = body.count(b'"model"') == 1
    for token in _TOKEN.finditer(body):
        match token.group():
            case b"{" | b"[":
                depth += 1
            case b"}" | b"]":
                depth -= 1
            case b'"model"' if depth == 1 and (value := _VALUE.match(body, token.end())):
                pieces += [body[end : value.start(1)], json.dumps(name).encode()]
                end = value.end(1)
                if is_single:
                    break
    if not pieces:
        return json.dumps({**json.loads(body), "model": name}).encode()
    return b"".join((*pieces, body[end:]))
