"""Starts `rightmodel serve` on standard streams: answers before anything heavy is imported.

Every agent session starts its own server, and most never call a tool: they get the handshake and
the list of tools from here. The first message that is not understood completely is left to the
SDK's server, which is then brought to the same state by `Handover.replay`. Nothing is answered
here that the SDK would answer otherwise, byte for byte.
"""

from __future__ import annotations

import json
import os
import select
import signal
import threading
from typing import TYPE_CHECKING, Any, Final

from rightmodel.surfaces.mcp.tools import EXTENSIONS, INSTRUCTIONS, LIST_TTL_MS, SERVER_INFO, TOOLS
from rightmodel.surfaces.mcp.wire import (
    READ_BYTES,
    Handover,
    Lines,
    Wire,
    take_standard_streams,
    write_all,
)

if TYPE_CHECKING:
    from rightmodel.surfaces.mcp.options import ServeOptions

HANDSHAKE_VERSIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN_VERSION: Final = "2026-07-28"
PREFIX: Final = "io.modelcontextprotocol/"
CAPABILITIES: Final = {"tools": {"listChanged": False}}
IDLE_S: Final = 0.5
MOST_ID: Final = 2**53
MOST_ID_CHARS: Final = 200
_ENVELOPE: Final = {
    f"{PREFIX}protocolVersion",
    f"{PREFIX}clientInfo",
    f"{PREFIX}clientCapabilities",
}
_MODERN: Final = {
    "server/discover": {
        "cacheScope": "private",
        "capabilities": {"extensions": EXTENSIONS, **CAPABILITIES},
        "instructions": INSTRUCTIONS,
        "resultType": "complete",
        "supportedVersions": [MODERN_VERSION],
        "ttlMs": LIST_TTL_MS,
    },
    "tools/list": {
        "cacheScope": "private",
        "resultType": "complete",
        "tools": TOOLS,
        "ttlMs": LIST_TTL_MS,
    },
}


class Front:
    """The state of a connection, from its first message."""

    def __init__(self) -> None:
        self._replay: list[dict[str, Any]] = []
        self._era = ""  # "handshake" or "modern", by the first request
        self.ready = False
        """Whether the client has got to know the server."""

    @property
    def replay(self) -> tuple[dict[str, Any], ...]:
        """What the SDK's server has to be sent to be in the same state."""
        return tuple(self._replay)

    def answer(self, line: bytes) -> bytes | None:
        """The reply to a line, b"" where none is due; `None`: leave it and all that follows."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not _is_message(message):
            return None
        if "id" not in message:
            return self._notified(message)
        result = self._result(message)
        if result is None:
            return None
        reply = {"jsonrpc": "2.0", "id": message["id"], "result": result}
        return json.dumps(reply, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    def _notified(self, message: dict[str, Any]) -> bytes | None:
        """No notification has an effect but `initialized`."""
        method: str = message["method"]
        if not self._era or not method.startswith("notifications/"):
            return None
        if method == "notifications/initialized" and self._era == "handshake":
            if message.get("params") or not self.ready:
                return None
            self._replay.append(message)
        return b""

    def _result(self, message: dict[str, Any]) -> dict[str, Any] | None:
        params = message.get("params") or {}
        meta = params.get("_meta", {})
        if not isinstance(meta, dict) or not _is_token(meta.get("progressToken", 0)):
            return None
        if message["method"] != "initialize" and f"{PREFIX}protocolVersion" in meta:
            return self._modern(message, params, meta)
        if self._era == "modern" or any(key.startswith(PREFIX) for key in meta):
            return None
        result = self._handshake(message["method"], params)
        if result is not None and (not self._era or message["method"] == "initialize"):
            self._era = "handshake"
            self._replay.append(message)
        return result

    def _handshake(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        if method == "initialize":
            if self.ready or not _is_client(params):
                return None
            self.ready = True
            asked = params["protocolVersion"]
            version = asked if asked in HANDSHAKE_VERSIONS else HANDSHAKE_VERSIONS[-1]
            return {
                "capabilities": CAPABILITIES,
                "instructions": INSTRUCTIONS,
                "protocolVersion": version,
                "serverInfo": SERVER_INFO,
            }
        if params.keys() - {"_meta"}:
            return None
        if method == "ping":
            return {}
        return {"tools": TOOLS} if method == "tools/list" and self.ready else None

    def _modern(
        self, message: dict[str, Any], params: dict[str, Any], meta: dict[str, Any]
    ) -> dict[str, Any] | None:
        result = _MODERN.get(message["method"])
        valid = (
            self._era != "handshake"
            and not params.keys() - {"_meta"}
            and meta[f"{PREFIX}protocolVersion"] == MODERN_VERSION
            and _is_implementation(meta.get(f"{PREFIX}clientInfo", {"name": "", "version": ""}))
            and _are_capabilities(meta.get(f"{PREFIX}clientCapabilities"))
        )
        if result is None or not valid or {k for k in meta if k.startswith(PREFIX)} - _ENVELOPE:
            return None
        if not self._era:
            self._era = "modern"
            self._replay.append(message)
        self.ready = True
        return {**result, "_meta": {f"{PREFIX}serverInfo": SERVER_INFO}}


def start_stdio(options: ServeOptions) -> None:
    """Serve standard input and output to the end."""
    handover = answer_first(take_standard_streams(), warm_up=options.warm_up)
    if handover is not None:
        from rightmodel.surfaces.mcp.process import serve_stdio

        serve_stdio(options, handover)


def answer_first(wire: Wire, *, warm_up: bool = False) -> Handover | None:
    """Answer until the client sends something else; `None` when it leaves instead.

    `warm_up`: load what a call needs, in a thread, once the client has been idle for `IDLE_S`.
    """
    _end_on_signals()
    front, lines = Front(), Lines()
    while True:
        if warm_up and front.ready and not _readable(wire.read_fd, IDLE_S):
            warm_up = False
            threading.Thread(target=_warm_up, daemon=True).start()
        chunk = os.read(wire.read_fd, READ_BYTES)
        whole = lines.feed(chunk)
        for number, line in enumerate(whole):
            reply = front.answer(line)
            if reply is None or (reply and not _takes(wire.write_fd, reply)):
                rest = b"\n".join((*whole[number:], lines.rest))
                return Handover(wire, front.replay, rest)
        if not chunk:
            return None


def _warm_up() -> None:
    from rightmodel.surfaces.mcp.process import UPSTREAM, load

    load(*UPSTREAM)


def _readable(fd: int, seconds: float) -> bool:
    if not hasattr(select, "poll"):  # Windows
        return False
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _takes(fd: int, reply: bytes) -> bool:
    """Write a reply, unless the client reads so slowly that writing might block."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(fd, select.POLLOUT)
        if not poll.poll(0):
            return False
    write_all(fd, reply)
    return True


