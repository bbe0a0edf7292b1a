"""Server-sent events: bytes to events."""

from __future__ import annotations

from typing import Final, NamedTuple

_BOM: Final = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """A server-sent event. `name`: of its `event:` field. `data`: its lines, joined by LF."""

    name: bytes
    data: bytes


class SseDecoder:
    """Server-sent events out of chunks that are cut anywhere, in a line ending or a character.

    https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream: lines
    end with LF, CR or CRLF; comments give nothing. Every byte is read once, however finely it is
    cut. llama.cpp reports errors in a field `error:` of its own; it counts as data.
    """

    __slots__ = ("_cut", "_data", "_name", "_partial", "_started")

    def __init__(self) -> None:
        self._partial: list[bytes] = []
        self._cut = False
        self._started = False
        self._name = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that this chunk completes."""
        if self._cut and chunk:
            self._cut = False
            chunk = chunk.removeprefix(b"\n")
        if b"\r" in chunk:
            self._cut = chunk.endswith(b"\r")
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._partial.append(chunk)
        if b"\n" not in chunk:
            return []
        *lines, rest = b"".join(self._partial).split(b"\n")
        self._partial = [rest]
        if not self._started:
            self._started = True
            lines[0] = lines[0].removeprefix(_BOM)
        return self._take(lines)

    def close(self) -> list[Event]:
        """What was still open when the stream ended: whole only if its sender forgot to end it."""
        rest, self._partial = b"".join(self._partial), []
        return self._take([rest, b""])

    def _take(self, lines: list[bytes]) -> list[Event]:
        events: list[Event] = []
        for line in lines:
            if not line:
                if self._data:
                    events.append(Event(self._name, b"\n".join(self._data)))
                    self._data = []
                self._name = b""
            elif line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif line.startswith(b"event:"):
                self._name = line[6:].strip()
            elif line.startswith(b"error:"):
                self._name = b"error"
                self._data.append(line[6:].strip())
            elif line == b"data":
                self._data.append(b"")
        return events
