"""The gateways under test, and what a process of theirs has used."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateways.install import Installed

HERE: Final = Path(__file__).parent
PATHS: Final = {
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "responses": "/v1/responses",
    "translated": "/v1/chat/completions",
}
"""By the client's dialect; `translated`: chat completions to an upstream of messages."""

MODEL: Final = "bench"
KEY: Final = "sk-bench-0123456789abcdef"
START_S: Final = 120.0
BRIEF: Final = "Be brief."

LITELLM: Final = """\
model_list:
  - model_name: chat
    litellm_params: {{model: openai/bench, api_base: "{base}/v1", api_key: {key}}}
  - model_name: messages
    litellm_params: {{model: anthropic/bench, api_base: "{base}", api_key: {key}}}
litellm_settings: {{telemetry: false}}
"""

OURS: Final = """\
version = 1
[budget]
per_call_usd = 5
per_day_usd = 100000
[providers.up]
protocol = "{protocol}"
base_url = "{base}"
key_env = "BENCH_KEY"
"""
OUR_MODEL: Final = """
[[models]]
id = "up/bench-{number}"
cost = {{ input = {number}, output = {number} }}
limits = {{ context = 200000, output = 8000 }}
features = ["tools"]
skills = {{ general = 7.{number}, code = 6.{number} }}
"""
OUR_MODELS: Final = 5


class Way(NamedTuple):
    """How a request of one kind is sent to a server."""

    port: int
    path: str
    headers: Mapping[str, str]
    model: str


class Server:
    """A gateway that runs as one process, or as one for each upstream's dialect."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ways: dict[str, Way] = {}
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, port: int, command: Sequence[object], **env: str) -> None:
        """Start a process that is to listen on a port; `ready` waits for it."""
        log = Path(os.environ["GATEWAY_LOGS"]) / f"{self.name.replace(' ', '-')}-{port}.log"
        with log.open("wb") as output:
            self._processes[port] = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **env},
                cwd=log.parent,
            )

    def ready(self) -> None:
        """Wait until each process listens."""
        for port, process in self._processes.items():
            until = time.monotonic() + START_S
            while not _listens(port):
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit(
                        f"{self.name} does not listen; see {os.environ['GATEWAY_LOGS']}"
                    )
                time.sleep(0.1)

    def cpu_s(self, kind: str) -> float:
        """CPU seconds of the threads of the process that serves a kind of request."""
        tasks = [t for pid in self._tree(kind) for t in Path(f"/proc/{pid}/task").iterdir()]
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def memory_mb(self, kind: str) -> float:
        """Resident memory, what is shared counted by share."""
        text = "".join(Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self._tree(kind))
        return sum(int(kb) for kb in re.findall(r"^Pss: +(\d+)", text, re.MULTILINE)) / 1024

    def end(self) -> None:
        """End every process."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def _tree(self, kind: str) -> list[int]:
        return _tree(self._processes[self.ways[kind].port].pid)


def start_all(installed: Installed, folder: Path, names: Sequence[str]) -> tuple[int, list[Server]]:
    """The upstream's port, and the servers asked for, the upstream itself as `direct` first."""
    direct = Server("direct")
    upstream = free_port()
    direct.start(upstream, [installed.python, HERE / "upstream.py", upstream])
    direct.ways = _ways(upstream)
    makers = {
        "plain floor": _plain,
        "fast floor": _fast,
        "litellm": _litellm,
        "portkey": _portkey,
        "rightmodel": _ours,
    }
    servers = [direct, *(makers[name](installed, folder, upstream) for name in names)]
    for server in servers:
        server.ready()
    return upstream, servers


