"""HTTP client of all wire formats: POST JSON over pooled connections, hand the response on.

Two timers only: connecting ends after 10 s, and an upstream that sent its last event has a quarter
of a second to end the response. All other deadlines belong to the caller; cancelling closes the
connection. httpx2 is imported with the first request: it takes 100 ms that a start does not have.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections import deque
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.manifest.base_url import is_loopback
from rightmodel.upstream.answer import broken
from rightmodel.upstream.classify import classify

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Mapping

    import httpx2

    from rightmodel.upstream.answer import Answer
    from rightmodel.upstream.live import Watch
    from rightmodel.wire.request import ModelRequest

MOST_ERROR_BYTES: Final = 200_000
CONNECT_S: Final = 10.0
STALE_S: Final = 2.0
"""A kept-alive connection that fails later than this after sending was not stale: the upstream had
the request, and sending it again might be billed twice."""

KEEP_S: Final = 60.0
"""Seconds that an idle connection is kept; the large providers keep theirs longer."""

MOST_IDLE: Final = 128
"""Idle connections kept per origin; further ones are closed."""

MOST_URLS: Final = 1024
_EVENT_HEAD: Final = re.compile(r"\A(?:event:[^\n]*\n)?data:\s*")
"""Some servers frame an error as an event even where the status is an error's."""

_TIMEOUTS: Final = {"connect": CONNECT_S, "read": None, "write": None, "pool": None}
_ALWAYS: Final = {
    "accept": "text/event-stream, application/json",
    "accept-encoding": "identity",  # compression would delay single tokens
    "content-type": "application/json",
    "user-agent": "rightmodel",
}
_decode: Final = json.JSONDecoder(parse_float=Decimal).raw_decode


class Target(NamedTuple):
    """A parsed URL, its origin and the proxy for it ("" for none)."""

    url: httpx2.URL
    origin: str
    proxy: str


class Connection:
    """A transport with one connection.

    `used`: a request was sent over it before. `idle_since`: monotonic seconds.
    """

    __slots__ = ("idle_since", "transport", "used")

    def __init__(self, transport: httpx2.AsyncHTTPTransport) -> None:
        self.transport = transport
        self.used = False
        self.idle_since = 0.0


class HttpClient:
    """Sends requests of all wire formats; pools connections, each for one request at a time.

    httpx2's own pool looks at every connection whenever a request starts or ends, so that a call
    among 1,000 costs five times the CPU of a call among 16. A transport limited to one connection
    has nothing to look through: acquiring and releasing it are a pop and a push on a stack for
    each origin.
    """

    def __init__(self) -> None:
        self._targets: dict[str, Target] = {}
        self._idle: dict[str, deque[Connection]] = {}
        self._busy: set[Connection] = set()
        self._contexts: dict[bool, ssl.SSLContext] = {}

    async def close(self) -> None:
        """Close every connection, idle or not."""
        connections = [*self._busy, *(c for idle in self._idle.values() for c in idle)]
        self._idle.clear()
        self._busy.clear()
        for connection in connections:
            await connection.transport.aclose()

    async def post(
        self, url: str, headers: Mapping[str, str], content: bytes, answer: Answer
    ) -> None:
        """Send the answer's request and read the response to its end. Raises `ProviderError`.

        `headers`: lower-case names; they carry the key. `content`: the JSON body.
        """
        import httpx2

        try:
            target = self._targets.get(url) or self._parse(url)
            idle = self._idle.get(target.origin)
            connection = idle.pop() if idle else Connection(self._transport(target))
        except Exception as error:  # a proxy without its library, certificates that are not there
            raise broken(answer.request, _no_connection(url, error)) from error
        self._busy.add(connection)
        whole = False
        try:
            request = _request(target, headers, content, answer)
            response = await self._send(connection, target, request)
            try:
                await _read(response, answer)
                whole = True
            finally:
                await response.aclose()
        except httpx2.HTTPError as error:
            if not answer.decoder.finish:
                raise _failure(answer.request, error) from error
        finally:
            self._busy.discard(connection)
            if whole:
                await self._release(target, connection)
            else:
                await connection.transport.aclose()

    async def _send(
        self, connection: Connection, target: Target, request: httpx2.Request
    ) -> httpx2.Response:
        """The response's head. A kept connection that the upstream has closed is replaced, once."""
        import httpx2

        began = time.monotonic()
        try:
            return await connection.transport.handle_async_request(request)
        except (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError):
            if not connection.used or time.monotonic() - began > STALE_S:
                raise
        await connection.transport.aclose()
        connection.transport, connection.used = self._transport(target), False
        return await connection.transport.handle_async_request(request)

    async def _release(self, target: Target, connection: Connection) -> None:
        """Return a connection to the pool; close the one that has been idle for too long."""
        idle = self._idle.get(target.origin)
        if idle is None:
            idle = self._idle[target.origin] = deque()
        now = time.monotonic()
        connection.used, connection.idle_since = True, now
        idle.append(connection)
        if len(idle) > MOST_IDLE or now - idle[0].idle_since > KEEP_S:
            await idle.popleft().transport.aclose()

    def _parse(self, url: str) -> Target:
        """The parsed URL, kept for the next request."""
        import httpx2

        parsed = httpx2.URL(url)
        origin = f"{parsed.scheme}://{parsed.netloc.decode('ascii')}"
        if len(self._targets) >= MOST_URLS:
            self._targets.clear()
        target = Target(parsed, origin, _proxy(url, parsed.scheme, parsed.host))
        self._targets[url] = target
        return target

    def _transport(self, target: Target) -> httpx2.AsyncHTTPTransport:
        """A transport; it connects with its first request."""
        import httpx2

        limits = httpx2.Limits(
            max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEP_S
        )
        context = self._context(secure=target.url.scheme == "https" or bool(target.proxy))
        return httpx2.AsyncHTTPTransport(verify=context, limits=limits, proxy=target.proxy or None)

    def _context(self, *, secure: bool) -> ssl.SSLContext:
        """The TLS context; loading the CA certificates takes 20 ms, so it is done once."""
        import ssl

        import httpx2

        if secure not in self._contexts:
            self._contexts[secure] = (
                httpx2.create_ssl_context() if secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            )
        return self._contexts[secure]


