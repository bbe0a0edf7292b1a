"""`max_concurrency` under every order of coming, going, cancelling and running out of time."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault, Scope
from rightmodel.core.task import WireFormat
from rightmodel.execution.attempt import slot
from rightmodel.execution.health import Health
from rightmodel.manifest.catalog import Endpoint, Provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

URL = "http://127.0.0.1:9/v1"
EVENT = st.one_of(
    st.just(("comes", 0)),
    st.just(("comes too late", 0)),
    st.tuples(st.sampled_from(["leaves", "is cancelled"]), st.integers(0, 8)),
)
TURNS = st.lists(st.lists(EVENT, min_size=1, max_size=6), min_size=1, max_size=12)
"""What happens between two turns of the loop, before anybody can react to it."""


def unlimited() -> Health:
    return Health(lambda: 0.0, lambda: 0.5)


@contextlib.asynccontextmanager
async def held(health: Health, endpoint: Endpoint, until: float) -> AsyncIterator[None]:
    """A slot, as an attempt takes it."""
    ticket = health.begin(endpoint) or await slot(health, endpoint, until)
    try:
        yield
    finally:
        health.release(endpoint, ticket)


class Call:
    """A task that acquires a slot and holds it until released."""

    def __init__(self, health: Health, provider: Provider, *, late: bool) -> None:
        self.inside = False
        self.go = asyncio.Event()
        until = asyncio.get_running_loop().time() + (-1 if late else 3600)
        self.task = asyncio.create_task(self._run(health, provider, until))

    async def _run(self, health: Health, provider: Provider, until: float) -> None:
        async with held(health, Endpoint(provider, "m"), until):
            self.inside = True
            try:
                await self.go.wait()
            finally:
                self.inside = False


def apply(calls: list[Call], what: str, which: int) -> None:
    here = [call for call in calls if not call.task.done()]
    if not here:
        return
    call = here[which % len(here)]
    if what == "leaves":
        call.go.set()
    else:
        call.task.cancel()


async def settled() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


async def ended(call: Call) -> None:
    with contextlib.suppress(asyncio.CancelledError, ProviderError):
        await call.task


@given(st.integers(1, 3), TURNS)
def test_slots_go_to_the_longest_waiting_and_none_is_lost(
    most: int, turns: list[list[tuple[str, int]]]
) -> None:
    async def run() -> None:
        health = unlimited()
        provider = Provider("p", WireFormat.OPENAI_CHAT, URL, max_concurrency=most)
        calls: list[Call] = []
        for events in turns:
            for what, which in events:
                if what.startswith("comes"):
                    calls.append(Call(health, provider, late=what == "comes too late"))
                else:
                    apply(calls, what, which)
            await settled()
            here = [call for call in calls if not call.task.done()]
            assert [call.inside for call in here] == [n < most for n in range(len(here))]
        for call in calls:
            call.go.set()
        for call in calls:
            await ended(call)
        for call in calls:
            if not call.task.cancelled() and (error := call.task.exception()):
                assert isinstance(error, ProviderError)
                assert (error.fault, error.scope) == (Fault.BUSY, Scope.REQUEST)

    asyncio.run(run())


async def test_without_a_limit_there_is_no_wait() -> None:
    health, provider = unlimited(), Provider("p", WireFormat.OPENAI_CHAT, URL)
    calls = [Call(health, provider, late=True) for _ in range(50)]
    await settled()
    assert all(call.inside for call in calls)
    for call in calls:
        call.go.set()
    await asyncio.gather(*(call.task for call in calls))


async def test_a_provider_that_holds_one_model_serves_another_when_the_first_has_ended() -> None:
    health = unlimited()
    provider = Provider("p", WireFormat.OPENAI_CHAT, URL, one_model_at_a_time=True)
    order: list[str] = []

    async def call(model: str) -> None:
        async with held(health, Endpoint(provider, model), float("inf")):
            order.append(f"{model} begins")
            await settled()
            order.append(f"{model} ends")

    await asyncio.gather(*(call(model) for model in ("a", "a", "b", "a")))
    a, b = ["a begins", "a ends"], ["b begins", "b ends"]
    assert order == ["a begins", "a begins", "a ends", "a ends", *b, *a]


async def test_who_waits_behind_another_model_goes_on_when_that_call_is_cancelled() -> None:
    """Room for them is there all the time; the one in front of them has none."""
    health = unlimited()
    provider = Provider("p", WireFormat.OPENAI_CHAT, URL, one_model_at_a_time=True)
    release, inside = asyncio.Event(), list[str]()

    async def call(model: str) -> None:
        async with held(health, Endpoint(provider, model), float("inf")):
            inside.append(model)
            await release.wait()

    _, other, _ = calls = [asyncio.create_task(call(model)) for model in ("a", "b", "a")]
    await settled()
    other.cancel()
    await settled()
    assert inside == ["a", "a"]
    release.set()
    await asyncio.wait(calls)