def _end_on_signals() -> None:
    """Nothing is running that would have to be closed."""

    def end(number: int, _frame: object) -> None:
        os._exit(128 + number)

    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)


def _is_message(message: Any) -> bool:
    """Whether it is a plain request or notification without anything unusual."""
    if not isinstance(message, dict) or message.keys() - {"jsonrpc", "id", "method", "params"}:
        return False
    params, number = message.get("params"), message.get("id", 0)
    return (
        message.get("jsonrpc") == "2.0"
        and isinstance(message.get("method"), str)
        and (params is None or isinstance(params, dict))
        and _is_token(number)
    )


def _is_token(value: Any) -> bool:
    """Whether it is a plain id: a number, or a short printable ASCII string."""
    if isinstance(value, str):
        return len(value) <= MOST_ID_CHARS and value.isascii() and value.isprintable()
    return type(value) is int and abs(value) <= MOST_ID


def _is_client(params: dict[str, Any]) -> bool:
    return (
        not params.keys() - {"protocolVersion", "capabilities", "clientInfo", "_meta"}
        and isinstance(params.get("protocolVersion"), str)
        and _are_capabilities(params.get("capabilities"))
        and _is_implementation(params.get("clientInfo"))
    )


def _is_implementation(info: Any) -> bool:
    known = {"name", "version", "title", "description", "websiteUrl"}
    return (
        isinstance(info, dict)
        and {"name", "version"} <= info.keys() <= known
        and all(isinstance(value, str) for value in info.values())
    )


def _are_capabilities(capabilities: Any) -> bool:
    """Whether they have the shape that every client sends: objects in objects, and one flag."""
    if not isinstance(capabilities, dict):
        return False
    capabilities = {"roots": {}, **capabilities}
    roots = capabilities.pop("roots")
    return roots in ({"listChanged": True}, {"listChanged": False}, {}) and all(
        _holds_objects(value, depth=1 if name in _FREE_FORM else None)
        for name, value in capabilities.items()
    )


_FREE_FORM: Final = frozenset({"experimental", "extensions", "elicitation", "sampling"})


def _holds_objects(value: Any, depth: int | None = None) -> bool:
    """Whether it is an object of objects, down to a depth or to the end."""
    if not isinstance(value, dict):
        return False
    below = None if depth is None else depth - 1
    return depth == 0 or all(_holds_objects(item, below) for item in value.values())
