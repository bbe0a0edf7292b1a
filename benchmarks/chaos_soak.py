"""Ten thousand calls while providers go wrong: how each ends, and what piles up.

    python benchmarks/chaos_soak.py [--calls 10000] [--seed 1] [--mode independent|episodes|both]

Three simulated providers on loopback, one for each wire protocol, eight models, 50 calls at a time
through the whole engine in this process. `independent`: one request in five has a fault, drawn
from all that its provider can have. `episodes`: one or two providers are wholly down for 5 to 40
seconds at a time, each 20 % of the time and never all three; what is down has one of the faults of
an outage. Time runs `--speed` times as fast as the wall's, for every timer and model; times printed
are on that clock, and so hold our own CPU times the speed.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

from dead_provider import run_faster

from rightmodel.core.errors import ExhaustedError, RightmodelError
from rightmodel.core.fault import Fault
from rightmodel.core.task import Task
from rightmodel.execution.calls import Pending
from rightmodel.execution.engine import Clock, build
from rightmodel.manifest.load import load_catalog
from rightmodel.manifest.settings import Settings
from rightmodel.simulator import Behaviour, SimulatedProvider, fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rightmodel.execution.engine import Engine
    from rightmodel.simulator import SimulatedFault

AT_ONCE: Final = 50
DEADLINE_S: Final = 50.0
SLACK_S: Final = 1.0
"""How much later than the deadline a caller may hear, besides what the loop itself was late."""
BEAT_S: Final = 0.5
SHARE: Final = 0.2
MOST_ATTEMPTS: Final = 3
FIRST_TOKEN_S: Final = 3.0
EPISODE_S: Final = (5.0, 40.0)
PROVIDERS: Final = {"openai-chat": 3, "anthropic-messages": 2, "gemini": 3}
OUTAGES: Final = frozenset(
    {
        Fault.RATE_LIMITED, Fault.QUOTA, Fault.AUTH, Fault.NOT_FOUND, Fault.OVERLOADED,
        Fault.SERVER, Fault.TIMEOUT, Fault.CONNECTION, Fault.MALFORMED,
    }
)  # fmt: skip
LIES: Final = frozenset(
    {"rate_limit_year", "rate_limit_date_in_a_year", "rate_limit_infinite", "rate_limit_resets"}
)
"""Not in episodes: they ask to be left alone for longer than the outage lasts."""
SCHEMA: Final = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
MANIFEST: Final = """
version = 1
[routing]
assess = "rules"
deadline_s = {deadline}
max_attempts = {most}
"""
PROVIDER: Final = """
[providers.{name}]
protocol = "{protocol}"
base_url = "{url}"
"""
MODEL: Final = """
[[models]]
id = "{name}/{model}"
cost = {{ input = {price}, output = {price} }}
limits = {{ context = 200000, output = 32000 }}
features = ["json_schema"]
skills = {{ general = {rating} }}
"""


# --- providers and what goes wrong with them ---


def write_manifest(path: Path, providers: Sequence[SimulatedProvider]) -> None:
    """Every model can do every task; they differ in price and rating."""
    text = MANIFEST.format(deadline=DEADLINE_S, most=MOST_ATTEMPTS)
    price = 0
    for provider in providers:
        name = provider.protocol.value
        text += PROVIDER.format(name=name, protocol=name, url=provider.base_url)
        for model in provider.models:
            price += 1
            text += MODEL.format(name=name, model=model, price=price, rating=6 + price / 4)
    path.write_text(text)


def drawn(provider: SimulatedProvider, *, outages: bool) -> list[SimulatedFault]:
    """The faults that this provider can have, of any class or of an outage alone."""
    found = fault.faults(provider.protocol.value, provider.dialect.name)
    found = [f for f in found if f.leads_to and f.name != "huge_body"]  # memory shows little else
    if not outages:
        return found
    return [f for f in found if f.leads_to <= OUTAGES and f.name not in LIES]


@dataclass
class Weather:
    """Which providers are healthy, and since when: every change is kept, to look back at."""

    providers: Sequence[SimulatedProvider]
    seed: int
    changes: dict[str, list[tuple[float, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for provider in self.providers:
            self.changes[provider.protocol.value] = [(time.monotonic(), "")]

    async def blow(self) -> None:
        """One outage after the other for each provider, never all three at a time."""
        await asyncio.gather(*(self._come_and_go(p) for p in self.providers))

    async def _come_and_go(self, provider: SimulatedProvider) -> None:
        faults = drawn(provider, outages=True)
        changes = self.changes[provider.protocol.value]
        random = Random(f"{self.seed} {provider.protocol.value}")
        mean = sum(EPISODE_S) / 2
        while True:
            await asyncio.sleep(random.expovariate(1 / (mean * (1 - SHARE) / SHARE)))
            down = [c for c in self.changes.values() if c[-1][1]]
            if len(down) >= len(self.providers) - 1:
                continue
            chosen = random.choice(faults)
            changes.append((time.monotonic(), chosen.name))
            provider.fail_all(chosen)
            await asyncio.sleep(random.uniform(*EPISODE_S))
            provider.heal()
            changes.append((time.monotonic(), ""))

    def healthy(self, start: float, end: float) -> list[str]:
        """Those that were healthy all the time from `start` to `end`."""
        return [name for name in self.changes if not any(self.faults(name, start, end))]

    def faults(self, name: str, start: float, end: float) -> Iterator[str]:
        """What the provider was in between, "" for healthy."""
        changes = self.changes[name]
        for number, (since, what) in enumerate(changes):
            until = changes[number + 1][0] if number + 1 < len(changes) else float("inf")
            if since <= end and until >= start:
                yield what


# --- calls and what came of them ---


@dataclass(slots=True)
class Outcome:
    """One call. `end`: `answered`, `error` or what went wrong inside. `over_s`: seconds until then.

    `heard_s`: until its caller heard anything: that it is still pending, perhaps.
    """

    start: float
    heard_s: float
    over_s: float
    end: str
    attempts: int
    error: str = ""


def task(number: int, random: Random) -> Task:
    """Tasks of several lengths, tiers and skills; one in ten wants JSON."""
    skill = random.choice(("", "code", "math", "extract", "summarize", "writing"))
    tier = random.choice(("", "cheap", "balanced", "best"))
    schema = SCHEMA if random.random() < 0.1 else None
    words = "lorem ipsum dolor " * random.choice((1, 5, 50))
    return Task(f"Task {number}: {words}", skill=skill, tier=tier, schema=schema)


async def one_call(engine: Engine, wanted: Task) -> Outcome:
    """Hand one task over, and collect it where it is still pending at the deadline."""
    start = time.monotonic()
    end, attempts, error, heard = "answered", 0, "", 0.0
    try:
        got = await engine.calls.complete(wanted, deadline_s=DEADLINE_S, listener=lambda _: None)
        while isinstance(got, Pending):
            heard = heard or time.monotonic() - start
            got = await engine.calls.resume(
                got.ref, None, deadline_s=DEADLINE_S, listener=lambda _: None
            )
        attempts = len(got.answer.receipt.attempts)
    except ExhaustedError as failed:
        end, attempts, error = "error", len(failed.attempts), told(failed)
    except RightmodelError as failed:
        end, error = "error", f"{type(failed).__name__}: {failed}"
    except Exception as failed:  # noqa: BLE001 - that there is none is what is measured
        end, error = type(failed).__name__, repr(failed)
    over = time.monotonic() - start
    return Outcome(start, heard or over, over, end, attempts, error)


def told(failed: ExhaustedError) -> str:
    """The attempts of a call that failed, in short."""
    tried = [f"{a.model}: {a.fault.value if a.fault else '?'}" for a in failed.attempts]
    return ", ".join(tried) or str(failed)[:120]


@dataclass
class Run:
    """What a run measured."""

    outcomes: list[Outcome]
    rss: list[float]
    left: dict[str, int]
    stalls: list[tuple[float, float]]
    wall_s: float

    def late(self, outcome: Outcome) -> bool:
        """Whether it was heard of too late, and not because the whole process was."""
        due = outcome.start + DEADLINE_S
        stalled = sum(s for at, s in self.stalls if due - 2 * BEAT_S <= at <= due + outcome.heard_s)
        return outcome.heard_s > DEADLINE_S + SLACK_S + stalled


async def soak(
    engine: Engine, providers: Sequence[SimulatedProvider], calls: int, random: Random
) -> Run:
    """Make the calls, so many at a time, and look at what is left afterwards."""
    numbers = iter(range(1, calls + 1))
    outcomes: list[Outcome] = []
    rss: list[float] = []
    stalls: list[tuple[float, float]] = []
    began = time.perf_counter()

    async def beat() -> None:
        while True:
            due = time.monotonic() + BEAT_S
            await asyncio.sleep(BEAT_S)
            if (late := time.monotonic() - due) > BEAT_S:
                stalls.append((time.monotonic(), late))

    async def work() -> None:
        for number in numbers:
            outcomes.append(await one_call(engine, task(number, random)))
            if len(outcomes) % (calls // 10) == 0:
                rss.append(resident_mb())

    beating = asyncio.create_task(beat())
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    beating.cancel()
    async with asyncio.timeout(60):
        for provider in providers:
            provider.heal()
            await provider.until(lambda p=provider: p.in_flight == 0)  # type: ignore[misc]
    left = {
        "health.in_flight": engine.health.in_flight,
        "calls.running": engine.calls.running,
        "provider.in_flight": sum(p.in_flight for p in providers),
    }
    return Run(outcomes, rss, left, stalls, time.perf_counter() - began)


def resident_mb() -> float:
    """Memory of this process, simulated providers included; what is free is given back first."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)  # glibc; answers of 20 MB leave holes
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def run_mode(mode: str, calls: int, seed: int) -> bool:
    """One run; whether it was as it should be."""
    random = Random(seed)
    async with AsyncExitStack() as stack:
        providers = [
            await stack.enter_async_context(
                SimulatedProvider(
                    protocol,
                    models={
                        f"m{n}": Behaviour(first_token_s=FIRST_TOKEN_S, tokens_per_s=10)
                        for n in range(1, count + 1)
                    },
                    random=Random(random.random()),
                    keep=100,
                )
            )
            for protocol, count in PROVIDERS.items()
        ]
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        manifest = Path(folder) / "rightmodel.toml"
        write_manifest(manifest, providers)
        settings = Settings(manifest, {"RIGHTMODEL_STATE_DIR": folder})
        clock = Clock(now=asyncio.get_running_loop().time, wall=time.time)
        engine = build(settings, load_catalog(manifest, has_key=lambda _: True), clock=clock)
        stack.push_async_callback(engine.close)
        weather = Weather(providers, seed)
        blowing = asyncio.create_task(weather.blow()) if mode == "episodes" else None
        if mode == "independent":
            for provider in providers:
                some = fault.one_of(*drawn(provider, outages=False))
                provider.fail_all(fault.chance(SHARE, some))
        run = await soak(engine, providers, calls, random)
        if blowing is not None:
            blowing.cancel()
    print(f"\n== {mode}: {calls} calls, seed {seed}")
    return report(run) & (blowing is None or report_episodes(run, weather))


