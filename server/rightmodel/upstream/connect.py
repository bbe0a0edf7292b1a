"""Connections to upstreams: where they lead, how they are opened, and why they could not be."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import threading
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, ParamSpec, Protocol, TypeVar
from urllib.parse import urlsplit

from rightmodel.manifest.base_url import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rightmodel.upstream.live import Watch

P = ParamSpec("P")
T = TypeVar("T")

CONNECT_S: Final = 10.0
CLOSED: Final = "the connection was closed"
_CERTIFICATES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_PROXIES: Final = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
NEXT_ADDRESS_S: Final = 0.3
"""How long one of several addresses of a host is alone before the next is tried, too."""


class NoConnectionError(Exception):
    """No connection was made. The message follows "no connection to" and where."""


class BrokenError(Exception):
    """A connection broke, or what came over it was no HTTP."""


class UnansweredError(BrokenError):
    """A connection ended before anything of a response came."""


class Origin(NamedTuple):
    """What connects to one server. `proxy`: "" for none."""

    secure: bool
    host: str
    port: int
    proxy: str

    @property
    def via(self) -> str:
        """For messages: the proxy between, without its password; "" where there is none."""
        return f" through the proxy {_public(self.proxy)}" if self.proxy else ""


class Target(NamedTuple):
    """Where the requests of a URL go. `path`: with the query. `host`: the header."""

    origin: Origin
    url: str
    path: bytes
    host: bytes


class Request(NamedTuple):
    """A POST. `headers`: beside `host` and `content-length`."""

    target: Target
    headers: Mapping[str, str]
    content: bytes


class Response(Protocol):
    """A response whose head has arrived."""

    @property
    def status(self) -> int:
        """Of HTTP."""
        ...

    @property
    def headers(self) -> Mapping[bytes, bytes]:
        """By name in lower case."""
        ...

    @property
    def is_complete(self) -> bool:
        """Whether all of its body has arrived."""
        ...

    async def body(self) -> bytes:
        """What has come of the body, b"" at its end. Raises `BrokenError`."""
        ...


class Connection(Protocol):
    """For one request at a time; it connects with the first.

    `used`: a request was sent over it before. `idle_since`: monotonic seconds.
    """

    used: bool
    idle_since: float

    async def send(self, request: Request, watch: Watch | None) -> Response:
        """Send a request; its response once the head is there.

        Raises `NoConnectionError`, `UnansweredError`, `BrokenError`.
        """
        ...

    def is_idle(self) -> bool:
        """Whether its response has ended and was read, so that it can take another request."""
        ...

    async def close(self) -> None:
        """Close it at once."""
        ...


def target_of(url: str) -> Target:
    """Raises `ValueError` for a URL that no request can have."""
    parsed = urlsplit(url.encode("ascii"))
    host, scheme, port = parsed.hostname or b"", parsed.scheme.decode(), parsed.port
    secure = scheme == "https"
    proxy = _proxy(url, scheme, host.decode())
    origin = Origin(secure, host.decode(), port or (443 if secure else 80), proxy)
    path = (parsed.path or b"/") + (b"?" + parsed.query if parsed.query else b"")
    name = b"[%b]" % host if b":" in host else host
    return Target(origin, url, path, name if port is None else b"%b:%d" % (name, port))


def _proxy(url: str, scheme: str, host: str) -> str:
    """The proxy that the environment names; never one for loopback."""
    from urllib.request import getproxies, proxy_bypass

    if is_loopback(url) or not (proxies := getproxies()) or proxy_bypass(host):
        return ""
    proxy = proxies.get(scheme) or proxies.get("all") or ""
    return proxy if "://" in proxy or not proxy else f"http://{proxy}"


def _public(proxy: str) -> str:
    return proxy.rpartition("@")[2]


def tls_context() -> ssl.SSLContext:
    """For all upstreams; loading the CA certificates takes 20 ms."""
    import httpcore2

    context = httpcore2.default_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def why_no_connection(url: str, error: Exception) -> str:
    """Why no connection could be opened, with the variables that may be the cause."""
    names = _CERTIFICATES if isinstance(error, OSError) else _PROXIES
    found = [(name, os.environ.get(name)) for name in names]
    hint = "".join(f" ({name} is {_public(value)})" for name, value in found if value)
    return f"cannot reach {url}: {type(error).__name__}: {error}{hint}"


async def connect(
    origin: Origin, context: ssl.SSLContext | None, made: Callable[[], asyncio.Protocol]
) -> None:
    """Connect the protocol that `made` gives. Raises `NoConnectionError`."""
    with _connecting():
        async with asyncio.timeout(CONNECT_S):
            plain = await _connected(origin.host, origin.port)
            try:
                await asyncio.get_running_loop().create_connection(
                    made, sock=plain, ssl=context, server_hostname=origin.host if context else None
                )
            except BaseException:
                plain.close()
                raise


@contextmanager
def _connecting() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise NoConnectionError(f" within {CONNECT_S:.0f} s") from error
    except OSError as error:  # ssl's errors, and those of resolving a name, are among them
        why, code = str(error) or CLOSED, error.errno
        has_own_codes = isinstance(error, ssl.SSLError | socket.gaierror)
        if code and code in errno.errorcode and not has_own_codes:
            why = os.strerror(code)  # without the address: messages name the base_url
        raise NoConnectionError(f": {why}") from error


async def _connected(host: str, port: int) -> socket.socket:
    """A connected socket, to the first address of the host that answers. Raises `OSError`.

    As in RFC 8305, the next address is tried beside those before it, and at once after an error.
    """
    try:
        found = look_up(host, port, socket.AI_NUMERICHOST)
    except socket.gaierror:  # a name
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(_RESOLVER, look_up, host, port)
    left, tries, error = found[::-1], set[asyncio.Task[socket.socket]](), OSError("no address")
    try:
        while left or tries:
            if left:
                tries.add(asyncio.create_task(_open(*left.pop())))
            done, _ = await asyncio.wait(
                tries, timeout=NEXT_ADDRESS_S if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            for one in done:
                tries.discard(one)
                try:
                    return one.result()
                except OSError as failed:
                    error = failed
    finally:
        for one in tries:
            one.add_done_callback(_close)
            one.cancel()
    raise error


async def _open(family: int, kind: int, protocol: int, _: str, address: Any) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        made.setblocking(False)  # noqa: FBT003 - socket's
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(made, address)
    except BaseException:
        made.close()
        raise
    return made


def _close(late: asyncio.Task[socket.socket]) -> None:
    """One that connected after another."""
    if not late.cancelled() and late.exception() is None:
        late.result().close()


def look_up(host: str, port: int, flags: int = 0) -> list[Any]:
    """The addresses of a host, as `getaddrinfo` gives them. Blocks, and raises `OSError`."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)


class _Resolver(Executor):
    """A thread for each name: a resolver may hang for half a minute.

    The event loop's own threads are few, others need them, and no program ends before they do.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call it; what it returns or raises is the future's."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()

        def work() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - the future's owner is told
                future.set_exception(error)

        threading.Thread(target=work, name="resolver", daemon=True).start()
        return future


_RESOLVER: Final = _Resolver()
