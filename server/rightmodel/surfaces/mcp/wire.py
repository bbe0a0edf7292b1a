"""The two ends of standard input and output that carry the protocol. Imports nothing heavy."""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
from typing import Any, Final, NamedTuple

READ_BYTES: Final = 65_536
MOST_LINE_BYTES: Final = 80_000_000
"""The longest prompt, were every character of it four bytes long."""


HALF_PAIR: Final = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
"""What JSON bytes with half a surrogate pair contain; those with a whole one may, too."""
_ESCAPE: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair
    r"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\."
)
_HALF: Final = re.compile("[\ud800-\udfff]")


class Wire(NamedTuple):
    """File descriptors that nothing else in the process knows."""

    read_fd: int
    write_fd: int


class Handover(NamedTuple):
    """What the SDK's server goes on with.

    `replay`: messages that were answered here and set the state of the connection. `rest`: bytes
    that were read and not answered.
    """

    wire: Wire
    replay: tuple[dict[str, Any], ...] = ()
    rest: bytes = b""


def take_standard_streams() -> Wire:
    """Keep both streams for the protocol.

    Whatever else prints goes to standard error; whatever else reads, child processes included,
    finds the end of the file.
    """
    wire = Wire(os.dup(0), os.dup(1))
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(2, 1)
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
    return wire


def write_all(fd: int, data: bytes) -> None:
    """Write every byte; blocks as long as the reader does not read. Raises `OSError`."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])


class Lines:
    """Cuts a stream of bytes into lines. A line over the limit is passed on cut, hence invalid."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that `chunk` completes, without their ends; an empty one means the end."""
        if not chunk:
            lines, self._parts = [b"".join(self._parts)], []
            return [line for line in lines if line]
        head, *rest = chunk.split(b"\n")
        self._keep(head)
        if not rest:
            return []
        lines = [b"".join(self._parts), *rest[:-1]]
        self._parts, self._size = [], 0
        self._keep(rest[-1])
        return lines

    @property
    def rest(self) -> bytes:
        """What has come of the next line."""
        return b"".join(self._parts)

    def _keep(self, part: bytes) -> None:
        if part and self._size <= MOST_LINE_BYTES:
            self._parts.append(part)
            self._size += len(part)


def well_formed_json(text: str) -> str:
    """JSON text in which every half of a surrogate pair, escaped or not, is U+FFFD."""
    text = _ESCAPE.sub(lambda m: "\\ufffd" if m["half"] else m[0], text)
    return _HALF.sub("\N{REPLACEMENT CHARACTER}", text)