def report(run: Run) -> bool:
    """What holds for both modes."""
    outcomes = run.outcomes
    ends = Counter(o.end for o in outcomes)
    proper = ends["answered"] + ends["error"]
    late = [o for o in outcomes if run.late(o)]
    pending = sum(o.over_s > o.heard_s for o in outcomes)
    stalled = max((s for _, s in run.stalls), default=0.0)
    answered = sorted(o.over_s for o in outcomes if o.end == "answered")
    sizes = " ".join(f"{mb:.0f}" for mb in run.rss)
    print(f"ends: {dict(ends)}, {pending} of them pending at the deadline at first")
    print(f"wall {run.wall_s:.0f} s; the loop itself was late by {stalled:.1f} s at most")
    early = [o for o in outcomes if o.error and o.attempts < MOST_ATTEMPTS]
    print(f"given up before the last attempt: {len(early)}")
    for fault_, count in Counter(o.error for o in early).most_common(8):
        print(f"  {count:5} x {fault_[:150]}")
    print(f"attempts made: {dict(sorted(Counter(o.attempts for o in outcomes).items()))}")
    p50, p99 = (answered[int(len(answered) * q)] for q in (0.5, 0.99))
    print(f"answered after: p50 {p50:.2f} s, p99 {p99:.2f} s, longest {answered[-1]:.2f} s")
    return show(
        {
            f"an answer or a proper error: {proper} of {len(outcomes)}": proper == len(outcomes),
            f"later than the deadline: {len(late)}": not late,
            f"left afterwards: {run.left}": not any(run.left.values()),
            f"memory after each tenth, MB: {sizes}": run.rss[-1] < 1.05 * run.rss[4],
        }
    )