def body(kind: str, model: str, text: str, *, stream: bool) -> dict[str, Any]:
    """A request of a kind. `text` carries the upstream's marks."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": text}]
    request: dict[str, Any] = {"model": model, "stream": stream}
    if kind == "messages":
        return request | {"max_tokens": 1000, "system": BRIEF, "messages": messages}
    if kind == "responses":
        return request | {"instructions": BRIEF, "input": messages, "store": False}
    if stream:
        request["stream_options"] = {"include_usage": True}
    messages = [{"role": "system", "content": BRIEF}, *messages]
    return request | {"max_tokens": 1000, "messages": messages}


def agents_turn(model: str, text: str) -> dict[str, Any]:
    """A chat request of some 64 kB, as coding agents send them: instructions, tools, a history."""
    system = "".join(f"Rule {n}: keep the build green; name file and line.\n" for n in range(400))
    schema = {
        "type": "object",
        "properties": {
            f"argument_{n}": {"type": "string", "description": "What it is for. " * 6}
            for n in range(6)
        },
        "required": ["argument_0"],
    }
    tools = [
        {
            "type": "function",
            "function": {
                "name": f"tool_{n}",
                "description": f"Does step {n} of the work. " * 12,
                "parameters": schema,
            },
        }
        for n in range(20)
    ]
    history: list[dict[str, Any]] = []
    for n in range(8):
        call = {"name": f"tool_{n}", "arguments": json.dumps({"argument_0": f"src/file_{n}.py"})}
        calls = [{"id": f"call_{n}", "type": "function", "function": call}]
        found = "".join(f"{line}: value_{line} = read({n})\n" for line in range(60))
        history += [
            {"role": "assistant", "content": None, "tool_calls": calls},
            {"role": "tool", "tool_call_id": f"call_{n}", "content": found},
        ]
    messages = [
        {"role": "system", "content": system},
        {"role": "user", "content": "Find out why the build fails."},
        *history,
        {"role": "user", "content": text},
    ]
    return {"model": model, "stream": False, "tools": tools, "messages": messages}


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _ways(port: int) -> dict[str, Way]:
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
    return {
        kind: Way(port, path, _with_version(kind, headers), MODEL) for kind, path in PATHS.items()
    }


def _with_version(kind: str, headers: Mapping[str, str]) -> dict[str, str]:
    return {**headers, **({"anthropic-version": "2023-06-01"} if kind == "messages" else {})}


def _floor(installed: Installed, upstream: int, kind: str, *options: str) -> Server:
    server, port = Server(kind), free_port()
    server.start(port, [installed.python, HERE / "floor.py", port, upstream, *options])
    server.ways = _ways(port)
    return server


def _plain(installed: Installed, _: Path, upstream: int) -> Server:
    return _floor(installed, upstream, "plain floor")


def _fast(installed: Installed, _: Path, upstream: int) -> Server:
    return _floor(installed, upstream, "fast floor", "fast")


def _litellm(installed: Installed, folder: Path, upstream: int) -> Server:
    server, port = Server("litellm"), free_port()
    config = folder / "litellm.yaml"
    config.write_text(LITELLM.format(base=f"http://127.0.0.1:{upstream}", key=KEY))
    command = [installed.litellm, "--config", config, "--host", "127.0.0.1", "--port", port]
    settings = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    server.start(port, command, LITELLM_MASTER_KEY=KEY, **settings)
    models = {"chat": "chat", "messages": "messages", "responses": "chat", "translated": "messages"}
    server.ways = {kind: way._replace(model=models[kind]) for kind, way in _ways(port).items()}
    return server


def _portkey(installed: Installed, _: Path, upstream: int) -> Server:
    server, port = Server("portkey"), free_port()
    node = ["node", "--import", installed.portkey_preload, installed.portkey]
    server.start(port, [*node, "--headless", f"--port={port}"], NODE_ENV="production")
    host = f"http://127.0.0.1:{upstream}/v1"
    for kind, way in _ways(port).items():
        provider = "anthropic" if kind in {"messages", "translated"} else "openai"
        more = {"x-portkey-provider": provider, "x-portkey-custom-host": host}
        server.ways[kind] = way._replace(headers={**way.headers, **more})
    return server


def _ours(_: Installed, folder: Path, upstream: int) -> Server:
    server = Server("rightmodel")
    program = Path(sys.executable).with_name("rightmodel")
    dialects = {
        "chat": "openai-chat",
        "messages": "anthropic-messages",
        "responses": "openai-responses",
    }
    for kind, protocol in dialects.items():
        home, port = folder / f"rightmodel-{kind}", free_port()
        home.mkdir()
        manifest = home / "rightmodel.toml"
        base = f"http://127.0.0.1:{upstream}" + ("" if kind == "messages" else "/v1")
        models = "".join(OUR_MODEL.format(number=n + 1) for n in range(OUR_MODELS))
        manifest.write_text(OURS.format(protocol=protocol, base=base) + models)
        command = [program, "serve", "--http", f"127.0.0.1:{port}", "--manifest", manifest]
        server.start(port, command, RIGHTMODEL_STATE_DIR=str(home / "state"), BENCH_KEY=KEY)
        server.ways[kind] = _ways(port)[kind]._replace(model="auto")
    messages = server.ways["messages"]
    server.ways["translated"] = messages._replace(path=PATHS["translated"])
    return server


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def _tree(pid: int) -> list[int]:
    found, children = [pid], Path(f"/proc/{pid}/task")
    for task in children.glob("*/children"):
        for child in task.read_text().split():
            found += _tree(int(child))
    return found
