"""Executor, providers and health against simulated upstreams, on a clock that skips waiting."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any, Final, ParamSpec, cast

import pytest

from loopback import of_unknown_authority
from rightmodel.core.call import Answer, Attempt
from rightmodel.core.decision import Trust
from rightmodel.core.errors import ExhaustedError
from rightmodel.core.task import Task
from rightmodel.execution.engine import Clock, build
from rightmodel.execution.records import Unrecorded
from rightmodel.manifest.catalog import Catalog, Endpoint, Model, Provider, Routing, by_id
from rightmodel.manifest.price import Price
from rightmodel.manifest.settings import Settings
from rightmodel.simulator import Behaviour, SimulatedProvider
from rightmodel.simulator.clock import SkippingLoop
from rightmodel.simulator.dialects import DIALECTS
from rightmodel.surfaces.rendering import error_text
from rightmodel.upstream.connect import look_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping

    from rightmodel.core.fault import Fault
    from rightmodel.execution.executor import Executor
    from rightmodel.execution.health import Health
    from rightmodel.simulator.server import Step

P = ParamSpec("P")
BOUND_S: Final = 5000.0
KEY: Final = "sk-simulated-0001"
LONG: Final = "word " * 20_000
"""About 20,000 tokens of prompt."""


class _Loop(SkippingLoop):
    def run_in_executor(  # type: ignore[override]  # as in the class above it
        self, executor: Any, func: Any, *args: Any
    ) -> asyncio.Future[Any]:
        """Names of the domain that never exists are not found without asking the network."""
        if func is look_up and args[0].endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return super().run_in_executor(executor, func, *args)


def rehearsal(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """The test on the skipping clock; nothing in it can wait for ever."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(BOUND_S):
                await test(*args, **kwargs)

        with asyncio.Runner(loop_factory=_Loop) as runner:
            runner.run(bounded())

    return run


@dataclass(frozen=True)
class Harness:
    """Models "a/m", "b/m" …, each at a provider of its own, the first the cheapest."""

    upstreams: Mapping[str, SimulatedProvider]
    catalog: Catalog
    executor: Executor
    health: Health

    async def complete(
        self, task: Task | None = None, *, deadline_s: float = 50, give_up_s: float | None = None
    ) -> Answer:
        """An answer; nothing is left in flight."""
        try:
            return await self.executor.complete(
                task or Task("hi"), deadline_s=deadline_s, give_up_s=give_up_s
            )
        finally:
            assert self.health.in_flight == 0

    async def fails(
        self, task: Task | None = None, *, deadline_s: float = 50, give_up_s: float | None = None
    ) -> ExhaustedError:
        """The error of a call that gets no answer."""
        with pytest.raises(ExhaustedError) as caught:
            await self.complete(task, deadline_s=deadline_s, give_up_s=give_up_s)
        return caught.value

    def script(self, model: str, *steps: Step) -> None:
        provider, _, name = model.partition("/")
        self.upstreams[provider].script(name, steps)

    def join(self, model: str, other: str) -> None:
        """One model with the endpoints of both."""
        models = cast("dict[str, Model]", self.catalog.models)
        both = (*models[model].endpoints, *models.pop(other).endpoints)
        models[model] = replace(models[model], endpoints=both)

    def endpoint(self, model: str) -> Endpoint:
        return self.catalog.models[model].endpoints[0]

    def cooldown(self, model: str) -> float:
        return self.health.wait_s(self.endpoint(model))

    def request_times(self, provider: str) -> list[float]:
        """When the provider was asked, in seconds since its first request."""
        requests = self.upstreams[provider].requests
        return [request.at - requests[0].at for request in requests]


def tried(call: Answer | ExhaustedError) -> list[tuple[str, Fault | None]]:
    return [(a.model, a.fault) for a in attempts(call)]


def attempts(call: Answer | ExhaustedError) -> tuple[Attempt, ...]:
    return call.receipt.attempts if isinstance(call, Answer) else call.attempts