def report_episodes(run: Run, weather: Weather) -> bool:
    """Was there an answer whenever a provider was healthy all along? Every exception is shown."""
    covered = 0
    missed: list[tuple[Outcome, list[str]]] = []
    for outcome in run.outcomes:
        healthy = weather.healthy(outcome.start, outcome.start + outcome.over_s)
        covered += bool(healthy)
        if healthy and outcome.end != "answered":
            missed.append((outcome, healthy))
    both = sum(len(weather.healthy(o.start, o.start + o.over_s)) == 1 for o in run.outcomes)
    print(f"only one provider healthy all along: {both} calls")
    for outcome, healthy in missed[:8]:
        end = outcome.start + outcome.over_s
        down = {
            name: "/".join(f for f in weather.faults(name, outcome.start, end) if f)
            for name in weather.changes
            if name not in healthy
        }
        print(f"  missed after {outcome.over_s:.1f} s, healthy {healthy}, down {down}")
        print(f"    {outcome.end}: {outcome.error[:300]}")
    share = 1 - len(missed) / max(covered, 1)
    what = f"answered while one was healthy all along: {covered - len(missed)} of {covered}"
    return show({f"{what} ({share:.2%})": not missed})


def show(checks: dict[str, bool]) -> bool:
    """Print them; whether all hold."""
    for what, holds in checks.items():
        print(f"{'ok  ' if holds else 'FAIL'} {what}")
    return all(checks.values())


def main() -> None:
    """Run the modes asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mode", choices=("independent", "episodes", "both"), default="both")
    parser.add_argument("--speed", type=float, default=10.0)
    options = parser.parse_args()
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # of writing to who has hung up
    modes = ("independent", "episodes") if options.mode == "both" else (options.mode,)

    async def run() -> None:
        good = [await run_mode(mode, options.calls, options.seed) for mode in modes]
        sys.exit(not all(good))

    run_faster(options.speed, run())


if __name__ == "__main__":
    main()
