"""HTTP client of all wire formats: POST JSON over pooled connections, hand the response on.

Two timers only: connecting ends after 10 s, and an upstream that sent its last event has a quarter
of a second to end the response. All other deadlines belong to the caller; cancelling closes the
connection. It stands on httpcore2, the lower half of httpx2, which is imported with the first
request: a start does not have the time.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections import deque
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from urllib.parse import unquote, urlsplit

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.manifest.base_url import is_loopback
from rightmodel.upstream.answer import broken
from rightmodel.upstream.classify import classify

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping

    import httpcore2

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

_TIMEOUTS: Final = {"timeout": {"connect": CONNECT_S}}
_ALWAYS: Final = {
    "accept": "text/event-stream, application/json",
    "accept-encoding": "identity",  # compression would delay single tokens
    "content-type": "application/json",
    "user-agent": "rightmodel",
}
_decode: Final = json.JSONDecoder(parse_float=Decimal).raw_decode


class Target(NamedTuple):
    """A parsed URL. `idle`: connections to its origin; `connect`: a new one, not yet connected."""

    url: httpcore2.URL
    idle: deque[Connection]
    connect: Callable[[], httpcore2.AsyncConnectionInterface]


class Connection:
    """`used`: a request was sent over it before. `idle_since`: monotonic seconds."""

    __slots__ = ("http", "idle_since", "used")

    def __init__(self, http: httpcore2.AsyncConnectionInterface) -> None:
        self.http = http
        self.used = False
        self.idle_since = 0.0


class HttpClient:
    """Sends requests of all wire formats; pools connections, each for one request at a time.

    httpcore2's own pool looks at every connection whenever a request starts or ends, so that a call
    among 1,000 costs five times the CPU of a call among 16. Here acquiring and releasing one are a
    pop and a push on a stack for each origin.
    """

    def __init__(self) -> None:
        self._targets: dict[str, Target] = {}
        self._idle: dict[str, deque[Connection]] = {}
        self._busy: set[Connection] = set()
        self._contexts: dict[bool, ssl.SSLContext] = {}

    async def close(self) -> None:
        """Close every connection, idle or not."""
        connections = [*self._busy, *(c for idle in self._idle.values() for c in idle)]
        self._targets.clear()
        self._idle.clear()
        self._busy.clear()
        for connection in connections:
            await connection.http.aclose()

    async def post(
        self, url: str, headers: Mapping[str, str], content: bytes, answer: Answer
    ) -> None:
        """Send the answer's request and read the response to its end. Raises `ProviderError`.

        `headers`: lower-case names; they carry the key. `content`: the JSON body.
        """
        try:
            target = self._targets.get(url) or self._target(url)
            connection = await self._acquire(target)
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
        except _http_errors() as error:
            if not answer.decoder.finish:
                raise _failure(answer.request, error) from error
        finally:
            self._busy.discard(connection)
            if whole and connection.http.is_idle():
                await self._release(target, connection)
            else:
                await connection.http.aclose()

    async def _send(
        self, connection: Connection, target: Target, request: httpcore2.Request
    ) -> httpcore2.Response:
        """The response's head. A kept connection that the upstream has closed is replaced, once."""
        import httpcore2

        began = time.monotonic()
        try:
            return await connection.http.handle_async_request(request)
        except (httpcore2.ReadError, httpcore2.WriteError, httpcore2.RemoteProtocolError):
            if not connection.used or time.monotonic() - began > STALE_S:
                raise
        await connection.http.aclose()
        connection.http, connection.used = target.connect(), False
        return await connection.http.handle_async_request(request)

    async def _acquire(self, target: Target) -> Connection:
        """An idle connection, the latest used; else a new one, which connects when it sends."""
        while target.idle:
            connection = target.idle.pop()
            is_fresh = time.monotonic() - connection.idle_since <= KEEP_S
            if is_fresh and connection.http.is_idle():
                return connection
            await connection.http.aclose()
        return Connection(target.connect())

    async def _release(self, target: Target, connection: Connection) -> None:
        """Return a connection to the pool; close the one that has been idle for too long."""
        idle, now = target.idle, time.monotonic()
        connection.used, connection.idle_since = True, now
        idle.append(connection)
        if len(idle) > MOST_IDLE or now - idle[0].idle_since > KEEP_S:
            await idle.popleft().http.aclose()

    def _target(self, url: str) -> Target:
        """The parsed URL, kept for the next request."""
        import httpcore2

        parsed = httpcore2.URL(url)
        if len(self._targets) >= MOST_URLS:
            self._targets.clear()
        proxy = _proxy(url, parsed.scheme.decode(), parsed.host.decode())
        secure = parsed.scheme == b"https" or bool(proxy)
        connect = _connector(parsed.origin, self._context(secure=secure), proxy)
        idle = self._idle.setdefault(str(parsed.origin), deque())
        self._targets[url] = target = Target(parsed, idle, connect)
        return target

    def _context(self, *, secure: bool) -> ssl.SSLContext:
        """The TLS context; loading the CA certificates takes 20 ms, so it is done once."""
        import ssl

        import httpcore2

        if secure not in self._contexts:
            context = (
                httpcore2.default_ssl_context()
                if secure
                else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            )
            context.set_alpn_protocols(["http/1.1"])
            self._contexts[secure] = context
        return self._contexts[secure]


