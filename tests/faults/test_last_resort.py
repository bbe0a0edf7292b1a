"""What is out for long is not forgotten where everything else is down."""

from __future__ import annotations

import asyncio

import pytest

from faults.harness import Upstream, attempts, connected, rehearsal, tried
from rightmodel.core.fault import Fault
from rightmodel.core.task import Task
from rightmodel.execution.breaker import FIRST_COOLDOWN_S
from rightmodel.execution.next_step import MOST_RECHECKS, RECHECK_S
from rightmodel.simulator import SimulatedFault, fault

OPENAI = Upstream()
OUT = [
    pytest.param(fault.insufficient_quota(), Fault.QUOTA, id="key"),
    pytest.param(fault.status(404), Fault.NOT_FOUND, id="model"),
]


@pytest.mark.parametrize(("broke", "reading"), OUT)
@rehearsal
async def test_where_all_else_is_down_what_is_out_is_tried_all_the_same(
    broke: SimulatedFault, reading: Fault
) -> None:
    async with connected(a=OPENAI, b=OPENAI) as harness:
        harness.script("a/m", broke)
        assert tried(await harness.complete()) == [("a/m", reading), ("b/m", None)]
        harness.upstreams["b"].fail_all(fault.status(503))
        await asyncio.sleep(FIRST_COOLDOWN_S)
        assert tried(await harness.complete()) == [("b/m", Fault.OVERLOADED), ("a/m", None)]
        assert harness.cooldown("a/m") == 0


@pytest.mark.parametrize(("broke", "reading"), OUT)
@rehearsal
async def test_one_call_in_five_seconds_tries_it(broke: SimulatedFault, reading: Fault) -> None:
    async with connected(a=OPENAI, b=OPENAI) as harness:
        harness.upstreams["a"].fail_all(broke)
        assert tried(await harness.complete())[0] == ("a/m", reading)
        harness.upstreams["b"].fail_all(fault.rate_limit("300"))
        asked = []
        for _ in range(80):
            await asyncio.sleep(1)
            before = len(harness.request_times("a"))
            await harness.fails(deadline_s=1)
            asked.append(len(harness.request_times("a")) - before)
        assert sum(asked) == pytest.approx(80 / FIRST_COOLDOWN_S, abs=1)


@rehearsal
async def test_it_is_tried_before_a_provider_that_has_failed_in_the_call() -> None:
    async with connected(a=Upstream(models=("m", "n", "o")), b=OPENAI) as harness:
        harness.script("b/m", fault.insufficient_quota())
        await harness.fails(Task("hi", model="b/m"))
        await asyncio.sleep(FIRST_COOLDOWN_S)
        harness.upstreams["a"].fail_all(fault.status(503))
        assert tried(await harness.complete()) == [("a/m", Fault.OVERLOADED), ("b/m", None)]


@rehearsal
async def test_before_its_last_attempt_a_call_probes_another_provider() -> None:
    async with connected(a=Upstream(models=("m", "n", "o")), b=OPENAI) as harness:
        harness.script("b/m", fault.status(503))
        await harness.fails(Task("hi", model="b/m"), deadline_s=1)
        harness.upstreams["a"].fail_all(fault.status(503))
        answer = await harness.complete()
        overloaded = Fault.OVERLOADED
        assert tried(answer) == [("a/m", overloaded), ("a/n", overloaded), ("b/m", None)]
        assert attempts(answer)[-1].start_s == pytest.approx(FIRST_COOLDOWN_S, abs=1.1)


@rehearsal
async def test_the_probe_is_short() -> None:
    async with connected(a=Upstream(models=("m", "n", "o")), b=OPENAI) as harness:
        harness.script("b/m", fault.rate_limit("300"))
        await harness.fails(Task("hi", model="b/m"), deadline_s=1)
        await asyncio.sleep(FIRST_COOLDOWN_S)  # who said when to come back is not tried before
        harness.upstreams["a"].fail_all(fault.status(503))
        error = await harness.fails()
        assert [model for model, _ in tried(error)] == ["a/m", "a/n", "a/o"]
        assert attempts(error)[-1].start_s == pytest.approx(MOST_RECHECKS * RECHECK_S, abs=0.5)


@rehearsal
async def test_a_silent_last_attempt_leaves_the_background_to_a_model_that_was_not_tried() -> None:
    async with connected(a=OPENAI, b=OPENAI, c=OPENAI, d=OPENAI) as harness:
        for name in "abc":
            harness.upstreams[name].fail_all(fault.no_first_byte())
        answer = await harness.complete(give_up_s=600)
        silent = [(f"{name}/m", Fault.TIMEOUT) for name in "abc"]
        assert tried(answer) == [*silent, ("d/m", None)]
        assert attempts(answer)[-1].start_s == pytest.approx(50, abs=1)
        harness.upstreams["d"].fail_all(fault.no_first_byte())
        assert len((await harness.fails(give_up_s=600)).attempts) <= 4
