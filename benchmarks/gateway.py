"""The gateway's speed beside a floor and two peers, against one upstream on loopback, in one run.

    python benchmarks/gateway.py [--quick] [--rounds 5] [--cache .cache/gateway] [--json FILE]
        [--servers "plain floor,fast floor,litellm,portkey,rightmodel"] [--only SECTION,…]

Installs what it needs into the cache folder the first time. The floor is a bare starlette
pass-through on uvicorn, h11 and httpx2; the fast floor is the same on uvloop, httptools and
aiohttp.
LiteLLM's proxy and Portkey's gateway run without a database and without callbacks. Ours routes
(`auto`) among five models, reserves in a budget and writes its ledger.

Every figure is a difference to the same requests sent to the upstream without a gateway, or CPU of
the gateway's processes; repetitions are interleaved over the servers, medians of the rounds are
shown. Absolute times mean little elsewhere: compare the ratios to the plain floor.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gateways.install import Installed
from gateways.servers import Server, agents_turn, body, start_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FLOOR: Final = "plain floor"
SERVERS: Final = (FLOOR, "fast floor", "litellm", "portkey", "rightmodel")
KINDS: Final = ("chat", "messages", "responses", "translated")
INSTRUCTION: Final = "Add a unit test for the parser"
"""A clear one: an unclear one makes two requests to the upstream, the first to the judge."""


class Load(NamedTuple):
    """Calls of a batch: how many, how many at once, and what each answer is made of."""

    calls: int
    in_flight: int = 1
    events: int = 1
    pace_ms: float = 0.0
    stream: bool = False
    large: bool = False


ONE: Final = Load(200)
SIXTEEN: Final = Load(800, 16)
SIXTY_FOUR: Final = Load(1500, 64)
BIG: Final = Load(100, large=True)
BURST: Final = Load(40, events=100, stream=True)
PACED: Final = Load(8, 4, events=40, pace_ms=5, stream=True)
MANY: Final = Load(10_000, 16)


class Generator:
    """The load generator's process."""

    def __init__(self, installed: Installed) -> None:
        script = Path(__file__).parent / "gateways" / "client.py"
        pipe = subprocess.PIPE
        command = [str(installed.python), str(script)]
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def run(self, server: Server, kind: str, load: Load) -> dict[str, Any]:
        """A batch of calls; ends the program if one of them is not answered as it should be."""
        way = server.ways[kind]
        text = f"{INSTRUCTION}: events={load.events} pace={load.pace_ms:g} tag={{tag}}"
        if load.large:
            document = agents_turn(way.model, text)
        else:
            document = body(kind, way.model, text, stream=load.stream)
        job = {
            "port": way.port,
            "path": way.path,
            "headers": way.headers,
            "body": json.dumps(document),
            "calls": load.calls,
            "in_flight": load.in_flight,
            "events": load.events,
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        outcome: dict[str, Any] = json.loads(self._process.stdout.readline())
        if outcome["wrong"]:
            wrong, example = outcome["wrong"], outcome["example"]
            raise SystemExit(f"{server.name}, {kind}: {wrong} of {load.calls} wrong: {example}")
        return outcome

    def end(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


class Bench:
    """The figures of a run: `figures[row][server]` holds one value for each round."""

    def __init__(self, generator: Generator, servers: Sequence[Server], scale: float) -> None:
        self._generator, self._servers, self._scale = generator, servers, scale
        self.figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def warm_up(self) -> None:
        """Connections, caches and compiled code of each server, for each kind of request."""
        for server in self._servers:
            for kind in KINDS:
                self._generator.run(server, kind, Load(50, 8))
                self._generator.run(server, kind, Load(10, 4, events=5, stream=True))

    def latency(self) -> None:
        """Answers in one piece: added milliseconds."""
        for kind in KINDS:
            self._added(f"{kind}, 1 in flight", kind, ONE, {"latency": (_median, _p99)})
        self._added("chat, 16 in flight", "chat", SIXTEEN, {"latency": (_median, _p99)})
        self._added("chat, an agent's 64 kB", "chat", BIG, {"latency": (_median,)})

    def streams(self) -> None:
        """Streams: added milliseconds to the first event, between events, on an event's way."""
        for kind in KINDS:
            wanted = {"first": (_median,), "gap": (_median,)}
            self._added(f"{kind} stream", kind, BURST, wanted)
        self._added("chat stream, an event in 5 ms", "chat", PACED, {"delay": (_median, _p99)})

    def cpu(self) -> None:
        """Requests per CPU second."""
        for row, kind, load in (
            ("chat, 64 in flight", "chat", SIXTY_FOUR),
            ("translated, 64 in flight", "translated", SIXTY_FOUR),
            ("chat stream of 100 events, 16 in flight", "chat", BURST._replace(in_flight=16)),
        ):
            for server in self._servers[1:]:
                before = server.cpu_s(kind)
                self._generator.run(server, kind, self._scaled(load))
                used = server.cpu_s(kind) - before
                self.figures[f"{row}: requests per CPU second"][server.name].append(
                    self._scaled(load).calls / used
                )

    def memory(self, label: str) -> None:
        """Megabytes of the process that serves chat completions."""
        for server in self._servers[1:]:
            self.figures[f"memory {label}, MB"][server.name].append(server.memory_mb("chat"))

    def many(self) -> None:
        """10,000 calls to each, one in ten of them a stream."""
        for server in self._servers[1:]:
            load = self._scaled(MANY)
            self._generator.run(server, "chat", load._replace(calls=load.calls * 9 // 10))
            streams = load._replace(calls=load.calls // 10, events=20, stream=True)
            self._generator.run(server, "chat", streams)

    def _scaled(self, load: Load) -> Load:
        return load._replace(calls=max(8, int(load.calls * self._scale)))

    def _added(
        self,
        row: str,
        kind: str,
        load: Load,
        wanted: Mapping[str, tuple[Callable[[list[float]], float], ...]],
    ) -> None:
        load, base = self._scaled(load), {}
        for server in self._servers:
            # Ours is a process for each API and the floor one for all of them: a process that has
            # been idle while others were measured is slower for its first calls.
            self._generator.run(server, kind, load._replace(calls=max(20, load.in_flight)))
            outcome = self._generator.run(server, kind, load)
            for measure, functions in wanted.items():
                for function in functions:
                    value = function(outcome[measure])
                    name = f"{row}: added {measure}, {function.__name__.strip('_')}, ms"
                    if server.name == "direct":
                        base[name] = _median(outcome[measure])
                    else:
                        self.figures[name][server.name].append(value - base[name])


def _median(values: list[float]) -> float:
    return statistics.median(values)


def _p99(values: list[float]) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * 0.99))]


def show(figures: dict[str, dict[str, list[float]]], names: Sequence[str]) -> None:
    """A markdown table: medians, and in brackets the ratio to the plain floor."""
    print("| " + " | ".join(["", *names]) + " |\n|" + "---|" * (len(names) + 1))
    for row, by_server in figures.items():
        floor = statistics.median(by_server.get(FLOOR, [0]))
        cells = []
        for name in names:
            value = statistics.median(by_server[name])
            ratio = "" if name == FLOOR or not floor else f" ({value / floor:.2f} ×)"
            cells.append(f"{value:.4g}{ratio}")
        print(f"| {row} | " + " | ".join(cells) + " |")


def main() -> None:
    """Install, start, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls, two rounds")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--servers", default=",".join(SERVERS))
    parser.add_argument("--only", default="latency,streams,cpu,memory")
    default = Path(__file__).absolute().parents[1] / ".cache" / "gateway"
    parser.add_argument("--cache", type=Path, default=default)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rounds = options.rounds or (2 if options.quick else 5)
    names, only = options.servers.split(","), options.only.split(",")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 20_000), most))
    installed = Installed(options.cache)
    installed.install()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GATEWAY_LOGS"] = str(options.cache)
        _, servers = start_all(installed, Path(folder), names)
        generator = Generator(installed)
        bench = Bench(generator, servers, 0.2 if options.quick else 1.0)
        try:
            bench.memory("at the start")
            bench.warm_up()
            for number in range(rounds):
                print(f"round {number + 1} of {rounds}", file=sys.stderr)
                for section in ("latency", "streams", "cpu"):
                    if section in only:
                        getattr(bench, section)()
            if "memory" in only:
                bench.memory("after the rounds")
                bench.many()
                bench.memory("after 10,000 calls more")
        finally:
            generator.end()
            for server in servers:
                server.end()
    show(bench.figures, names)
    if options.json:
        options.json.write_text(json.dumps(bench.figures, indent=1))


if __name__ == "__main__":
    main()
