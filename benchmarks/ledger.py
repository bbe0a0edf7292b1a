"""CPU of what the ledger does for one call, beside one raw httpx2 call on loopback.

    python benchmarks/ledger.py [--repeats 15] [--json]

A recorded call is a reservation, settled with one row for its attempt, and one row for the call,
with the assessment, tokens, cost and times that a real one has; the making of the rows from a
receipt counts, and so does the ledger's thread. First by itself: 16 calls that end together, and
the event loop is idle until they are written. Then as the difference between the same calls without
and with a ledger, which on few cores includes what two busy threads take from each other:
`recorded`, without budgets, where nothing is awaited and what ends within 50 ms shares a
transaction; `awaited`, where the rows are written before the call goes on; `budget`, under two
limits, where the reservation is written before the request is sent, on the event loop's thread
unless the file is in use, and settling it is not awaited.
Each with one call after the other, with 16 at once, and with 60 ms between one call and the next
(caches are cold then, for the raw call, too). Repetitions are interleaved; medians are shown.
`wait`: how much longer a call took.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx2
from provider_cpu import served

from rightmodel.core.call import Attempt, Receipt, Usage
from rightmodel.core.decision import Assessment, Candidate, Decision, Requirements
from rightmodel.core.task import Task
from rightmodel.ledger.budget import Limit, Limits
from rightmodel.ledger.call_rows import attempt_record, call_record, new_id, task_hash
from rightmodel.ledger.ledger import LINGER_S, Ledger
from rightmodel.ledger.records import Choice, HoldRequest, Origin
from rightmodel.ledger.recovery import SqliteOpener

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rightmodel.ledger.records import AttemptRecord, CallRecord, Hold

    Work = Callable[[], Awaitable[None]]
    Figures = dict[str, dict[str, tuple[float, float]]]

MOST_RATIO: Final = 0.06
PROMPT: Final = "Summarise the following in one sentence. " + "lorem ipsum " * 60
LIMITS: Final = Limits(
    limits=(
        Limit("per_day_usd", Decimal(1000)),
        Limit("per_month_usd", Decimal(10000), period="month"),
    ),
)
RAW: Final = "raw httpx2"
ALONE: Final = "a recorded call by itself:"
TOGETHER: Final = 16


COST: Final = Decimal("0.00041235")
CANDIDATES: Final = tuple(
    Candidate(f"provider-{n}/model-{n}", 0.9 - n / 50, COST * n, 2.0 + n, 0.002 * n)
    for n in range(1, 13)
)
DECISION: Final = Decision(
    CANDIDATES,
    (),
    Assessment((("summarize", 0.8), ("writing", 0.2)), 4.5, "learned", 0.8, 0.7, 120),
    Requirements(300, 120),
    "balanced",
    0.02,
    "least expected total cost: $0.0011 ($0.0004 + 7% risk × $0.01) against $0.0021 for p/m",
)
ATTEMPT: Final = Attempt(
    "deepseek/deepseek-v4-flash",
    "deepseek",
    "deepseek-v4-flash",
    time_s=2.1,
    first_token_s=0.4,
    usage=Usage(300, 118, 256, 0, 40),
    cost_usd=COST,
)
RECEIPT: Final = Receipt(
    ATTEMPT.model, DECISION, (ATTEMPT,), 2.2, COST, Decimal("0.0125"), Decimal("0.01208765")
)


def _rows() -> tuple[AttemptRecord, CallRecord, Choice]:
    """What the executor makes of a call's receipt."""
    now = time.time()
    call = new_id()
    return (
        attempt_record(
            ATTEMPT,
            call=call,
            number=1,
            at=now,
            skill="summarize",
            expected_output=120,
            origin=ORIGIN,
        ),
        call_record(
            DECISION,
            id=call,
            ref="k3f9abcd",
            at=now,
            task=task_hash(Task(PROMPT)),
            baseline="anthropic/claude-opus-4-8",
            receipt=RECEIPT,
            origin=ORIGIN,
        ),
        Choice(call, DECISION.loss_usd, DECISION.candidates, DECISION.rejections),
    )


ORIGIN: Final = Origin("mcp", "", "subtask", "workstation", "alice")
REQUEST: Final = HoldRequest(
    ATTEMPT.model,
    "summarize",
    Decimal("0.01"),
    expected_usd=COST,
    call=1,
    number=1,
    provider=ATTEMPT.provider,
    name=ATTEMPT.name,
    origin=ORIGIN,
)


def _settle(ledger: Ledger, hold: Hold | None) -> None:
    attempt, call, choice = _rows()
    ledger.settle(hold, attempt)
    ledger.note(call, choice)