def _proxy(url: str, scheme: str, host: str) -> str:
    """The proxy that the environment names; never one for loopback."""
    from urllib.request import getproxies, proxy_bypass

    if is_loopback(url) or not (proxies := getproxies()) or proxy_bypass(host):
        return ""
    return proxies.get(scheme) or proxies.get("all") or ""


def _no_connection(url: str, error: Exception) -> str:
    """Why no connection could be opened, with the variable that may be the cause."""
    hint = ""
    if isinstance(error, OSError):
        named = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
        hint = "".join(f" ({name} is {os.environ[name]})" for name in named)
    return f"cannot reach {url}: {type(error).__name__}: {error}{hint}"


def _request(
    target: Target, headers: Mapping[str, str], content: bytes, answer: Answer
) -> httpx2.Request:
    import httpx2

    provider = answer.request.provider
    own = {name.lower(): value for name, value in provider.headers.items()}
    headers = {**_ALWAYS, **own, **headers}
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise ProviderError(
                Fault.AUTH,
                f"{provider.name}: the key or the value of header {name!r} holds characters that "
                "no header may carry: check for line breaks and quotes",
                provider=provider.name,
            )
    extensions: dict[str, Any] = {"timeout": _TIMEOUTS}
    if answer.watch is not None:
        extensions["trace"] = _trace_hook(answer.watch)
    return httpx2.Request(
        "POST", target.url, headers=headers, content=content, extensions=extensions
    )


def _trace_hook(watch: Watch) -> Callable[[str, object], Awaitable[None]]:
    """httpx2's trace hook: reports to the watch that the request has been sent."""

    async def trace(event: str, _: object) -> None:
        if event.endswith("send_request_body.complete"):
            watch.sent()

    return trace


def _failure(request: ModelRequest, error: httpx2.HTTPError) -> ProviderError:
    import httpx2

    where = request.provider.base_url
    if isinstance(error, httpx2.ConnectTimeout):
        return broken(request, f"no connection to {where} within {CONNECT_S:.0f} s")
    if isinstance(error, httpx2.ConnectError | httpx2.ProxyError):
        return broken(request, f"no connection to {where}: {error}")
    return broken(request, f"the connection broke: {error or type(error).__name__}")


async def _read(response: httpx2.Response, answer: Answer) -> None:
    headers = {k.lower(): v for k, v in response.headers.raw}
    chunks = _chunks(response, headers)
    try:
        if not 200 <= response.status_code < 300:  # noqa: PLR2004
            raise await _refusal(answer.request, response.status_code, headers, chunks)
        await answer.read(chunks, headers.get(b"content-type", b"").decode("latin-1"))
    finally:
        await chunks.aclose()


def _chunks(
    response: httpx2.Response, headers: Mapping[bytes, bytes]
) -> AsyncGenerator[bytes, None]:
    """The body's chunks. `aiter_bytes` costs four calls per chunk where nothing is compressed."""
    if headers.get(b"content-encoding", b"identity") != b"identity":
        return response.aiter_bytes()
    return cast("AsyncGenerator[bytes, None]", aiter(cast("AsyncIterable[bytes]", response.stream)))


async def _refusal(
    request: ModelRequest,
    status: int,
    headers: Mapping[bytes, bytes],
    chunks: AsyncGenerator[bytes, None],
) -> ProviderError:
    """The error for an unsuccessful response, out of its first 200 kB."""
    named = {k.decode("latin-1"): v.decode("latin-1") for k, v in headers.items()}
    if 300 <= status < 400:  # noqa: PLR2004
        return broken(
            request, f"refused redirect to {_host(named.get('location', ''))}; correct base_url"
        )
    data = bytearray()
    async for chunk in chunks:
        data += chunk
        if len(data) > MOST_ERROR_BYTES:
            break
    text = _EVENT_HEAD.sub("", bytes(data).decode("utf-8-sig", "replace").strip())
    try:
        body: Any = _decode(text)[0] if text[:1] in {"{", "["} else text
    except (ValueError, RecursionError, ArithmeticError):
        body = text
    return classify(request, status, body, named)


def _host(location: str) -> str:
    """Where a redirect leads: the host alone, which holds no key."""
    try:
        host = urlsplit(location).hostname
    except ValueError:
        host = None
    return f"host {host}" if host else "an invalid location"
