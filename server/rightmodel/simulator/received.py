"""What came from a client: the request as sent, and what it asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

if TYPE_CHECKING:
    from rightmodel.simulator.connection import RawRequest


@dataclass(slots=True, eq=False)
class Received:
    """One request, in the order it came.

    As sent: `method`, `path` without the query, `query`, `headers` (names in lower case), `raw`
    and `body` (the parsed JSON, `None` where it is none). `at`: on the provider's clock, seconds.

    What it asks for, whatever the protocol: `model`, `stream`, `prompt` (the last user text),
    `system`, `text` (everything to be read, definitions of tools included), `schema` (the answer
    has to be JSON), `tool` (the name of the tool that must be called), `max_output` tokens or
    `None`.

    What became of it: `fault`: name of the simulated fault, "" where there was an answer;
    `status` sent, 0 for none; `answered`: all of it was sent; `cancelled`: the client hung up
    before that.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes = field(repr=False)
    body: Any = field(repr=False)
    at: float
    number: int = 0
    model: str = ""
    stream: bool = False
    prompt: str = ""
    system: str = ""
    text: str = field(default="", repr=False)
    schema: Mapping[str, Any] | None = None
    tool: str = ""
    max_output: int | None = None
    fault: str = ""
    status: int = 0
    answered: bool = False
    cancelled: bool = False

    def value(self, parameter: str) -> Any:
        """What a request parameter is set to, by dotted path; `None` where it is not there."""
        found = self.body
        for key in parameter.split("."):
            found = entry(found, key)
        return found


def received(raw: RawRequest, at: float, number: int) -> Received:
    """Parse the transport's part of a request; the protocol reads the rest from `body`."""
    path, _, query = raw.target.partition("?")
    try:
        body = json.loads(raw.body)
    except (ValueError, RecursionError):
        body = None
    sent = (raw.method, unquote(path), dict(parse_qsl(query)), raw.headers, raw.body)
    return Received(*sent, body, at, number)


def entry(mapping: Any, key: str) -> Any:
    """A key's value, `None` without one. A camelCase key may be written in snake_case.

    Gemini takes both, and the google-genai package sends both in one request.
    """
    if not isinstance(mapping, dict):
        return None
    snake = re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key)
    return mapping[key] if key in mapping else mapping.get(snake)


def count_tokens(text: str) -> int:
    """Tokens of a text, reckoned at four characters each."""
    return -(-len(text) // 4)
