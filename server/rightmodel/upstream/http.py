"""HTTP client of all wire formats: POST JSON, read a stream of events or one body.

Two timers only: connecting ends after 10 s, and an upstream that sent its last event has a quarter
of a second to end the response. All other deadlines belong to the caller; cancelling closes the
connection.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.upstream.answer import EmptyStreamError, broken, malformed
from rightmodel.upstream.classify import classify, classify_in_band
from rightmodel.upstream.error_body import is_refused
from rightmodel.wire.decoder import InBandError, NoResponseError
from rightmodel.wire.sse import SseDecoder

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterable,
        AsyncIterator,
        Awaitable,
        Callable,
        Mapping,
    )

    import httpx2

    from rightmodel.upstream.answer import Answer, Watch
    from rightmodel.upstream.connections import Connection, Connections, Target
    from rightmodel.wire.request import ModelRequest
    from rightmodel.wire.sse import Event

MOST_BYTES: Final = 20_000_000
"""Largest response that is read."""

MOST_ERROR_BYTES: Final = 200_000
CONNECT_S: Final = 10.0
STALE_S: Final = 2.0
"""A kept-alive connection that fails later than this after sending was not stale: the upstream had
the request, and sending it again might be billed twice."""

LINGER_S: Final = 0.25
_ODD: Final = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What decoding raises for a field of an unexpected type."""

_DONE: Final = b"[DONE]"
_EVENT_HEAD: Final = re.compile(r"\A(?:event:[^\n]*\n)?data:\s*")
"""Some servers frame an error as an event even where the status is an error's."""

_SPACE: Final = b" \t\r\n"
_BOM: Final = b"\xef\xbb\xbf"
_TIMEOUTS: Final = {"connect": CONNECT_S, "read": None, "write": None, "pool": None}
_ALWAYS: Final = {
    "accept": "text/event-stream, application/json",
    "accept-encoding": "identity",  # compression would delay single tokens
    "content-type": "application/json",
    "user-agent": "rightmodel",
}
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_decode: Final = json.JSONDecoder(parse_float=Decimal).raw_decode


class Post(NamedTuple):
    """One request, ready to be sent. `headers`: lower-case names; they carry the key."""

    request: ModelRequest
    url: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class HttpClient:
    """Sends requests of all wire formats over pooled connections."""

    def __init__(self) -> None:
        self._opened: Connections | None = None

    async def close(self) -> None:
        """Close every connection."""
        if self._opened is not None:
            await self._opened.close()

    async def ask(self, post: Post, answer: Answer) -> None:
        """Send the request and read the response to its end. Raises `ProviderError`."""
        import httpx2

        connections = self._opened or self._open()
        try:
            target = connections.target(post.url)
            connection = connections.acquire(target)
        except Exception as error:  # a proxy without its library, certificates that are not there
            raise broken(post.request, _no_connection(post, error)) from error
        whole = False
        try:
            request = _encoded(post, target, answer.watch)
            response = await _send(connections, connection, target, request)
            try:
                await _read(response, post.request, answer)
                whole = True
            finally:
                await response.aclose()
        except httpx2.HTTPError as error:
            if not answer.ended:
                raise _failure(post.request, error) from error
        finally:
            await (
                connections.release(target, connection)
                if whole
                else connections.discard(connection)
            )

    def _open(self) -> Connections:
        from rightmodel.upstream.connections import Connections

        self._opened = Connections()
        return self._opened


async def _send(
    connections: Connections, connection: Connection, target: Target, request: httpx2.Request
) -> httpx2.Response:
    """The response's head. A kept connection that the upstream has closed is replaced, once."""
    import httpx2

    began = time.monotonic()
    try:
        return await connection.transport.handle_async_request(request)
    except (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError):
        if not connection.used or time.monotonic() - began > STALE_S:
            raise
    await connections.reopen(target, connection)
    return await connection.transport.handle_async_request(request)


def _no_connection(post: Post, error: Exception) -> str:
    """Why no connection could be opened, with the variable that may be the cause."""
    hint = ""
    if isinstance(error, OSError):
        named = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)]
        hint = "".join(f" ({name} is {os.environ[name]})" for name in named)
    return f"cannot reach {post.url}: {type(error).__name__}: {error}{hint}"


