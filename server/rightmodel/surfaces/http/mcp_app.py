"""MCP over streamable HTTP, as an ASGI application."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final

from rightmodel.surfaces.http.asgi import MOST_BODY_BYTES
from rightmodel.surfaces.http.listening import MCP_PATH
from rightmodel.surfaces.mcp.wire import HALF_PAIR, well_formed_json

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SESSION_IDLE_S: Final = 30 * 60
MOST_SESSIONS: Final = 1000


def mcp_app(server: Server[Any], host: str) -> ASGIApp:
    """The application. `host`: that the server listens on."""
    from mcp.server.transport_security import TransportSecuritySettings

    return WellFormedBodies(
        CancelOnDisconnect(
            server.streamable_http_app(
                streamable_http_path=MCP_PATH,
                host=host,
                # `access.Origins` protects every path.
                transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
                max_request_body_size=MOST_BODY_BYTES,
                session_idle_timeout=SESSION_IDLE_S,
                max_sessions=MOST_SESSIONS,
            )
        )
    )


class WellFormedBodies:
    """Replaces halves of surrogate pairs in requests: the SDK refuses a body that holds one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body, more = bytearray(), True
        while more and len(body) <= MOST_BODY_BYTES:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        content: bytes | None = bytes(body)
        if not more and HALF_PAIR.search(body):
            content = well_formed_json(body.decode("utf-8", "replace")).encode()
            headers = [(k, v) for k, v in scope["headers"] if k != b"content-length"]
            length = (b"content-length", str(len(content)).encode())
            scope = {**scope, "headers": [*headers, length]}

        async def replayed() -> Message:
            nonlocal content
            if content is None:
                return await receive()
            first, content = content, None
            return {"type": "http.request", "body": first, "more_body": more}

        await self._app(scope, replayed, send)


class CancelOnDisconnect:
    """Cancels the call of a client that disconnects before it is answered.

    The protocol of 2026 demands it and the SDK does it. Before that, in sessions, a client had to
    send a cancellation, because a stream may be resumed; ours cannot be, and no client would ever
    get the answer. So this sends the cancellation in the client's place.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        in_session = any(name == b"mcp-session-id" for name, _ in scope.get("headers", ()))
        if scope["type"] != "http" or scope["method"] != "POST" or not in_session:
            await self._app(scope, receive, send)
            return
        body, answered, gone = bytearray(), False, False

        async def watched_receive() -> Message:
            nonlocal gone
            message = await receive()
            body.extend(message.get("body", b""))
            gone = gone or (message["type"] == "http.disconnect" and not answered)
            return message

        async def watched_send(message: Message) -> None:
            nonlocal answered
            ends = message["type"] == "http.response.body" and not message.get("more_body")
            answered = answered or ends
            await send(message)

        await self._app(scope, watched_receive, watched_send)
        if gone:
            await self._cancel(scope, bytes(body))

    async def _cancel(self, scope: Scope, body: bytes) -> None:
        """Cancel the request in its session."""
        with contextlib.suppress(ValueError, TypeError, KeyError):
            params = {"requestId": json.loads(body)["id"], "reason": "the client disconnected"}
            notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
            content = json.dumps(notice).encode()
            headers = [(k, v) for k, v in scope["headers"] if k != b"content-length"]
            length = (b"content-length", str(len(content)).encode())

            async def receive() -> Message:
                return {"type": "http.request", "body": content, "more_body": False}

            async def send(_: Message) -> None:
                return

            await self._app({**scope, "headers": [*headers, length]}, receive, send)
