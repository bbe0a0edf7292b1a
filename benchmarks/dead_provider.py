"""What a dead provider costs the calls that would have gone to it: the first pay, then none.

    python benchmarks/dead_provider.py [--calls 50] [--speed 25]

Two simulated providers on loopback; the first is the better choice for every call. 50 calls, one
after the other, while it is healthy; then again with a fresh engine while it is dead: it refuses
connections, takes requests and says nothing (a black hole), or answers 500. Printed is the extra
time of each call against the same call of the healthy run: back to back, and with ten seconds
between one call and the next, so that cooldowns end and probes are due. Time runs faster than the
wall's (`--speed`); what is printed is as it would be.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import selectors
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.task import Task
from rightmodel.execution.engine import Clock, build
from rightmodel.manifest.load import load_catalog
from rightmodel.manifest.settings import Settings
from rightmodel.simulator import Behaviour, SimulatedProvider, fault

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from rightmodel.simulator import SimulatedFault

DEADLINE_S: Final = 50.0
GAPS_S: Final = (0.0, 10.0)
PAID_S: Final = 0.5
"""Extra time from which on a call counts as one that paid."""
DEATHS: Final[dict[str, SimulatedFault]] = {
    "refuses connections": fault.refused(),
    "black hole": fault.no_first_byte(),
    "answers 500": fault.status(500),
}
MANIFEST: Final = """
version = 1
[routing]
assess = "rules"
deadline_s = {deadline}
[providers.first]
protocol = "openai-chat"
base_url = "{first}"
[providers.second]
protocol = "openai-chat"
base_url = "{second}"
[[models]]
id = "first/m"
cost = {{ input = 1, output = 1 }}
skills = {{ general = 8 }}
[[models]]
id = "second/m"
cost = {{ input = 2, output = 2 }}
skills = {{ general = 8 }}
"""


def run_faster(speed: float, main: Coroutine[Any, Any, None]) -> None:
    """Run with a monotonic clock, and an event loop on it, that is `speed` times as fast."""
    wall = time.monotonic

    class Selector(selectors.DefaultSelector):
        def select(self, timeout: float | None = None) -> list[Any]:
            return super().select(timeout and timeout / speed)

    time.monotonic = lambda: wall() * speed  # the loop, the engine and httpx2 all ask this one
    try:
        with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(Selector())) as runner:
            runner.run(main)
    finally:
        time.monotonic = wall


async def times(calls: int, gap_s: float, death: SimulatedFault | None) -> list[float]:
    """Seconds of each call."""
    found: list[float] = []
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(
                SimulatedProvider(
                    models={"m": Behaviour(first_token_s=0.3, tokens_per_s=100)}, keep=10
                )
            )
            for _ in range(2)
        ]
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        manifest = Path(folder) / "rightmodel.toml"
        manifest.write_text(
            MANIFEST.format(deadline=DEADLINE_S, first=first.base_url, second=second.base_url)
        )
        settings = Settings(manifest, {"RIGHTMODEL_STATE_DIR": folder})
        clock = Clock(now=asyncio.get_running_loop().time, wall=time.time)
        engine = build(settings, load_catalog(manifest, has_key=lambda _: True), clock=clock)
        stack.push_async_callback(engine.close)
        await engine.executor.complete(Task("warm up"), deadline_s=DEADLINE_S)
        if death is not None:
            first.fail_all(death)
        for number in range(calls):
            began = time.monotonic()
            answer = await engine.executor.complete(Task(f"task {number}"), deadline_s=DEADLINE_S)
            found.append(time.monotonic() - began)
            if death is None and answer.receipt.model != "first/m":
                raise SystemExit("the healthy run did not go to the first provider")
            await asyncio.sleep(gap_s)
        first.heal()
    return found


async def measure(calls: int) -> None:
    """All deaths, at every pace, against the healthy run of the same pace."""
    shown = [n for n in (1, 2, 3, 4, 5, 10, 20, 50) if n <= calls]
    for gap_s in GAPS_S:
        pace = f"{gap_s:.0f} s between calls" if gap_s else "back to back"
        print(f"\nextra seconds, {calls} calls {pace}")
        print(
            f"{'':21}" + "".join(f"{f'call {n}':>9}" for n in shown) + "     sum  calls that paid"
        )
        healthy = await times(calls, gap_s, None)
        for name, death in DEATHS.items():
            dead = await times(calls, gap_s, death)
            extra = [d - h for d, h in zip(dead, healthy, strict=True)]
            paid = [n for n, e in enumerate(extra, 1) if e > PAID_S]
            cells = "".join(f"{extra[n - 1]:9.2f}" for n in shown)
            which = ", ".join(map(str, paid)) or "none"
            print(f"{name:21}{cells}{sum(extra):8.1f}  {which}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--speed", type=float, default=25.0)
    options = parser.parse_args()
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    run_faster(options.speed, measure(options.calls))


if __name__ == "__main__":
    main()