def _proxy(url: str, scheme: str, host: str) -> str:
    """The proxy that the environment names; never one for loopback."""
    from urllib.request import getproxies, proxy_bypass

    if is_loopback(url) or not (proxies := getproxies()) or proxy_bypass(host):
        return ""
    return proxies.get(scheme) or proxies.get("all") or ""


def _connector(
    origin: httpcore2.Origin, context: ssl.SSLContext, proxy: str
) -> Callable[[], httpcore2.AsyncConnectionInterface]:
    """What makes a connection to an origin; those through a proxy are httpcore2's own."""
    import httpcore2

    from rightmodel.upstream.http11 import IS_AVAILABLE, Http11Connection

    if IS_AVAILABLE and not proxy:
        return partial(Http11Connection, origin, context)
    through = None
    if proxy:
        parts = urlsplit(proxy)
        auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        through = httpcore2.Proxy(proxy, auth=auth)
    pool = httpcore2.AsyncConnectionPool(ssl_context=context, proxy=through)
    return partial(pool.create_connection, origin)


def _no_connection(url: str, error: Exception) -> str:
    """Why no connection could be opened, with the variable that may be the cause."""
    hint = ""
    if isinstance(error, OSError):
        named = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
        hint = "".join(f" ({name} is {os.environ[name]})" for name in named)
    return f"cannot reach {url}: {type(error).__name__}: {error}{hint}"


def _request(
    target: Target, headers: Mapping[str, str], content: bytes, answer: Answer
) -> httpcore2.Request:
    import httpcore2

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
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    sent += [(b"host", _host_header(target.url)), (b"content-length", b"%d" % len(content))]
    return httpcore2.Request(
        b"POST",
        target.url,
        headers=sent,
        content=_Body(content, answer.watch),
        extensions=_TIMEOUTS,
    )


def _host_header(url: httpcore2.URL) -> bytes:
    host = b"[%b]" % url.host if b":" in url.host else url.host
    return host if url.port is None else b"%b:%d" % (host, url.port)


class _Body:
    """The body of a request; reports to the watch that it has been sent."""

    __slots__ = ("_content", "_watch")

    def __init__(self, content: bytes, watch: Watch | None) -> None:
        self._content = content
        self._watch = watch

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content
        if self._watch is not None:
            self._watch.sent()


def _http_errors() -> tuple[type[Exception], ...]:
    """What httpcore2 raises, which has no root of its own."""
    import httpcore2

    return (
        httpcore2.NetworkError,
        httpcore2.ProtocolError,
        httpcore2.ProxyError,
        httpcore2.TimeoutException,
        httpcore2.UnsupportedProtocol,
    )


def _failure(request: ModelRequest, error: Exception) -> ProviderError:
    import httpcore2

    where = request.provider.base_url
    if isinstance(error, httpcore2.ConnectTimeout):
        return broken(request, f"no connection to {where} within {CONNECT_S:.0f} s")
    if isinstance(error, httpcore2.ConnectError | httpcore2.ProxyError):
        return broken(request, f"no connection to {where}: {_why(error)}")
    return broken(request, f"the connection broke: {error or type(error).__name__}")


def _why(error: Exception) -> str:
    """Why a connection was not made: refused ones without the address that was tried."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ConnectionError):
        cause = cause.__cause__ or cause.__context__
    number = getattr(cause, "errno", None)
    return os.strerror(number) if number and number > 0 else str(error)


async def _read(response: httpcore2.Response, answer: Answer) -> None:
    headers = {k.lower(): v for k, v in response.headers}
    chunks = _chunks(response, headers)
    try:
        if not 200 <= response.status < 300:  # noqa: PLR2004
            raise await _refusal(answer.request, response.status, headers, chunks)
        await answer.read(chunks, headers.get(b"content-type", b"").decode("latin-1"))
    finally:
        await chunks.aclose()


def _chunks(
    response: httpcore2.Response, headers: Mapping[bytes, bytes]
) -> AsyncGenerator[bytes, None]:
    """The body's chunks."""
    if headers.get(b"content-encoding", b"identity") != b"identity":
        return _unpacked(response)
    return cast("AsyncGenerator[bytes, None]", aiter(cast("AsyncIterable[bytes]", response.stream)))


async def _unpacked(response: httpcore2.Response) -> AsyncGenerator[bytes, None]:
    """The chunks of a body that the upstream has compressed unasked."""
    import httpcore2
    import httpx2

    stream = cast("AsyncIterable[bytes]", response.stream)
    packed = httpx2.Response(response.status, headers=response.headers, content=stream)
    try:
        async for chunk in packed.aiter_bytes():
            yield chunk
    except httpx2.DecodingError as error:
        raise httpcore2.RemoteProtocolError(str(error)) from error


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
