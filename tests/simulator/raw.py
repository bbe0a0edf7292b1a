"""Bare sockets, to see what is really sent."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rightmodel.core.task import WireFormat
from rightmodel.simulator import Behaviour, SimulatedProvider
from rightmodel.simulator.dialects import DIALECTS

if TYPE_CHECKING:
    from rightmodel.simulator import SimulatedFault

SCHEMA = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}


def path_of(protocol: str, *, stream: bool = False) -> str:
    if protocol == WireFormat.GEMINI:
        action = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/v1beta/models/m:{action}"
    paths: dict[str, str] = {
        WireFormat.OPENAI_CHAT: "/v1/chat/completions",
        WireFormat.OPENAI_RESPONSES: "/v1/responses",
        WireFormat.ANTHROPIC_MESSAGES: "/v1/messages",
    }
    return paths[protocol]


def body_of(protocol: str, prompt: str = "hi", *, stream: bool = False, **more: Any) -> Any:
    if protocol == WireFormat.GEMINI:
        return {"contents": [{"role": "user", "parts": [{"text": prompt}]}], **more}
    if protocol == WireFormat.OPENAI_RESPONSES:
        return {"model": "m", "input": prompt, "stream": stream, **more}
    common = {"model": "m", "max_tokens": 100, "stream": stream}
    return {**common, "messages": [{"role": "user", "content": prompt}], **more}


@dataclass
class Response:
    """A response as it came. `cut`: the connection ended before the body did."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    chunks: list[bytes] = field(default_factory=list)
    cut: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        blocks = self.body.decode().replace("\r\n", "\n").split("\n\n")
        data = [line[6:] for b in blocks for line in b.split("\n") if line.startswith("data: ")]
        return [json.loads(d) if d.startswith("{") else d for d in data]


class Client:
    """One connection, kept alive."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, provider: SimulatedProvider) -> Client:
        return cls(*await asyncio.open_connection("127.0.0.1", provider.port))

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def send(
        self, path: str, body: Any, headers: dict[str, str] | None = None, method: str = "POST"
    ) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"host": "x", "anthropic-version": "2023-06-01", **(headers or {})}
        lines = "".join(f"{k}: {v}\r\n" for k, v in named.items())
        head = f"{method} {path} HTTP/1.1\r\n{lines}content-length: {len(raw)}\r\n\r\n"
        self.writer.write(head.encode() + raw)
        await self.writer.drain()

    async def head(self) -> Response:
        text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = text.strip().split("\r\n")
        pairs = (line.partition(": ") for line in lines)
        return Response(int(first.split(" ")[1]), {k.lower(): v for k, _, v in pairs})

    async def read(self) -> Response:
        answer_with = await self.head()
        try:
            if answer_with.headers.get("transfer-encoding") == "chunked":
                while size := int(await self.reader.readuntil(b"\r\n"), 16):
                    answer_with.chunks.append(await self.reader.readexactly(size))
                    await self.reader.readexactly(2)
                await self.reader.readexactly(2)
                answer_with.body = b"".join(answer_with.chunks)
            else:
                answer_with.body = await self.reader.readexactly(
                    int(answer_with.headers["content-length"])
                )
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            answer_with.cut = True
            partial = getattr(error, "partial", b"")
            answer_with.body = b"".join(answer_with.chunks) + partial
        return answer_with


async def ask(
    provider: SimulatedProvider,
    prompt: str = "hi",
    *,
    stream: bool = False,
    key: str = "",
    **more: Any,
) -> Response:
    """One request on a connection of its own."""
    protocol = provider.protocol
    client = await Client.to(provider)
    names = {WireFormat.GEMINI: "x-goog-api-key", WireFormat.ANTHROPIC_MESSAGES: "x-api-key"}
    header = {names.get(protocol, "authorization"): key if protocol in names else f"Bearer {key}"}
    try:
        body = body_of(protocol, prompt, stream=stream, **more)
        await client.send(path_of(protocol, stream=stream), body, header if key else None)
        return await client.read()
    finally:
        await client.close()


def answer_with(
    dialect: str,
    broken: SimulatedFault,
    prompt: str = "hi",
    *,
    stream: bool = False,
    behaviour: Behaviour | None = None,
    **more: Any,
) -> Response:
    async def run() -> Response:
        models = {"m": behaviour or Behaviour(chunk_tokens=1)}
        protocol = DIALECTS[dialect].protocol
        async with SimulatedProvider(protocol, dialect=dialect, models=models) as provider:
            provider.script("m", [broken])
            return await ask(provider, prompt, stream=stream, **more)

    return asyncio.run(run())


def with_schema(dialect: str) -> dict[str, Any]:
    if dialect == "gemini":
        return {"generationConfig": {"responseJsonSchema": SCHEMA}}
    if dialect == "anthropic":
        return {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}
    return {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}}
