from __future__ import annotations

import asyncio
import socket

import pytest

from rightmodel.core.errors import TaskError
from rightmodel.surfaces.http.listening import (
    SENT_AHEAD_BYTES,
    accepting,
    check_token,
    listen,
    parse_address,
)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_needs_no_token(host: str) -> None:
    check_token(host, "")
    check_token(host, "short")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "127.0.0.1.evil.example", "a.b"])
def test_any_other_address_needs_a_token_that_cannot_be_guessed(host: str) -> None:
    with pytest.raises(TaskError, match="needs a token"):
        check_token(host, "")
    with pytest.raises(TaskError, match="at least 16"):
        check_token(host, "t" * 15)
    check_token(host, "t" * 16)


def test_little_is_sent_ahead_of_a_client_that_reads_slowly() -> None:
    with listen("127.0.0.1", 0) as listener:
        ahead = listener.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    assert ahead <= 2 * SENT_AHEAD_BYTES  # Linux doubles it


def test_a_busy_server_accepts_many_connections_in_one_turn_of_its_loop() -> None:
    uvloop = pytest.importorskip("uvloop")
    made: list[asyncio.BaseTransport] = []
    everybody = asyncio.Event()

    class Accepted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.append(transport)
            if len(made) == len(clients):
                everybody.set()

    async def accepted(listener: socket.socket) -> int:
        """How many in the few turns that listening, accepting and `connection_made` take."""
        loop = asyncio.get_running_loop()
        servers = [
            await loop.create_server(Accepted, sock=each) for each in accepting(listener, loop)
        ]
        for _ in range(6):
            await asyncio.sleep(0)
        soon = len(made)
        await everybody.wait()
        for server in servers:
            server.close()
        for transport in made:
            transport.close()
        return soon

    with listen("127.0.0.1", 0) as listener:
        clients = [socket.create_connection(listener.getsockname()) for _ in range(32)]
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            assert runner.run(accepted(listener)) >= 16
        for client in clients:
            client.close()


def test_an_address_is_a_host_and_a_port() -> None:
    assert parse_address("8765") == ("127.0.0.1", 8765)
    assert parse_address("[::1]:1") == ("::1", 1)
    for wrong in ("host:", "host:x", "host:70000", ""):
        with pytest.raises(TaskError, match="not an address"):
            parse_address(wrong)
