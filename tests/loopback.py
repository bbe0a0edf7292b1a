"""A small provider on loopback that answers each request with the next scripted response."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import trustme

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass
class Loopback:
    """`responses`: (status, content type, body) by model; the last one of a model goes on."""

    responses: dict[str, list[tuple[int, str, bytes]]]
    port: int = 0
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(
                int(line.split(":")[1])
                for line in head.split("\r\n")
                if line.lower().startswith("content-length")
            )
            body = json.loads(await reader.readexactly(length))
            self.paths.append(head.split(" ")[1])
            self.bodies.append(body)
            queue = self.responses[body.get("model", "")]
            status, kind, content = queue.pop(0) if len(queue) > 1 else queue[0]
            writer.write(
                f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\n"
                f"content-length: {len(content)}\r\nconnection: close\r\n\r\n".encode()
                + content
            )
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def loopback(responses: dict[str, list[tuple[int, str, bytes]]]) -> AsyncIterator[Loopback]:
    provider = Loopback(responses)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.port = server.sockets[0].getsockname()[1]
    async with server:
        yield provider


def sse(*events: object, done: bool = True) -> tuple[int, str, bytes]:
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    if done:
        lines.append("data: [DONE]\n\n")
    return 200, "text/event-stream", "".join(lines).encode()


def openai_answer(text: str, model: str = "m") -> tuple[int, str, bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {
            "id": "c1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": model,
            "choices": [choice],
        }

    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 40},
    }
    last = {**chunk({}), "choices": [], "usage": usage}
    return sse(chunk({"role": "assistant", "content": text}), chunk({}, "stop"), last)


def of_unknown_authority() -> ssl.SSLContext:
    """TLS for 127.0.0.1, with a certificate that no client trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


def failure(status: int, body: object) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(body).encode()
