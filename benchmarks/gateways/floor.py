"""The floor: a pass-through of one URL to one upstream, which does nothing else.

    python floor.py PORT UPSTREAM_PORT [fast]

Plain: starlette on uvicorn with asyncio and h11, and httpx2 as its client. `fast`: the same app on
uvloop and httptools, and aiohttp as its client.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

PASSED = ("authorization", "content-type", "x-api-key", "anthropic-version")


def _headers(request: Request) -> dict[str, str]:
    return {name: value for name in PASSED if (value := request.headers.get(name))}


def plain(base: str) -> Starlette:
    """By httpx2."""
    import httpx2

    unlimited = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    client = httpx2.AsyncClient(limits=unlimited, timeout=60)

    async def forward(request: Request) -> Response:
        sent = client.build_request(
            "POST",
            base + request.url.path,
            content=await request.body(),
            headers=_headers(request),
        )
        received = await client.send(sent, stream=True)
        media = received.headers["content-type"]
        if not media.startswith("text/event-stream"):
            body = await received.aread()
            await received.aclose()
            return Response(body, received.status_code, media_type=media)

        async def chunks() -> AsyncIterator[bytes]:
            try:
                async for chunk in received.aiter_raw():
                    yield chunk
            finally:
                await received.aclose()

        return StreamingResponse(chunks(), received.status_code, media_type=media)

    return Starlette(routes=[Route("/{path:path}", forward, methods=["POST"])])


def fast(base: str) -> Starlette:
    """By aiohttp."""
    import aiohttp

    found: list[Any] = []

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            found.append(session)
            yield

    async def forward(request: Request) -> Response:
        received = await found[0].post(
            base + request.url.path, data=await request.body(), headers=_headers(request)
        )
        media = received.headers["content-type"]
        if not media.startswith("text/event-stream"):
            return Response(await received.read(), received.status, media_type=media)

        async def chunks() -> AsyncIterator[bytes]:
            async with received:
                async for chunk in received.content.iter_any():
                    yield chunk

        return StreamingResponse(chunks(), received.status, media_type=media)

    routes = [Route("/{path:path}", forward, methods=["POST"])]
    return Starlette(routes=routes, lifespan=lifespan)


def main() -> None:
    """Serve."""
    port, upstream, *kind = sys.argv[1:]
    is_fast = kind == ["fast"]
    app = (fast if is_fast else plain)(f"http://127.0.0.1:{upstream}")
    uvicorn.run(
        app,
        port=int(port),
        loop="uvloop" if is_fast else "asyncio",
        http="httptools" if is_fast else "h11",
        log_level="warning",
        access_log=False,
        backlog=2048,
    )


if __name__ == "__main__":
    main()
