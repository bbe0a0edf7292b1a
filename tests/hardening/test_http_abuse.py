"""Raw bytes at the HTTP server: each is refused, and the next client is served."""

from __future__ import annotations

import json
import re
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from hardening.bench import GUARD_S, HEAD, HELLO, Home, model, provider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "0123456789abcdef0123"
HELLO_BODY = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO})


def post(body: str = HELLO_BODY, auth: str = f"Bearer {TOKEN}", more: str = "") -> str:
    named = "" if "Host:" in more else "Host: 127.0.0.1\r\n"
    return (
        f"POST /mcp HTTP/1.1\r\n{named}Content-Type: application/json\r\n{more}"
        "Accept: application/json, text/event-stream\r\n"
        f"{f'Authorization: {auth}' if auth else 'X: y'}\r\n"
        f"Content-Length: {len(body.encode())}\r\n\r\n{body}"
    )


ACCEPTED = (post(), post(auth=f"bearer {TOKEN}"), post(auth=f"BEARER  {TOKEN}"))
REFUSED = {
    "no token": post(auth=""),
    "a wrong token": post(auth="Bearer nope"),
    "part of the token": post(auth=f"Bearer {TOKEN[:-1]}"),
    "another scheme": post(auth=f"Basic {TOKEN}"),
    "a token beyond ASCII": post(auth="Bearer ümläut"),
    "a foreign host": post(more="Host: evil.example\r\n"),
    "a foreign page": post(more="Origin: http://evil.example\r\n"),
    "a foreign page that looks local": post(more="Origin: http://127.0.0.1.evil.example\r\n"),
    "no JSON": post("{"),
    "no request": post("null"),
    "another path": "GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "a negative length": "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    "a huge head": post(more=f"X-A: {'a' * 200_000}\r\n"),
    "no HTTP": "\x16\x03\x01\x02" * 20 + "\r\n\r\n",
}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    home = Home(
        tmp_path_factory.mktemp("m") / "m",
        HEAD + provider("a", 1) + model("a/m"),
        {"TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"},
    )
    process = home.popen("serve", "--http", "127.0.0.1:0", "--token-env", "TOKEN")
    try:
        found = None
        while found is None and process.poll() is None:
            found = re.search(r"http://127\.0\.0\.1:(\d+)", home.log.read_text())
        assert found, home.log.read_text()
        yield int(found[1])
    finally:
        process.kill()
        process.communicate()


def status(port: int, raw: str) -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=GUARD_S) as connection:
        named = raw.replace("Host: 127.0.0.1\r\n", f"Host: 127.0.0.1:{port}\r\n")
        connection.sendall(named.encode())
        return int(connection.recv(4096).split()[1])


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_is_refused(port: int, raw: str) -> None:
    assert 400 <= status(port, raw) < 500
    assert status(port, ACCEPTED[0]) == 200


@pytest.mark.parametrize("raw", ACCEPTED)
def test_the_name_of_the_scheme_may_be_written_in_any_case(port: int, raw: str) -> None:
    assert status(port, raw) == 200


def test_connections_that_say_nothing_do_not_keep_others_out(port: int) -> None:
    with ExitStack() as stack:
        for number in range(60):
            idle = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            if number % 2:
                idle.sendall(b"POST /mcp HTTP/1.1\r\nHost:")
        stack.pop_all().close()
    assert status(port, ACCEPTED[0]) == 200


@pytest.mark.parametrize(
    ("address", "token"),
    [("0.0.0.0:0", ""), ("127.0.0.1.evil.example:0", ""), ("0.0.0.0:0", "short"), ("x", TOKEN)],
)
def test_an_open_address_needs_a_long_token(tmp_path: Path, address: str, token: str) -> None:
    manifest = HEAD + provider("a", 1) + model("a/m")
    home = Home(tmp_path / "m", manifest, {"TOKEN": token} if token else {})
    named = ("--token-env", "TOKEN") if token else ()
    done = home.run("serve", "--http", address, *named)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
