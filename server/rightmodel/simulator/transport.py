"""What goes over a socket: a response as parts that are sent, waited for or left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from http.client import responses
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stall:
    """Nothing more, until the client hangs up or the provider stops."""


@dataclass(frozen=True, slots=True)
class Forever:
    """The same bytes every so many seconds, until the client hangs up or the provider stops."""

    data: bytes
    every_s: float = 1.0


Part = bytes | Pause | Stall | Forever


class End(StrEnum):
    """What happens to the connection after the last part."""

    KEEP = "keep"  # stays open for the next request
    CLOSE = "close"  # the body is complete; then closed, without an announcement
    CUT = "cut"  # closed in the middle: the last chunk or the announced length is missing
    RESET = "reset"  # TCP reset


@dataclass(frozen=True, slots=True)
class Response:
    """One response, as it is to be played.

    `before`: what passes before the first byte. `body`: parts of the body. `chunked`: chunked
    encoding, one chunk for each part; else `content-length` is announced: `length`, where given,
    instead of the true one. `silent`: not even a status line is sent. `drops_next`: the next
    request on this connection is read and the connection closed without an answer.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: tuple[Part, ...] = ()
    chunked: bool = False
    length: int | None = None
    before: tuple[Part, ...] = ()
    end: End = End.KEEP
    silent: bool = False
    drops_next: bool = False

    def head(self, date: str) -> bytes:
        """Status line and headers. `date`: of the Date header, unless the headers name one."""
        lines = [f"HTTP/1.1 {self.status} {responses.get(self.status, 'Unknown')}"]
        names = {name.lower() for name, _ in self.headers}
        if "date" not in names:
            lines.append(f"date: {date}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.chunked:
            lines.append("transfer-encoding: chunked")
        else:
            true = sum(len(p) for p in self.body if isinstance(p, bytes))
            lines.append(f"content-length: {true if self.length is None else self.length}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def with_headers(self, more: Mapping[str, str]) -> Response:
        """The same response with more headers; one of the same name is replaced."""
        lowered = {name.lower() for name in more}
        kept = tuple(h for h in self.headers if h[0].lower() not in lowered)
        return replace(self, headers=(*kept, *more.items()))


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream. `data`: JSON, or text sent as it is. `tokens`: of the answer in it."""

    data: Json | str
    name: str = ""
    tokens: int = 0

    def encode(self, newline: str = "\n") -> bytes:
        """As server-sent event."""
        data = self.data if isinstance(self.data, str) else dumps(self.data)
        head = f"event: {self.name}{newline}" if self.name else ""
        return f"{head}data: {data}{newline}{newline}".encode()


def dumps(value: Any) -> str:
    """JSON without blanks, as the real ones send it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def json_response(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON body with its content type."""
    named = {"content-type": "application/json", **(headers or {})}
    return Response(status, tuple(named.items()), (dumps(body).encode(),))
