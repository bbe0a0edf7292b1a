"""Spans of a real OpenTelemetry SDK, exported over OTLP to a receiver on loopback."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx2
import pytest

from e2e import install
from e2e.processes import background, free_port
from e2e.setup import two_models
from rightmodel.simulator import fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.e2e

WITHIN_S: Final = 50
TRACE: Final = "0af7651916cd43dd8448eb211c80319c"
PARENT: Final = "b7ad6b7169203331"
DECODE: Final = """
import sys
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
found = ExportTraceServiceRequest()
found.ParseFromString(sys.stdin.buffer.read())
print(MessageToJson(found))
"""


class Receiver:
    """Takes what is exported; `bodies`: of every request."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.came = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length:")[2].split("\r\n")[0])
                self.bodies.append(await reader.readexactly(length))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
                self.came.set()
        writer.close()


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[tuple[Receiver, int]]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    async with server:
        yield receiver, server.sockets[0].getsockname()[1]


def decoded(body: bytes) -> list[dict[str, Any]]:
    done = subprocess.run(
        [install.server_python("telemetry"), "-c", DECODE],
        input=body,
        capture_output=True,
        check=True,
    )
    resources = json.loads(done.stdout)["resourceSpans"]
    return [span for r in resources for scope in r["scopeSpans"] for span in scope["spans"]]


def test_a_turn_is_a_span_of_its_callers_trace_and_each_attempt_its_child(tmp_path: Path) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": "a very private prompt"}]}
    site = next(Path(install.CACHE, "telemetry", "lib").glob("python3*/site-packages"))

    async def run() -> list[bytes]:
        async with receiving() as (receiver, otlp), two_models(tmp_path) as setup:
            setup.provider.script("first", [fault.overloaded()])
            port = free_port()
            env = setup.env | {
                "PYTHONPATH": str(site),
                "OTEL_TRACES_EXPORTER": "otlp",
                "OTEL_METRICS_EXPORTER": "none",
                "OTEL_LOGS_EXPORTER": "none",
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{otlp}",
                "OTEL_BSP_SCHEDULE_DELAY": "200",
                "PATH": str(Path(sys.executable).parent),
            }
            script = install.CACHE / "telemetry" / "bin" / "opentelemetry-instrument"
            serve = [*setup.serve, "--http", f"127.0.0.1:{port}"]
            command = [sys.executable, str(script), *serve]
            async with (
                background(command, env=env, cwd=tmp_path, port=port),
                httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=WITHIN_S) as client,
            ):
                headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
                answer = await client.post("/v1/chat/completions", json=body, headers=headers)
                assert answer.status_code == 200, answer.text
                async with asyncio.timeout(WITHIN_S):
                    await receiver.came.wait()
            return receiver.bodies

    bodies = asyncio.run(run())
    assert not any(b"private prompt" in body for body in bodies)
    spans = [span for body in bodies for span in decoded(body)]
    [call] = [s for s in spans if s["name"] == "rightmodel.complete"]
    attempts = [s for s in spans if s["name"].startswith("chat ")]
    assert {s["parentSpanId"] for s in attempts} == {call["spanId"]}
    assert len({s["traceId"] for s in spans}) == 1
    attributes = [
        {a["key"]: next(iter(a["value"].values())) for a in s["attributes"]} for s in attempts
    ]
    assert [a["gen_ai.operation.name"] for a in attributes] == ["chat", "chat"]
    assert [a.get("error.type") for a in attributes] == ["overloaded", None]
    assert int(attributes[1]["gen_ai.usage.output_tokens"]) > 0
    assert base64.b64decode(call["traceId"]).hex() == TRACE
    assert base64.b64decode(call["parentSpanId"]).hex() == PARENT