def machine_line(error: ExhaustedError) -> str:
    return error_text(error).splitlines()[-1]


@dataclass(frozen=True)
class Upstream:
    """One provider and its models. `dialect`: whose words it speaks. `context`: as the manifest
    has it. `behaviour`: of all its models. `trust`, `max_concurrency`, `one_model_at_a_time`: as in
    the manifest. `slots`: requests that it works on at once, 0 for all. `price`: USD per
    million tokens, by its position by default."""

    dialect: str = "openai"
    models: tuple[str, ...] = ("m",)
    context: int = 100_000
    output_limit: int = 16_000
    rating: float = 8.0
    features: tuple[str, ...] = ()
    effort: tuple[str, ...] = ()
    behaviour: Behaviour = Behaviour(answers="an answer")  # noqa: RUF009 - frozen
    tls: str = ""
    trust: Trust = Trust.any
    base_url: str = ""
    max_concurrency: int = 0
    one_model_at_a_time: bool = False
    slots: int = 0
    price: int = 0

    def simulated(self) -> SimulatedProvider:
        loop = asyncio.get_running_loop()
        return SimulatedProvider(
            DIALECTS[self.dialect].protocol,
            dialect=self.dialect,
            key=KEY,
            models=dict.fromkeys(self.models, self.behaviour),
            tls=of_unknown_authority() if self.tls == "self-signed" else None,
            clock=loop.time,
            sleep=_in_slots(self.slots) if self.slots else asyncio.sleep,
        )

    def address(self, simulated: SimulatedProvider) -> str:
        """The base URL: with `tls`, as if it spoke it."""
        url = self.base_url or simulated.base_url
        return url.replace("http:", "https:") if self.tls else url


def _in_slots(slots: int) -> Callable[[float], Coroutine[Any, Any, None]]:
    """A sleep that only so many requests can take at once: the queue of a busy server."""
    free = asyncio.Semaphore(slots)

    async def sleep(seconds: float) -> None:
        async with free:
            await asyncio.sleep(seconds)

    return sleep


@contextlib.asynccontextmanager
async def connected(
    routing: Routing = Routing(),  # noqa: B008 - frozen
    **upstreams: Upstream,
) -> AsyncIterator[Harness]:
    async with contextlib.AsyncExitStack() as stack:
        up = {n: await stack.enter_async_context(u.simulated()) for n, u in upstreams.items()}
        catalog = _catalog(up, upstreams, routing)
        now = asyncio.get_running_loop().time
        engine = build(
            Settings(None, {p.key_env: KEY for p in catalog.providers.values()}),
            catalog,
            clock=Clock(now=now, wall=now),
            random=Random(0),
            ledger=Unrecorded(),
        )
        stack.push_async_callback(engine.close)
        yield Harness(up, catalog, engine.executor, engine.health)


def _catalog(
    up: Mapping[str, SimulatedProvider], upstreams: Mapping[str, Upstream], routing: Routing
) -> Catalog:
    providers = {
        name: Provider(
            name,
            up[name].protocol,
            one.address(up[name]),
            key_env=f"{name.upper()}_KEY",
            trust=one.trust,
            max_concurrency=one.max_concurrency,
            one_model_at_a_time=one.one_model_at_a_time,
        )
        for name, one in upstreams.items()
    }
    models = [
        _model(f"{name}/{wire}", Endpoint(providers[name], wire), one, one.price or price)
        for price, (name, one) in enumerate(upstreams.items(), 1)
        for wire in one.models
    ]
    return Catalog(by_id(models), providers, routing=routing, baseline=models[-1].id)


def _model(model_id: str, endpoint: Endpoint, one: Upstream, price: int) -> Model:
    usd = Decimal(price) / 1_000_000
    return Model(
        model_id,
        (endpoint,),
        price=Price(usd, usd * 2),
        context=one.context,
        output_limit=one.output_limit,
        features=frozenset(one.features),
        effort=one.effort,
        skills={"general": one.rating},
    )
