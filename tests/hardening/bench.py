"""What every file here uses: providers that send raw bytes, and the program as its users run it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import socketserver
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

GUARD_S = 30.0
"""A bound on what would otherwise hang, never a measure."""
HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "tests", "version": "1"},
}
HEAD = 'version = 1\n[routing]\nassess = "rules"\ndeadline_s = 20\n'


class Request(NamedTuple):
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def case(self) -> str:
        """The word behind the last `case:` in the request."""
        return str(re.findall(r"case:([\w-]+)", json.dumps(self.body))[-1])


Pieces = bytes | list[bytes | threading.Event]
"""What is written as a response; an event is waited for."""


class Provider(socketserver.ThreadingTCPServer):
    """Loopback; one response per connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, reply: Callable[[Request], Pieces]) -> None:
        self.reply = reply
        self.requests: list[Request] = []
        self.arrived = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = self.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(socketserver.StreamRequestHandler):
    server: Provider

    def handle(self) -> None:
        with contextlib.suppress(OSError, ValueError, IndexError):
            path = self.rfile.readline().decode("latin-1").split()[1]
            lines = iter(lambda: self.rfile.readline().decode("latin-1").strip(), "")
            headers = {k.lower(): v.strip() for k, _, v in (x.partition(":") for x in lines)}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            request = Request(path, headers, json.loads(body) if body else {})
            if body:
                self.server.requests.append(request)
            pieces = self.server.reply(request)
            self.server.arrived.set()
            for piece in [pieces] if isinstance(pieces, bytes) else pieces:
                if isinstance(piece, bytes):
                    self.wfile.write(piece)
                else:
                    piece.wait(GUARD_S)


def http(body: object, status: int = 200, kind: str = "application/json", more: str = "") -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(raw)}\r\n{more}"
    return f"{head}Connection: close\r\n\r\n".encode() + raw


def sse(*events: object) -> bytes:
    text = "".join(f"data: {e if isinstance(e, str) else json.dumps(e)}\n\n" for e in events)
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + (
        text.encode()
    )


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def chat(text: str, finish: str = "stop", /, **usage: object) -> bytes:
    counts = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, **usage}
    last = {"choices": [], "usage": counts}
    return sse(chunk({"content": text}), chunk({}, finish), last, "[DONE]")


def provider(name: str, port: int, more: str = "", wire_format: str = "openai-chat") -> str:
    path = "/v1" if wire_format.startswith("openai") else ""
    head = f'[providers.{name}]\nprotocol = "{wire_format}"\n'
    return f'{head}base_url = "http://127.0.0.1:{port}{path}"\n{more}\n'


def model(
    name: str, cost: str = "{ input = 1, output = 2 }", skill: float = 6, more: str = ""
) -> str:
    price = f"cost = {cost}\n" if cost else ""
    return f'[[models]]\nid = "{name}"\n{price}skills = {{ general = {skill} }}\n{more}\n'


@dataclass
class Home:
    """A person's machine: folders, variables and, unless it is empty, a manifest."""

    root: Path
    manifest: str = ""
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("home", "work"):
            (self.root / name).mkdir(parents=True)
        if self.manifest:
            (self.root / "manifest.toml").write_text(self.manifest)

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def log(self) -> Path:
        return self.root / "stderr"

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k.startswith("COV") or k == "PATH"}
        state = str(self.root / "state")
        own = {"HOME": str(self.root / "home"), "LANG": "C.UTF-8", "RIGHTMODEL_STATE_DIR": state}
        return {**kept, **own, **self.env}

    def command(self, *arguments: str) -> list[str]:
        named = ["--manifest", str(self.root / "manifest.toml")] if self.manifest else []
        return [sys.executable, "-m", "rightmodel", *arguments, *named]

    def popen(
        self, *arguments: str, cwd: str = "", stdin: int = subprocess.PIPE
    ) -> subprocess.Popen[bytes]:
        """A process whose errors go to `log`."""
        with self.log.open("ab") as log:
            return subprocess.Popen(
                self.command(*arguments),
                cwd=cwd or self.work,
                env=self.environment,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            cwd=self.work,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            timeout=GUARD_S,
            check=False,
        )

    @contextlib.contextmanager
    def session(self, *options: str, cwd: str = "") -> Iterator[Session]:
        """A server on standard input and output, introduced; killed at the end if it hangs."""
        session = Session(self.popen("serve", *options, cwd=cwd))
        try:
            session.introduce()
            yield session
            session.end()
        finally:
            session.kill()


class Session:
    """A client's end of standard input and output."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._number = 0
        self._waiting: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(ValueError):
            for line in self.process.stdout:
                message = json.loads(line)
                if message.get("id") in self._waiting:
                    self._waiting.pop(message["id"]).put(message)
        for waiting in self._waiting.values():
            waiting.put({"error": "the server ended"})

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()

    def start(self, method: str, params: object = None) -> queue.Queue[dict[str, Any]]:
        self._number += 1
        waiting = self._waiting[self._number] = queue.Queue()
        self.send({"id": self._number, "method": method, "params": params or {}})
        return waiting

    def introduce(self) -> None:
        answer = self.start("initialize", HELLO).get(timeout=GUARD_S)
        assert answer["result"]["serverInfo"]["name"] == "rightmodel"
        self.send({"method": "notifications/initialized"})

    def begin(self, tool: str = "complete", /, **arguments: object) -> queue.Queue[dict[str, Any]]:
        return self.start("tools/call", {"name": tool, "arguments": arguments})

    def call(self, tool: str = "complete", /, **arguments: object) -> Result:
        return result(self.begin(tool, **arguments))

    def end(self) -> None:
        """Hang up, as a client does; the server must leave by itself."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.wait(GUARD_S)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(GUARD_S)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()


class Result(NamedTuple):
    """`text`: the first block. `line`: the last line of all, for people. `failed`: an error."""

    text: str
    line: str
    failed: bool
    receipt: dict[str, Any]


def result(waiting: queue.Queue[dict[str, Any]]) -> Result:
    message = waiting.get(timeout=GUARD_S)
    assert "result" in message, message
    found = message["result"]
    blocks = [block["text"] for block in found["content"]]
    receipt = found.get("_meta", {}).get("rightmodel/receipt", {})
    return Result(blocks[0], blocks[-1].splitlines()[-1], bool(found.get("isError")), receipt)


def usage(home: Home) -> dict[str, Any]:
    """What `usage` reports for all time, by name."""
    found: dict[str, Any] = json.loads(home.run("usage", "--json").stdout)
    return found


def asked(upstream: Provider, texts: Iterable[str] = ()) -> bool:
    """Whether a request came, or one with any of the texts."""
    bodies = [json.dumps(request.body) for request in upstream.requests]
    return any(text in body for body in bodies for text in texts) if texts else bool(bodies)
