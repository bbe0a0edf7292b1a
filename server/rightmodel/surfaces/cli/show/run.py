"""The run of a show: one call after the other, with an outage in the middle."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rightmodel.core.errors import RightmodelError
from rightmodel.surfaces.cli.show.call import HEALED, HEALTHY, OUTAGE, Traffic, outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from rightmodel.simulator.outage import Outage
    from rightmodel.simulator.samples import Sample
    from rightmodel.surfaces.cli.show.call import Call
    from rightmodel.surfaces.cli.show.stage import EngineStage, ServerStage
    from rightmodel.surfaces.cli.show.view import View


def _ignore(_: object) -> None:
    pass


def phases_of(calls: int) -> list[str]:
    """A third of the calls each; the rest goes to the outage."""
    third = calls // 3
    return [HEALTHY] * third + [OUTAGE] * (calls - 2 * third) + [HEALED] * third


@dataclass(slots=True)
class Run:
    """One run."""

    stage: EngineStage | ServerStage
    samples: Sequence[Sample]
    """In the order of their calls."""
    phases: Sequence[str]
    """Of each call."""
    outage: Callable[[Sequence[Call]], Outage | None] = _ignore
    """Plans the outage when it begins, from the calls so far."""
    view: View | None = None
    listen: Callable[[Call], object] = lambda _: None
    """Called with every finished call."""
    every_s: float = 0.0
    """From one call's start to the next one's, at least."""
    settle: Callable[[], Awaitable[object]] | None = None
    """Awaited when the outage is over."""
    calls: list[Call] = field(default_factory=list)
    _now: Outage | None = None

    async def perform(self) -> list[Call]:
        """All calls."""
        loop = asyncio.get_running_loop()
        before = ""
        for number, (sample, phase) in enumerate(zip(self.samples, self.phases, strict=True), 1):
            if phase != before:
                self._turn(phase)
                if phase == HEALED and self.settle:
                    await self.settle()
            before = phase
            began = loop.time()
            if self.view:
                self.view.begin(number, sample)
            self.calls.append(await self._call(number, sample, phase))
            self.listen(self.calls[-1])
            if self.view:
                self.view.call(self.calls[-1])
            await asyncio.sleep(max(0.0, began + self.every_s - loop.time()))
        return self.calls

    def _turn(self, phase: str) -> None:
        if phase == OUTAGE:
            self._now = self.outage(self.calls)
            if self._now:
                self._now.begin(self.stage.simulation.providers)
        elif phase == HEALED and self._now:
            self._now.end(self.stage.simulation.providers)
        if self.view and self._now:
            self.view.turn(phase, self._now)

    async def _call(self, number: int, sample: Sample, phase: str) -> Call:
        providers = self.stage.simulation.providers
        before = {name: len(p.requests) for name, p in providers.items()}
        facts = await self._decided(sample)
        began = asyncio.get_running_loop().time()
        result = await self.stage.complete(sample, self.view.progress if self.view else _ignore)
        closed = self._now.closed if self._now and phase == OUTAGE else {}
        traffic = Traffic(began, self.stage.slack_s, closed)
        for name, provider in providers.items():
            traffic.add(name, provider.requests[before[name] :])
        time_s = asyncio.get_running_loop().time() - began
        return outcome(sample, result, traffic, time_s=time_s, number=number, phase=phase, **facts)

    async def _decided(self, sample: Sample) -> dict[str, Any]:
        """The first choice and the providers in line, as all providers were healthy."""
        try:
            decision = await self.stage.engine.router.route(sample.task)
        except RightmodelError:  # the call itself will report it
            return {"first": "", "line": ()}
        order = [candidate.model for candidate in decision.candidates]
        models = (self.stage.engine.catalog.find(name) for name in order)
        line = dict.fromkeys(e.provider.name for m in models for e in m.endpoints)
        return {"first": order[0] if order else "", "line": tuple(line)}
