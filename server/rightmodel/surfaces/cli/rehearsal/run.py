"""One run through a number of calls: healthy, outage, healed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import RightmodelError
from rightmodel.core.fault import Fault
from rightmodel.execution.engine import Clock, build
from rightmodel.execution.records import Unrecorded
from rightmodel.surfaces.cli.rehearsal.twins import twins
from rightmodel.surfaces.mcp import rendering as render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rightmodel.core.call import Answer, Attempt
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.simulator import Received
    from rightmodel.surfaces.cli.rehearsal.tasks import Sample
    from rightmodel.surfaces.cli.rehearsal.trouble import Trouble
    from rightmodel.surfaces.cli.rehearsal.twins import Twins

EVERY_S: Final = 10.0
"""Simulated seconds from one call's start to the next one's."""
HEALTHY: Final = "healthy"
OUTAGE: Final = "outage"
HEALED: Final = "healed"


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt. `met`: name of the simulated fault, "" for none; `read`: how it was read.

    `waited_s`: before it began, since the attempt before. `message`: the upstream's own words.
    """

    model: str
    provider: str
    met: str
    read: Fault | None
    status: int
    time_s: float
    waited_s: float
    message: str


@dataclass(frozen=True, slots=True)
class Call:
    """What became of one call. `first`: the model that the decision put first, "" for none.

    `model`: that answered, "" for none. `line`: providers of all candidates, best first. `met`:
    names of all simulated faults on the way, harmless ones included. `lost_s`: until the attempt
    began that gave the answer; all of the time where none did. `cost_usd`: `None` where unknown.
    `error`: as the agent gets it, with its machine-readable last line; "" for an answer.
    """

    number: int
    sample: Sample
    phase: str
    first: str
    line: tuple[str, ...]
    tries: tuple[Try, ...]
    met: tuple[str, ...]
    model: str
    time_s: float
    lost_s: float
    cost_usd: Decimal | None
    error: str = ""
    code: str = ""


def phase_of(number: int, calls: int) -> str:
    """Of a call, counted from 1: a third each, what is left over goes to the outage."""
    third = calls // 3
    if number <= third:
        return HEALTHY
    return HEALED if number > calls - third else OUTAGE


@dataclass(slots=True)
class Run:
    """`trouble`: none for a run that stays healthy. `tell`: hears of every call at once."""

    catalog: Catalog
    samples: Sequence[Sample]
    calls: int
    seed: int
    trouble: Trouble | None
    tell: Callable[[Call], object]

    async def perform(self) -> list[Call]:
        """All calls, one after the other, on the event loop's clock."""
        loop = asyncio.get_running_loop()
        done: list[Call] = []
        async with twins(self.catalog, self.samples, seed=self.seed, clock=loop.time) as set_up:
            stage = _Stage(set_up, self.seed)
            try:
                for number in range(1, self.calls + 1):
                    began = loop.time()
                    self._turn(set_up, number)
                    sample = self.samples[(number - 1) % len(self.samples)]
                    phase = phase_of(number, self.calls)
                    closed = self.trouble.closed if self.trouble and phase == OUTAGE else {}
                    done.append(await stage.call(number, sample, phase, closed))
                    self.tell(done[-1])
                    await asyncio.sleep(max(0.0, began + EVERY_S - loop.time()))
            finally:
                await stage.close()
        return done

    def _turn(self, set_up: Twins, number: int) -> None:
        before, now = phase_of(number - 1, self.calls), phase_of(number, self.calls)
        if self.trouble and now != before:
            if now == OUTAGE:
                self.trouble.begin(set_up.providers)
            elif now == HEALED:
                self.trouble.end(set_up.providers)


class _Stage:
    """An engine on the event loop's clock, with seeded chance, that records nothing."""

    def __init__(self, set_up: Twins, seed: int) -> None:
        self._set_up = set_up
        self._now = asyncio.get_running_loop().time
        self._engine = build(
            set_up.settings,
            set_up.catalog,
            clock=Clock(now=self._now, wall=self._now),
            random=Random(seed),  # noqa: S311 - spreads load and retries, reproducibly
            ledger=Unrecorded(),
        )
        self.close = self._engine.close

    async def call(
        self, number: int, sample: Sample, phase: str, closed: Mapping[str, str]
    ) -> Call:
        """Hand over one subtask. `closed`: providers that nobody can connect to → the fault."""
        routing = self._set_up.catalog.routing
        seen = {name: len(twin.requests) for name, twin in self._set_up.providers.items()}
        began = self._now()
        order: list[str] = []
        answer: Answer | None = None
        error: RightmodelError | None = None
        try:
            decision = await self._engine.router.route(sample.task)
            order = [candidate.model for candidate in decision.candidates]
            answer = await self._engine.executor.complete(
                sample.task, deadline_s=routing.deadline_s, give_up_s=routing.give_up_s
            )
        except RightmodelError as failed:
            error = failed
        time_s = self._now() - began
        requests = self._requests(seen)
        attempts = answer.receipt.attempts if answer else getattr(error, "attempts", ())
        tries = tuple(self._tries(attempts, requests, began, closed))
        met = [*(request.fault for _, request in requests), *(one.met for one in tries)]
        return Call(
            number=number,
            sample=sample,
            phase=phase,
            first=order[0] if order else "",
            line=self._line(order),
            tries=tries,
            met=tuple(dict.fromkeys(name for name in met if name)),
            model=answer.receipt.model if answer else "",
            time_s=time_s,
            lost_s=attempts[-1].start_s if answer else time_s,
            cost_usd=answer.receipt.cost_usd if answer else _sum(attempts),
            error=self._set_up.as_real(render.error_text(error)) if error else "",
            code=render.error_code(error) if error else "",
        )

    def _line(self, order: Sequence[str]) -> tuple[str, ...]:
        models = (self._set_up.catalog.find(name) for name in order)
        return tuple(dict.fromkeys(e.provider.name for m in models for e in m.endpoints))

    def _requests(self, seen: Mapping[str, int]) -> list[tuple[str, Received]]:
        """What came to the twins since, with each one's name."""
        return [
            (name, request)
            for name, twin in self._set_up.providers.items()
            for request in twin.requests[seen[name] :]
        ]

    def _tries(
        self,
        attempts: Sequence[Attempt],
        requests: Sequence[tuple[str, Received]],
        began: float,
        closed: Mapping[str, str],
    ) -> Iterator[Try]:
        end = 0.0
        for attempt in attempts:
            met = [
                request.fault
                for name, request in requests
                if (name, request.model) == (attempt.provider, attempt.name)
                and attempt.start_s <= request.at - began <= attempt.start_s + attempt.time_s
                and request.fault
            ]
            if attempt.fault is Fault.CONNECTION and not met:
                met = [closed.get(attempt.provider, "")]
            yield Try(
                model=attempt.model,
                provider=attempt.provider,
                met=met[-1] if met else "",
                read=attempt.fault,
                status=attempt.status,
                time_s=attempt.time_s,
                waited_s=attempt.start_s - end,
                message=self._set_up.as_real(attempt.message),
            )
            end = attempt.start_s + attempt.time_s


def _sum(attempts: Sequence[Attempt]) -> Decimal | None:
    costs = [attempt.cost_usd for attempt in attempts]
    return None if None in costs else sum((c for c in costs if c is not None), Decimal(0))
