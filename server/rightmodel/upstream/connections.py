"""Connections to providers: one `httpx2` transport each, kept in a stack per origin.

httpx2's own pool looks at every connection whenever a request starts or ends, so that a call among
1,000 costs five times the CPU of a call among 16. A transport limited to one connection has nothing
to look through; taking one and giving it back are a pop and a push.

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
"""How long an idle connection is kept. The big providers' edges keep theirs longer."""

MOST_IDLE: Final = 128
"""Idle connections kept per origin; what a burst leaves beyond that is closed."""

MOST_URLS: Final = 1024


class Target(NamedTuple):
    """A parsed URL and where it leads."""

    url: httpx2.URL
    origin: str
    proxy: str


class Line:
    """A transport with its one connection. `used`: a request went over it before."""

    __slots__ = ("idle_since", "transport", "used")

    def __init__(self, transport: httpx2.AsyncHTTPTransport) -> None:
        self.transport = transport
        self.used = False
        self.idle_since = 0.0


class Connections:
    """Hands out a connection for one request at a time; opens one where none is idle."""

    def __init__(self) -> None:
        self._targets: dict[str, Target] = {}
        self._idle: dict[str, deque[Line]] = {}
        self._busy: set[Line] = set()
        self._secure: ssl.SSLContext | None = None
        self._plain: ssl.SSLContext | None = None

    def target(self, url: str) -> Target:
        """The URL taken apart, once."""
        found = self._targets.get(url)
        if found is None:
            if len(self._targets) >= MOST_URLS:
                self._targets.clear()
            found = self._targets[url] = _target(url)
        return found

    def take(self, target: Target) -> Line:
        """The connection that was used last, or a new one."""
        idle = self._idle.get(target.origin)
        line = idle.pop() if idle else Line(self._transport(target))
        self._busy.add(line)
        return line

    async def reopen(self, target: Target, line: Line) -> None:
        """A new connection in place of a dead one."""
        await line.transport.aclose()
        line.transport, line.used = self._transport(target), False

    def _transport(self, target: Target) -> httpx2.AsyncHTTPTransport:
        """The connection is made when the first request goes over it."""
        limits = httpx2.Limits(
            max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEP_S
        )
        context = self._context(secure=target.url.scheme == "https" or bool(target.proxy))
        return httpx2.AsyncHTTPTransport(verify=context, limits=limits, proxy=target.proxy or None)

    async def give_back(self, target: Target, line: Line) -> None:
        """It is free again. The one that has been idle longest is closed when its time is up."""
        self._busy.discard(line)
        idle = self._idle.get(target.origin)
        if idle is None:
            idle = self._idle[target.origin] = deque()
        now = time.monotonic()
        line.used, line.idle_since = True, now
        idle.append(line)
        if len(idle) > MOST_IDLE or now - idle[0].idle_since > KEEP_S:
            await idle.popleft().transport.aclose()

    async def drop(self, line: Line) -> None:
        """It broke, or its request was given up."""
        self._busy.discard(line)
        await line.transport.aclose()

    async def close(self) -> None:
        """End every connection, idle or not."""
        lines = [line for idle in self._idle.values() for line in idle] + [*self._busy]
        self._idle.clear()
        self._busy.clear()
        for line in lines:
            await line.transport.aclose()

    def _context(self, *, secure: bool) -> ssl.SSLContext:
        """Loading the CA certificates takes 20 ms and more: done once, when first needed."""
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
    """The proxy that the environment asks for. Loopback is never sent through one."""
    if is_loopback(url) or not (proxies := getproxies()) or proxy_bypass(host):
        return ""
    return proxies.get(scheme) or proxies.get("all") or ""
