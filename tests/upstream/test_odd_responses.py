"""What upstreams send that is odd, and what becomes of the connection after it."""

from __future__ import annotations

import pytest

from rightmodel.core.fault import Fault
from upstream.raw import BODY, JSON, WHOLE, ask, chunked, refused, serving

REFUSED = b'HTTP/1.1 429 Slow\r\n%bcontent-length: 20\r\n\r\n{"error":"too many"}' % JSON


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", Fault.MALFORMED),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 70\r\n\r\n", Fault.CONNECTION),
        (b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", Fault.CONNECTION),
        (WHOLE.replace(JSON, JSON + b"transfer-encoding: chunked\r\n"), Fault.CONNECTION),
        (WHOLE.replace(JSON, JSON + b"content-length: 3\r\n"), Fault.CONNECTION),
        (WHOLE.replace(b"content-length: ", b"content-length: -"), Fault.CONNECTION),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000, Fault.CONNECTION),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000, Fault.CONNECTION),
        (WHOLE.replace(b"\r\n\r\n", b"\r\nx-folded: a\r\n b\r\n\r\n"), Fault.CONNECTION),
        (b"HTTP/9.9 200 OK\r\n\r\n", Fault.CONNECTION),
    ],
    ids=[
        "204", "304", "101", "length and chunks", "two lengths", "negative length",
        "informational without end", "header without end", "folded header", "version",
    ],
)  # fmt: skip
async def test_odd_responses_are_faults_and_end_at_once(script: bytes, fault: Fault) -> None:
    async with serving(script) as (server, client):
        assert (await refused(server, client)).fault is fault


async def test_a_switch_to_another_protocol_is_named_and_no_error_of_the_program(
    caplog: pytest.LogCaptureFixture,
) -> None:
    script = b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"
    async with serving(script) as (server, client):
        assert "switched to another protocol" in str(await refused(server, client))
    assert caplog.records == []


@pytest.mark.parametrize(
    "script",
    [
        b"HTTP/1.1 200\r\n" + WHOLE.split(b"\r\n", 1)[1],
        WHOLE.replace(JSON, b"CONTENT-TYPE:application/json;charset=UTF-8\r\n"),
        WHOLE + b"\r\n",
        chunked(*(BODY[n : n + 1] for n in range(len(BODY)))),
    ],
    ids=["no reason", "capitals", "line break after", "bytes in chunks"],
)
async def test_what_is_unusual_and_in_order_is_read(script: bytes) -> None:
    async with serving(script, WHOLE) as (server, client):
        assert [(await ask(server, client)).text for _ in range(2)] == ["ok", "ok"]


async def test_a_body_in_another_transfer_encoding_lasts_to_the_end_of_the_connection() -> None:
    script = b"HTTP/1.1 200 OK\r\n%btransfer-encoding: identity\r\n\r\n%b" % (JSON, BODY)
    async with serving(script, closes=True) as (server, client):
        assert (await ask(server, client)).text == "ok"


async def test_a_refusal_that_was_read_to_its_end_leaves_the_connection_for_the_next_request() -> (
    None
):
    async with serving(REFUSED, WHOLE) as (server, client):
        assert (await refused(server, client)).status == 429
        assert (await ask(server, client)).text == "ok"
        assert server.connections == 1


async def test_a_refusal_that_is_too_long_to_be_read_closes_the_connection() -> None:
    long = b"HTTP/1.1 500 Oh\r\ncontent-length: 900000\r\n\r\n" + b"x" * 900_000
    async with serving(long, WHOLE) as (server, client):
        assert (await refused(server, client)).status == 500
        assert (await ask(server, client)).text == "ok"
        assert server.connections == 2
