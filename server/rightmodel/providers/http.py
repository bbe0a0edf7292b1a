"""The way over the wire that all protocols share: POST JSON, read a stream of events or one body.

No timers: whoever awaits an answer decides how long, and cancelling closes the socket.
"""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from rightmodel.errors import Fault, ProviderError
from rightmodel.providers.classify import classify, masked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    import httpx2

    from rightmodel.providers.base import ModelRequest

MOST_BYTES: Final = 20_000_000
CONNECT_S: Final = 10.0


class HttpClient:
    """One connection pool for all providers, made when the first request is sent."""

    def __init__(self) -> None:
        self._client: httpx2.AsyncClient | None = None

    async def close(self) -> None:
        """End every connection."""
        if self._client is not None:
            await self._client.aclose()

    @asynccontextmanager
    async def post(
        self, request: ModelRequest, url: str, headers: Mapping[str, str], body: Mapping[str, Any]
    ) -> AsyncIterator[Body]:
        """Send the request; yields the body of a 200. Raises `ProviderError` for all else."""
        import httpx2

        client = self._client or self._open()
        sent = {"content-type": "application/json", **request.provider.headers, **headers}
        content = json.dumps(body, ensure_ascii=False).encode()
        try:
            async with client.stream("POST", url, headers=sent, content=content) as response:
                if response.status_code != 200:  # noqa: PLR2004
                    raise await _refusal(request, response)
                yield Body(request, response)
        except httpx2.ConnectError as error:
            raise _broken(
                request, f"no connection to {request.provider.base_url}: {error}"
            ) from error
        except httpx2.TimeoutException as error:
            raise _broken(request, f"no connection within {CONNECT_S:.0f} s") from error
        except httpx2.HTTPError as error:
            raise _broken(
                request, f"the connection broke: {type(error).__name__} {error}"
            ) from error

    def _open(self) -> httpx2.AsyncClient:
        import httpx2

        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(None, connect=CONNECT_S),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=64),
            follow_redirects=False,
        )
        return self._client


class Body:
    """The body of a successful response: events of a stream, or one JSON value."""

    def __init__(self, request: ModelRequest, response: httpx2.Response) -> None:
        self._request = request
        self._response = response

    @property
    def is_stream(self) -> bool:
        """Whether the upstream answers with server-sent events."""
        return "text/event-stream" in self._response.headers.get("content-type", "")

    async def json(self) -> dict[str, Any]:
        """The one JSON object that the body is. Raises `ProviderError` when it is none."""
        data = bytearray()
        async for chunk in self._response.aiter_bytes():
            data += chunk
            if len(data) > MOST_BYTES:
                raise self._malformed(f"the answer exceeds {MOST_BYTES} bytes")
        return self._object(bytes(data))

    async def events(self) -> AsyncIterator[dict[str, Any]]:
        """The JSON of every event; comments are passed over, `[DONE]` comes as `{}`."""
        pending, size = b"", 0
        async for chunk in self._response.aiter_bytes():
            size += len(chunk)
            if size > MOST_BYTES:
                raise self._malformed(f"the answer exceeds {MOST_BYTES} bytes")
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                if line.startswith(b"data:"):
                    data = line[5:].strip()
                    yield {} if data == b"[DONE]" else self._object(data)
        if pending.startswith(b"data:") and pending[5:].strip() == b"[DONE]":
            yield {}

    def _object(self, data: bytes) -> dict[str, Any]:
        try:
            value = json.loads(data, parse_float=Decimal)
        except ValueError as error:
            kind = self._response.headers.get("content-type", "no content type")
            start = masked(data[:200].decode(errors="replace"), self._request.key)
            raise self._malformed(f"not JSON ({kind}): {start}") from error
        if not isinstance(value, dict):
            raise self._malformed("not a JSON object")
        if value.get("error"):
            raise classify(self._request, _status_in(value), value, {})
        return value

    def _malformed(self, message: str) -> ProviderError:
        name = self._request.provider.name
        return ProviderError(Fault.MALFORMED, f"{name}: {message}", provider=name)


def cut(request: ModelRequest) -> ProviderError:
    """The error for a stream that ended without its proper end."""
    return _broken(request, "the stream ended before the answer was complete")


def _status_in(body: Mapping[str, Any]) -> int:
    """The status that an error object inside a 200 names, 200 where it names none."""
    error = body["error"]
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) else 200


def _broken(request: ModelRequest, message: str) -> ProviderError:
    return ProviderError(
        Fault.CONNECTION, masked(message, request.key), provider=request.provider.name
    )


async def _refusal(request: ModelRequest, response: httpx2.Response) -> ProviderError:
    if response.is_redirect:
        target = response.headers.get("location", "")
        return _broken(request, f"refused a redirect to {target[:200]}; correct base_url")
    data = bytearray()
    async for chunk in response.aiter_bytes():
        data += chunk
        if len(data) > 100_000:  # noqa: PLR2004 - an error needs no more
            break
    try:
        body: Any = json.loads(bytes(data))
    except ValueError:
        body = bytes(data[:500]).decode(errors="replace")
    return classify(request, response.status_code, body, response.headers)
