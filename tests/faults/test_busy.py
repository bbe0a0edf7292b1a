"""A busy server is not down: calls wait their share, then the next candidate answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from faults.harness import Harness, Upstream, attempts, connected, rehearsal, tried
from rightmodel.core.errors import ExhaustedError
from rightmodel.core.fault import Fault
from rightmodel.core.task import Task
from rightmodel.simulator import Behaviour, fault

if TYPE_CHECKING:
    from rightmodel.core.call import Answer

DEADLINE_S = 50.0
SLOW = Upstream(behaviour=Behaviour(answers="slow", first_token_s=2))
PAID = Upstream(behaviour=Behaviour(answers="paid"))
SWAPPING = Upstream(
    models=("m", "n"),
    one_model_at_a_time=True,
    behaviour=Behaviour(answers="local", first_token_s=5),
)


async def crowd(harness: Harness, count: int, model: str = "") -> list[Answer]:
    tasks = [Task(f"task {number}", model=model) for number in range(count)]
    return await asyncio.gather(
        *(harness.executor.complete(t, deadline_s=DEADLINE_S, give_up_s=600) for t in tasks)
    )


@pytest.mark.parametrize(
    "local",
    [replace(SLOW, max_concurrency=2), replace(SLOW, slots=2)],
    ids=["max_concurrency", "a queue at the server"],
)
@rehearsal
async def test_a_crowd_at_a_slow_server_is_answered_within_the_deadline(local: Upstream) -> None:
    async with connected(a=local, b=PAID) as harness:
        answers = await crowd(harness, 64)
        by = Counter(answer.receipt.model for answer in answers)
        assert by["a/m"] >= 12, "the cheaper server works all the time"
        assert all(answer.receipt.time_s < DEADLINE_S for answer in answers)
        faults = {f for answer in answers for _, f in tried(answer)}
        assert faults == {Fault.BUSY, None}
        assert harness.cooldown("a/m") == 0
        assert (await harness.complete()).receipt.model == "a/m"


@rehearsal
async def test_a_crowd_that_may_go_nowhere_else_waits_its_turn() -> None:
    async with connected(a=replace(SLOW, max_concurrency=4), b=PAID) as harness:
        answers = await crowd(harness, 32, model="a/m")
        assert [tried(answer) for answer in answers] == [[("a/m", None)]] * 32
        assert len(harness.request_times("b")) == 0


@rehearsal
async def test_a_server_that_was_busy_receives_fewer_requests_at_once_and_then_more_again() -> None:
    async with connected(a=replace(SLOW, slots=1), b=PAID) as harness:
        await crowd(harness, 30)
        limit = harness.health.traffic(harness.endpoint("a/m").provider)
        assert limit.limit < 16
        narrowed = limit.limit
        await crowd(harness, 6)
        assert limit.limit > narrowed


@rehearsal
async def test_a_silent_server_without_other_answers_is_down() -> None:
    async with connected(a=PAID, b=PAID) as harness:
        harness.upstreams["a"].fail_all(fault.no_first_byte())
        answer = await harness.complete()
        assert tried(answer) == [("a/m", Fault.TIMEOUT), ("b/m", None)]
        assert harness.cooldown("a/m") > 0


@rehearsal
async def test_the_loaded_model_comes_first_while_its_calls_run() -> None:
    async with connected(a=SWAPPING, b=PAID) as harness:
        running = asyncio.create_task(
            harness.executor.complete(Task("one", model="a/n"), deadline_s=DEADLINE_S)
        )
        await harness.upstreams["a"].until(lambda: harness.upstreams["a"].in_flight == 1)
        answer = await harness.executor.complete(Task("two"), deadline_s=DEADLINE_S)
        assert tried(answer) == [("a/n", None)]
        await running
        assert tried(await harness.complete(Task("three"))) == [("a/m", None)]


@rehearsal
async def test_a_pinned_model_waits_until_the_loaded_one_has_answered() -> None:
    async with connected(a=SWAPPING, b=PAID) as harness:
        running = asyncio.create_task(
            harness.executor.complete(Task("one", model="a/n"), deadline_s=DEADLINE_S)
        )
        await harness.upstreams["a"].until(lambda: harness.upstreams["a"].in_flight == 1)
        answer = await harness.executor.complete(Task("two", model="a/m"), deadline_s=DEADLINE_S)
        assert tried(answer) == [("a/m", None)]
        assert running.done(), "the other model is not unloaded under its call"


@pytest.mark.parametrize("down", [fault.no_first_byte(), fault.status(503)])
@rehearsal
async def test_a_server_that_holds_one_model_is_left_after_a_fault(
    down: fault.SimulatedFault,
) -> None:
    async with connected(a=SWAPPING) as harness:
        harness.script("a/m", down, down, down)
        try:
            call: Answer | ExhaustedError = await harness.complete()
        except ExhaustedError as error:
            call = error
        assert {attempt.model for attempt in attempts(call)} == {"a/m"}


@rehearsal
async def test_a_request_that_a_busy_server_had_taken_is_paid_for() -> None:
    async with connected(a=replace(SLOW, slots=1), b=PAID) as harness:
        answers = await crowd(harness, 30)
        busy = [a for answer in answers for a in attempts(answer) if a.fault is Fault.BUSY]
        sent = [a for a in busy if "while other calls were answered" in a.message]
        assert sent
        assert all(a.cost_usd for a in sent)
        assert all(a.cost_usd == 0 for a in busy if a not in sent)