def _encoded(post: Post, target: Target, watch: Watch | None) -> httpx2.Request:
    import httpx2

    provider = post.request.provider
    own = {name.lower(): value for name, value in provider.headers.items()}
    headers = {**_ALWAYS, **own, **post.headers}
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise ProviderError(
                Fault.AUTH,
                f"{provider.name}: the key or the value of header {name!r} holds characters that "
                "no header may carry: check for line breaks and quotes",
                provider=provider.name,
            )
    return httpx2.Request(
        "POST",
        target.url,
        headers=headers,
        content=_encode(post.body).encode("utf-8", "replace"),
        extensions={"timeout": _TIMEOUTS} | ({"trace": _trace_hook(watch)} if watch else {}),
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


async def _read(response: httpx2.Response, request: ModelRequest, answer: Answer) -> None:
    headers = {k.lower(): v for k, v in response.headers.raw}
    status = response.status_code
    incoming = _incoming(response, headers)
    try:
        if not 200 <= status < 300:  # noqa: PLR2004
            raise await _refusal(request, status, headers, incoming)
        reader = _Reader(request, answer, headers.get(b"content-type", b"").decode("latin-1"))
        size = 0
        while (chunk := await anext(incoming, None)) is not None:
            size += len(chunk)
            if size > MOST_BYTES:
                raise malformed(request, f"the answer exceeds {MOST_BYTES} bytes")
            reader.take(chunk)
            if answer.decoder.done:
                await _linger(incoming)
                break
        reader.close()
    finally:
        await incoming.aclose()


def _incoming(
    response: httpx2.Response, headers: Mapping[bytes, bytes]
) -> AsyncGenerator[bytes, None]:
    """The body's chunks. `aiter_bytes` costs four calls per chunk where nothing is compressed."""
    if headers.get(b"content-encoding", b"identity") != b"identity":
        return response.aiter_bytes()
    return cast("AsyncGenerator[bytes, None]", aiter(cast("AsyncIterable[bytes]", response.stream)))


async def _linger(incoming: AsyncIterator[bytes]) -> None:
    """Wait shortly for the response's end, so that its connection can be reused."""
    size = 0
    try:
        async with asyncio.timeout(LINGER_S):
            async for chunk in incoming:
                size += len(chunk)
                if size > MOST_BYTES:
                    return
    except TimeoutError:
        pass


class _Reader:
    """Bytes of a successful response → events or one body, distinguished by how they start.

    `take`: call it with the next bytes from the wire. This is the path that every chunk of every
    answer goes: what looks like it wants to be a function of its own was one, and cost as much as
    the parsing.
    """

    __slots__ = ("_answer", "_decoder", "_head", "_kind", "_pieces", "_request", "take")

    def __init__(self, request: ModelRequest, answer: Answer, kind: str) -> None:
        self._request = request
        self._answer = answer
        self._kind = kind
        self._head = b""
        self._pieces: list[bytes] = []
        self._decoder = SseDecoder()
        self.take: Callable[[bytes], None] = self._start

    def close(self) -> None:
        """The response has ended. Raises `ProviderError` where it is incomplete."""
        answer, request = self._answer, self._request
        if self.take == self._stream:
            self._events(self._decoder.close(), cut=True)
            if not answer.ended:
                raise answer.unfinished()
        elif self.take == self._start and "event-stream" in self._kind:
            name = request.provider.name
            what = f"{name}: the stream ended before it began"
            raise EmptyStreamError(Fault.CONNECTION, what, provider=name)
        else:
            value = self._value(self._head + b"".join(self._pieces))
            for part in value if isinstance(value, list) else [value]:
                if part.get("error") or part.get("object") == "error" or is_refused(part):
                    raise classify_in_band(request, part)
                try:
                    answer.body(part)
                except InBandError as error:
                    raise classify_in_band(request, error.body) from None
                except NoResponseError as error:
                    raise malformed(request, str(error)) from None
                except _ODD as error:
                    raise malformed(request, f"an odd answer: {part}") from error
            answer.report()
            if not answer.ended:
                raise malformed(request, f"no answer in the body: {_start_of(self._pieces)}")

    def _start(self, chunk: bytes) -> None:
        head = (self._head + chunk).lstrip(_SPACE)
        if _BOM.startswith(head):
            self._head = head
            return
        first = head = head.removeprefix(_BOM).lstrip(_SPACE)
        self._head = b""
        if not head:
            return
        if "text/html" in self._kind or head.startswith(b"<"):
            raise malformed(
                self._request, f"{self._kind or 'no content type'}, not an API's answer"
            )
        if head[:1] in b"{[":
            self.take = self._pieces.append
        elif "event-stream" in self._kind or head[:1] in b":deir":
            self.take = self._stream
        else:
            raise malformed(
                self._request,
                f"not JSON ({self._kind or 'no content type'}): {_start_of([head])}",
            )
        self.take(first)

    def _stream(self, chunk: bytes) -> None:
        self._events(self._decoder.feed(chunk))
        self._answer.report()

    def _events(self, events: list[Event], *, cut: bool = False) -> None:
        answer = self._answer
        for name, data in events:
            if data == _DONE:
                answer.decoder.done = True
                continue
            try:
                value = self._value(data)
            except ProviderError as error:
                if not cut:
                    raise
                raise broken(self._request, "the stream was cut inside an event") from error
            if (
                name == b"error"
                or value.get("error")
                or value.get("object") == "error"
                or ("base_resp" in value and is_refused(value))
            ):
                raise classify_in_band(self._request, value)
            try:
                answer.event(value)
            except InBandError as error:
                raise classify_in_band(self._request, error.body) from None
            except _ODD as error:
                raise malformed(self._request, f"an odd event: {_start_of([data])}") from error

    def _value(self, data: bytes) -> Any:
        text = data.decode("utf-8-sig", "replace").strip()
        try:
            value, end = _decode(text)
        except (ValueError, RecursionError, ArithmeticError) as error:
            what = f"not JSON ({self._kind or 'no content type'}): {_start_of([data])}"
            raise malformed(self._request, what) from error
        if end != len(text) or not isinstance(value, dict):
            if end == len(text) and _is_list(value) and self.take != self._stream:
                return value
            raise malformed(self._request, f"not a JSON object: {_start_of([data])}")
        return value


def _is_list(value: object) -> bool:
    """Whether it is the list of objects that Gemini sends without SSE."""
    return isinstance(value, list) and all(isinstance(part, dict) for part in value)


def _start_of(pieces: list[bytes]) -> str:
    """For a message, which is cut after the key is masked: half a key would stay readable."""
    return b"".join(pieces).decode(errors="replace")


async def _refusal(
    request: ModelRequest, status: int, headers: Mapping[bytes, bytes], chunks: AsyncIterator[bytes]
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
