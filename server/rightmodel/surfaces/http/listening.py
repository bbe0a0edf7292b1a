"""The address to listen on, and whether it may be open to others."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Final

from rightmodel.core.errors import TaskError
from rightmodel.manifest.base_url import BaseUrl
from rightmodel.manifest.clients import LEAST_TOKEN

ACCEPTED: Final = 16
"""New connections that uvloop accepts in one turn of its loop."""
SENT_AHEAD_BYTES: Final = 131_072
"""Of a response that its client has not read yet, in the system's memory. Left to itself, Linux
takes megabytes: the upstream of a slow client would be read, and billed, so far ahead, and a client
that reads 10 kB/s would seem to read nothing for a minute."""

MCP_PATH: Final = "/mcp"


def parse_address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `[::1]:PORT` or a port alone. Raises `TaskError`."""
    host, colon, port = text.rpartition(":")
    host = (host or "127.0.0.1").strip("[]")
    if not port.isdigit() or not 0 <= int(port) <= 65535 or (colon and not host):  # noqa: PLR2004
        raise TaskError(f"--http {text}: not an address like 127.0.0.1:8765", argument="http")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether no other machine can reach the address."""
    return BaseUrl(secure=False, host=host).loopback


def check_token(host: str, token: str, *, have_clients: bool = False) -> None:
    """Any address but loopback needs a token. Raises `TaskError`.

    `have_clients`: whether a client of the manifest can log in: then `token` is not needed.
    """
    if is_loopback(host) or (have_clients and not token):
        return
    if not token:
        raise TaskError(
            f"serving on {host} needs a token: put one into an environment variable and name it "
            "with --token-env NAME, or give each client its own in [clients.NAME] of the manifest; "
            "clients send it as Authorization: Bearer TOKEN",
            argument="token-env",
        )
    if len(token) < LEAST_TOKEN:
        raise TaskError(
            f"the token has {len(token)} characters; serving on {host} needs at least "
            f"{LEAST_TOKEN}, for instance those of: openssl rand -hex 16",
            argument="token-env",
        )


def accepting(listener: socket.socket, loop: asyncio.AbstractEventLoop) -> list[socket.socket]:
    """The sockets that a loop is to accept from: all of them are the one listener.

    uvloop accepts one connection of each in a turn, asyncio as many as there are. A turn of a busy
    server takes as long as all requests that are ready: the last of 64 new clients waited 1.6 s.
    """
    more = 0 if isinstance(loop, asyncio.BaseEventLoop) else ACCEPTED - 1
    return [listener, *(listener.dup() for _ in range(more))]


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, announced on standard error. Raises `TaskError`.

    Clients may connect from now on; they are answered as soon as the server runs.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise TaskError(
            f"--http: cannot listen on {host}, port {port}: {error.strerror or error}; "
            "choose another address, or port 0 for any free one"
        ) from error
    # Accepted sockets take it over: asyncio sets it only on those of which the protocol is named.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENT_AHEAD_BYTES)
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listener.getsockname()[1]}"
    print(  # noqa: T201 - for whoever started it; standard output stays empty
        f"rightmodel: listening on {address}{MCP_PATH}\n"
        f"rightmodel: the agent's own turns at {address}/v1, the usage page at {address}/",
        file=sys.stderr,
        flush=True,
    )
    return listener
