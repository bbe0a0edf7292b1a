"""A body that passes through: the client and the upstream speak the same wire format."""

from __future__ import annotations

import json
import re
from typing import Final

_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]]')
_KEY: Final = re.compile(
    rb'"(?:m|\\u006[dD])(?:o|\\u006[fF])(?:d|\\u0064)(?:e|\\u0065)(?:l|\\u006[cC])"'
)
"""`model`, each letter as it is or as an escape."""
_VALUE: Final = re.compile(rb'\s*:\s*("[^"\\]*(?:\\.[^"\\]*)*")')


def with_model(body: bytes, name: str) -> bytes:
    """The body with another `model` at its top level and every other byte as it was.

    The key may be there more than once and spelt with escapes: readers differ in which one counts.
    """
    pieces, end, depth = [], 0, 0
    is_single = len(_KEY.findall(body)) == 1
    for token in _TOKEN.finditer(body):
        found = token.group()
        if found in b"{[":
            depth += 1
        elif found in b"}]":
            depth -= 1
        elif depth == 1 and _KEY.fullmatch(found) and (value := _VALUE.match(body, token.end())):
            pieces += [body[end : value.start(1)], json.dumps(name).encode()]
            end = value.end(1)
            if is_single:
                break
    if not pieces:
        return json.dumps({**json.loads(body), "model": name}).encode()
    return b"".join((*pieces, body[end:]))
