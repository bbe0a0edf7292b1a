"""The gateway under load: 500 streams at once, then 10,000 calls; what is wrong, what piles up.

    python benchmarks/gateway_load.py [--streams 500] [--calls 10000] [--cache .cache/gateway]

One process of `rightmodel serve --http`, routing, under a budget, with its ledger; the upstream and
the load generator of `gateway.py`. Every stream's content is its own and each piece is checked: a
crossed, cut or silent stream ends the program.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import tempfile
from pathlib import Path

from gateway import Generator, Load
from gateways.install import Installed
from gateways.servers import Server, start_all

KINDS = ("chat", "messages", "responses", "translated")


def streams_at_once(generator: Generator, server: Server, count: int) -> None:
    """For each pair of dialects: so many streams of 40 events, one in 20 ms."""
    load = Load(count, count, events=40, pace_ms=20, stream=True)
    for kind in KINDS:
        generator.run(server, kind, load._replace(calls=50, in_flight=10))
        outcome = generator.run(server, kind, load)
        first, delay = outcome["first"], sorted(outcome["delay"])
        print(
            f"{kind}: {count} streams at once, {len(outcome['latency'])} whole, none crossed; "
            f"first event after {statistics.median(first):.0f} ms (median), {max(first):.0f} ms "
            f"(most); an event's way {statistics.median(delay):.1f} ms (median), "
            f"{delay[len(delay) * 99 // 100]:.1f} ms (p99)"
        )


def calls_in_a_row(generator: Generator, server: Server, count: int) -> None:
    """Calls in tenths, every third tenth as streams, and memory after each."""
    memory = []
    for tenth in range(10):
        load = Load(count // 10, 32, events=20, stream=tenth % 3 == 2)
        generator.run(server, "chat", load)
        memory.append(server.memory_mb("chat"))
    shown = " ".join(f"{mb:.0f}" for mb in memory)
    print(f"{count} calls; memory after each tenth, MB: {shown}")


def main() -> None:
    """Install, start, load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--calls", type=int, default=10_000)
    default = Path(__file__).absolute().parents[1] / ".cache" / "gateway"
    parser.add_argument("--cache", type=Path, default=default)
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 20_000), most))
    installed = Installed(options.cache)
    installed.install()
    os.environ["GATEWAY_LOGS"] = str(options.cache)
    with tempfile.TemporaryDirectory() as folder:
        _, servers = start_all(installed, Path(folder), ["rightmodel"])
        generator = Generator(installed)
        try:
            streams_at_once(generator, servers[1], options.streams)
            calls_in_a_row(generator, servers[1], options.calls)
        finally:
            generator.end()
            for server in servers:
                server.end()


if __name__ == "__main__":
    main()