async def _raw(base: str, client: httpx2.AsyncClient, body: bytes) -> None:
    headers = {"content-type": "application/json", "authorization": "Bearer sk-bench"}
    url = f"{base}/chat/completions"
    async with client.stream("POST", url, headers=headers, content=body) as response:
        async for _ in response.aiter_bytes():
            pass


Shape = tuple[int, int, float]
SHAPES: Final[dict[str, Shape]] = {
    "one by one": (200, 1, 0.0),
    "16 at once": (400, 16, 0.0),
    "with pauses": (12, 1, LINGER_S + 0.01),
}
"""How many calls, how many at once, and the pause after each."""


async def _time(work: Work, shape: Shape) -> tuple[float, float]:
    """CPU and time of one call, µs."""
    count, at_once, pause = shape
    left = iter(range(count))
    waits: list[float] = []

    async def run() -> None:
        for _ in left:
            began = time.perf_counter()
            await work()
            waits.append(time.perf_counter() - began)
            if pause:
                await asyncio.sleep(pause)

    gc.collect()
    began = time.process_time()
    await asyncio.gather(*(run() for _ in range(at_once)))
    return (time.process_time() - began) / count * 1e6, statistics.median(waits) * 1e6


async def _measure(base: str, repeats: int, folder: Path) -> Figures:
    plain = Ledger(SqliteOpener(folder / "plain" / "ledger.sqlite3", time.time))
    money = Ledger(SqliteOpener(folder / "money" / "ledger.sqlite3", time.time), limits=LIMITS)
    client = httpx2.AsyncClient()
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": PROMPT}]}).encode()

    async def raw() -> None:
        await _raw(base, client, body)

    async def recorded() -> None:
        hold = await plain.reserve(REQUEST)
        await raw()
        _settle(plain, hold)

    async def awaited() -> None:
        await raw()
        await plain.record(*_rows())

    async def budget() -> None:
        hold = await money.reserve(REQUEST)
        await raw()
        _settle(money, hold)

    async def alone() -> None:
        for _ in range(TOGETHER):
            _settle(plain, await plain.reserve(REQUEST))
        await plain.flush()

    ways: dict[str, Work] = {RAW: raw, "recorded": recorded, "awaited": awaited, "budget": budget}
    taken: dict[tuple[str, str], list[tuple[float, float]]] = {}
    try:
        for _ in range(repeats + 1):
            taken.setdefault((ALONE, ALONE), []).append(await _time(alone, (20, 1, 0.0)))
            for shape, numbers in SHAPES.items():
                for name, work in ways.items():
                    taken.setdefault((shape, name), []).append(await _time(work, numbers))
    finally:
        await client.aclose()
        await plain.close()
        await money.close()
    cpu = statistics.median(cpu for cpu, _ in taken[ALONE, ALONE][1:]) / TOGETHER
    return {ALONE: {ALONE: (cpu, 0.0)}} | {
        shape: {
            name: _beside(taken[shape, name][1:], taken[shape, RAW][1:], first=name == RAW)
            for name in ways
        }
        for shape in SHAPES
    }


def _beside(
    own: list[tuple[float, float]], raw: list[tuple[float, float]], *, first: bool
) -> tuple[float, float]:
    """Median CPU and wait of the raw call, or of what another way took beyond it."""
    pairs = list(zip(own, raw, strict=True))
    return (
        statistics.median(o[0] - (0 if first else r[0]) for o, r in pairs),
        statistics.median(o[1] - (0 if first else r[1]) for o, r in pairs),
    )


def _show(found: Figures) -> None:
    print(f"{'':24}{'µs CPU':>9}{'of raw':>9}{'µs wait':>10}")
    for shape in SHAPES:
        raw_cpu, raw_wait = found[shape][RAW]
        print(f"{shape + ': ' + RAW:24}{raw_cpu:>9.0f}{'':>9}{raw_wait:>10.0f}")
        for name, (cpu, wait) in found[shape].items():
            if name != RAW:
                print(f"  + {name:20}{cpu:>9.0f}{cpu / raw_cpu:>9.1%}{wait:>10.0f}")
    alone, raw = found[ALONE][ALONE][0], found["one by one"][RAW][0]
    word = "ok  " if alone / raw <= MOST_RATIO else "FAIL"
    print(f"{word} {ALONE} {alone:.0f} µs CPU, {alone / raw:.1%} of one httpx2 call (at most 6 %)")


def main() -> None:
    """Start the server, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, served() as base:
        found = asyncio.run(_measure(base, options.repeats, Path(folder)))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        _show(found)


if __name__ == "__main__":
    main()
