"""Connection pool: one `httpx2` transport per connection, idle ones in a stack per origin.

httpx2's own pool looks at every connection whenever a request starts or ends, so that a call among
1,000 costs five times the CPU of a call among 16. A transport limited to one connection has nothing
to look through: acquiring and releasing it are a pop and a push.

Imported with the first request: httpx2 takes 100 ms that a server's start does not have.
"""

from __future__ import annotations

import ssl
import time
from collections import deque
from typing import Final, NamedTuple
from urllib.request import getproxies, proxy_bypass

import httpx2

from rightmodel.manifest.base_url import is_loopback

KEEP_S: Final = 60.0
"""Seconds that an idle connection is kept; the large providers keep theirs longer."""

MOST_IDLE: Final = 128
"""Idle connections kept per origin; further ones are closed."""

MOST_URLS: Final = 1024


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


class Connections:
    """Connections for one request at a time each; opened where none is idle."""

    def __init__(self) -> None:
        self._targets: dict[str, Target] = {}
        self._idle: dict[str, deque[Connection]] = {}
        self._busy: set[Connection] = set()
        self._secure: ssl.SSLContext | None = None
        self._plain: ssl.SSLContext | None = None

    def target(self, url: str) -> Target:
        """The parsed URL, cached."""
        found = self._targets.get(url)
        if found is None:
            if len(self._targets) >= MOST_URLS:
                self._targets.clear()
            found = self._targets[url] = _target(url)
        return found

    def acquire(self, target: Target) -> Connection:
        """The connection released last, or a new one."""
        idle = self._idle.get(target.origin)
        connection = idle.pop() if idle else Connection(self._transport(target))
        self._busy.add(connection)
        return connection

    async def reopen(self, target: Target, connection: Connection) -> None:
        """Replace a connection that the upstream has closed."""
        await connection.transport.aclose()
        connection.transport, connection.used = self._transport(target), False

    def _transport(self, target: Target) -> httpx2.AsyncHTTPTransport:
        """A transport; it connects with its first request."""
        limits = httpx2.Limits(
            max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEP_S
        )
        context = self._context(secure=target.url.scheme == "https" or bool(target.proxy))
        return httpx2.AsyncHTTPTransport(verify=context, limits=limits, proxy=target.proxy or None)

    async def release(self, target: Target, connection: Connection) -> None:
        """Return a connection to the pool; close the one that has been idle for too long."""
        self._busy.discard(connection)
        idle = self._idle.get(target.origin)
        if idle is None:
            idle = self._idle[target.origin] = deque()
        now = time.monotonic()
        connection.used, connection.idle_since = True, now
        idle.append(connection)
        if len(idle) > MOST_IDLE or now - idle[0].idle_since > KEEP_S:
            await idle.popleft().transport.aclose()

    async def discard(self, connection: Connection) -> None:
        """Close a connection that broke or whose request was cancelled."""
        self._busy.discard(connection)
        await connection.transport.aclose()

    async def close(self) -> None:
        """Close every connection, idle or not."""
        connections = [connection for idle in self._idle.values() for connection in idle] + [
            *self._busy
        ]
        self._idle.clear()
        self._busy.clear()
        for connection in connections:
            await connection.transport.aclose()

    def _context(self, *, secure: bool) -> ssl.SSLContext:
        """The TLS context; loading the CA certificates takes 20 ms, so it is done once."""
        if not secure:
            self._plain = self._plain or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            return self._plain
        self._secure = self._secure or httpx2.create_ssl_context()
        return self._secure


def _target(url: str) -> Target:
    parsed = httpx2.URL(url)
    origin = f"{parsed.scheme}://{parsed.netloc.decode('ascii')}"
    return Target(parsed, origin, _proxy(url, parsed.scheme, parsed.host))


def _proxy(url: str, scheme: str, host: str) -> str:
    """The proxy that the environment names; never one for loopback."""
    if is_loopback(url) or not (proxies := getproxies()) or proxy_bypass(host):
        return ""
    return proxies.get(scheme) or proxies.get("all") or ""
