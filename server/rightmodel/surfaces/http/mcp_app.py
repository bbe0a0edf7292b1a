"""MCP over streamable HTTP, as an ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from rightmodel.surfaces.http.access import SCOPE_KEY
from rightmodel.surfaces.http.asgi import MOST_BODY_BYTES
from rightmodel.surfaces.http.listening import MCP_PATH
from rightmodel.surfaces.mcp.wire import HALF_PAIR, well_formed_json
from rightmodel.wire.fields import obj

if TYPE_CHECKING:
    from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
    from mcp.server.lowlevel import Server
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SESSION_IDLE_S: Final = 30 * 60
MOST_SESSIONS: Final = 1000
SESSION: Final = b"mcp-session-id"
ISSUED: Final = re.compile(rb"[0-9a-f]{32}")
"""An id that a server like this one gives. Clients that make one up may make up the same."""
FIRST_VERSION: Final = b"2025-03-26"
"""Of a client that does not name its version: the first one with sessions."""


def mcp_app(server: Server[Any], host: str) -> ASGIApp:
    """The application. `host`: that the server listens on."""
    from mcp.server.transport_security import TransportSecuritySettings

    app = server.streamable_http_app(
        streamable_http_path=MCP_PATH,
        host=host,
        # `access.Origins` protects every path.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        max_request_body_size=MOST_BODY_BYTES,
        session_idle_timeout=SESSION_IDLE_S,
        max_sessions=MOST_SESSIONS,
    )

    async def owned(scope: Scope, receive: Receive, send: Send) -> None:
        """The SDK opens a session to none but the user that began it."""
        if scope["type"] == "http":
            scope = {**scope, "user": _user(scope[SCOPE_KEY])}
        await app(scope, receive, send)

    return WellFormedBodies(Sessions(owned))


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
        content = bytes(body)
        if not more and HALF_PAIR.search(body):
            content = well_formed_json(body.decode("utf-8", "replace")).encode()
            scope = _headed(scope, b"content-length", str(len(content)).encode())
        whole = {"type": "http.request", "body": content, "more_body": more}
        await self._app(scope, _after(whole, receive), send)


class Sessions:
    """What clients of the protocol before 2026 need of their sessions, and the SDK does not do.

    Whoever disconnects before a call is answered has it cancelled. A client would have to send the
    cancellation, because a stream may be resumed; ours cannot be, and nobody would ever get the
    answer. So this sends it in the client's place.

    Instead of a session that this process does not know, a new one is opened. Sessions are lost
    with a restart, after half an hour, and where a balancer changes the server. The protocol wants
    the client to open another one after the 404; most clients fail at every call instead
    (`findings/mcp_clients_after_a_restart.sh`). No call needs what a session holds.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._renewed: dict[tuple[str, bytes], bytes] = {}
        self._opening = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        held: bytes = dict(scope.get("headers", ())).get(SESSION, b"")
        if not held:
            await self._app(scope, receive, send)
            return
        key = scope[SCOPE_KEY], held
        session = self._renewed.get(key, held)
        scope = _headed(scope, SESSION, session)
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = await receive()
        refusal = await self._serve(scope, body, receive, send)
        if refusal and ISSUED.fullmatch(held) and _is_request(body["body"]):
            async with self._opening:
                if self._renewed.get(key, held) == session:
                    await self._open(scope, key)
            scope = _headed(scope, SESSION, self._renewed.get(key, held))
            refusal = await self._serve(scope, body, receive, send)
        for message in refusal:
            await send(message)

    async def _serve(
        self, scope: Scope, body: Message, receive: Receive, send: Send
    ) -> list[Message]:
        """Serve a request. Returns what it does not send: the messages of a 404."""
        refusal: list[Message] = []
        answered = gone = False
        replayed = _after(body, receive)

        async def watched_receive() -> Message:
            nonlocal gone
            message = await replayed()
            gone = gone or (message["type"] == "http.disconnect" and not answered)
            return message

        async def watched_send(message: Message) -> None:
            nonlocal answered
            if refusal or message.get("status") == HTTPStatus.NOT_FOUND:
                refusal.append(message)
                return
            ends = message["type"] == "http.response.body" and not message.get("more_body")
            answered = answered or ends
            await send(message)

        await self._app(scope, watched_receive, watched_send)
        if gone:
            await self._cancel(scope, body["body"])
        return refusal

    async def _cancel(self, scope: Scope, body: bytes) -> None:
        """Cancel the request in its session."""
        with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
            params = {"requestId": json.loads(body)["id"], "reason": "the client disconnected"}
            notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
            await _post(self._app, scope, notice)

    async def _open(self, scope: Scope, key: tuple[str, bytes]) -> None:
        """Open a session and note it for the client. `key`: its name and the id that it holds."""
        version = dict(scope["headers"]).get(b"mcp-protocol-version", FIRST_VERSION)
        hello = {
            "protocolVersion": version.decode("latin-1"),
            "capabilities": {},
            "clientInfo": {"name": "renewed session", "version": ""},
        }
        opening = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}
        outside = {**scope, "headers": [h for h in scope["headers"] if h[0] != SESSION]}
        session = (await _post(self._app, outside, opening)).get(SESSION)
        if session:
            initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
            await _post(self._app, _headed(scope, SESSION, session), initialized)
            self._renewed[key] = session
            if len(self._renewed) > MOST_SESSIONS:
                del self._renewed[next(iter(self._renewed))]


@functools.cache
def _user(name: str) -> AuthenticatedUser:
    """A client as the SDK wants it."""
    from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
    from mcp.server.auth.provider import AccessToken

    return AuthenticatedUser(AccessToken(token="", client_id=name, scopes=[]))


def _is_request(body: bytes) -> bool:
    """Whether it wants an answer: a late cancellation needs no session."""
    with contextlib.suppress(ValueError, RecursionError):
        return {"id", "method"} <= obj(json.loads(body)).keys()
    return False


def _headed(scope: Scope, name: bytes, value: bytes) -> Scope:
    """The request with this header in the place of the former one."""
    return {**scope, "headers": [*(h for h in scope["headers"] if h[0] != name), (name, value)]}


def _after(first: Message, receive: Receive) -> Receive:
    """A `receive` that gives this message before all others."""
    left = [first]

    async def replayed() -> Message:
        return left.pop() if left else await receive()

    return replayed


async def _post(app: ASGIApp, scope: Scope, message: dict[str, Any]) -> dict[bytes, bytes]:
    """Send a message of our own in the client's place; the headers of the response."""
    content, headers = json.dumps(message).encode(), {}

    async def silence() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def note(answer: Message) -> None:
        headers.update(answer.get("headers", ()))

    body = {"type": "http.request", "body": content, "more_body": False}
    length = str(len(content)).encode()
    await app(_headed(scope, b"content-length", length), _after(body, silence), note)
    return headers
