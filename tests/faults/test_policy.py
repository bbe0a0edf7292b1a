from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from faults.harness import Upstream, attempts, connected, machine_line, rehearsal, tried
from rightmodel.core.decision import Trust
from rightmodel.core.errors import ExhaustedError
from rightmodel.core.fault import Fault
from rightmodel.core.task import ChatRequest, Message, Task, Turn, WireFormat
from rightmodel.execution.breaker import FIRST_COOLDOWN_S, MOST_COOLDOWN_S, OUT_S
from rightmodel.execution.call_state import PROBE_S
from rightmodel.execution.executor import MOST_PAUSE_S
from rightmodel.execution.health import RETRY_WINDOW_S
from rightmodel.execution.next_step import BACKOFF_S
from rightmodel.manifest.catalog import Routing
from rightmodel.simulator import Behaviour, SimulatedFault, fault

if TYPE_CHECKING:
    from rightmodel.core.call import Completion
    from rightmodel.upstream.live import Watch
    from rightmodel.wire.request import ModelRequest

OPENAI = Upstream()
SLOW = Upstream(behaviour=Behaviour(answers="slow", first_token_s=3))


@pytest.mark.parametrize("most", [1, 2, 3, 4])
@rehearsal
async def test_a_call_makes_no_more_attempts_than_the_manifest_allows(most: int) -> None:
    routing = Routing(max_attempts=most)
    async with connected(routing, a=OPENAI, b=OPENAI) as harness:
        for upstream in harness.upstreams.values():
            upstream.fail_all(fault.status(503))
        assert len(tried(await harness.fails())) == most


@rehearsal
async def test_open_circuits_do_not_use_up_the_attempts() -> None:
    closed = Upstream(base_url="http://127.0.0.1:1/v1")
    async with connected(
        Routing(max_attempts=1), a=closed, b=OPENAI, c=OPENAI, d=OPENAI, e=OPENAI
    ) as harness:
        for name, status in (("b", 401), ("c", 402), ("d", 404)):
            harness.upstreams[name].fail_all(fault.status(status))
        answer = await harness.complete()
        assert [model for model, _ in tried(answer)] == ["a/m", "b/m", "c/m", "d/m", "e/m"]


@rehearsal
async def test_nothing_is_waited_for_past_the_deadline() -> None:
    async with connected(a=OPENAI) as harness:
        harness.upstreams["a"].fail_all(fault.status(503))
        began = asyncio.get_running_loop().time()
        error = await harness.fails(deadline_s=FIRST_COOLDOWN_S - 1)
        assert asyncio.get_running_loop().time() - began < 0.5
        assert tried(error) == [("a/m", Fault.OVERLOADED)]
        assert machine_line(error) == "[code=overloaded retryable=yes retry_after=5s tried=a/m]"


def turn_of(ask: str) -> Task:
    body = {"model": "auto", "messages": [{"role": "user", "content": ask}]}
    request = ChatRequest("auto", (Message.of("user", ask),))
    turn = Turn(request, WireFormat.OPENAI_CHAT, json.dumps(body).encode(), body)
    return Task(ask, turn=turn)


@rehearsal
async def test_a_silent_last_attempt_of_a_turn_ends_at_the_deadline_if_a_model_is_untried() -> None:
    """Its client tries it again by itself, and reaches that model at once."""
    silent = Upstream(behaviour=Behaviour(answers="slow", first_token_s=10_000))
    async with connected(Routing(max_attempts=1), a=silent, b=OPENAI) as harness:
        error = await harness.fails(turn_of("hi"), deadline_s=50, give_up_s=600)
        assert tried(error) == [("a/m", Fault.TIMEOUT)]
        assert attempts(error)[0].time_s == pytest.approx(50, abs=0.5)
        assert tried(await harness.complete(turn_of("hi"))) == [("b/m", None)]


@rehearsal
async def test_a_silent_last_attempt_of_a_turn_has_all_the_time_if_no_model_is_left() -> None:
    silent = Upstream(behaviour=Behaviour(answers="slow", first_token_s=10_000))
    async with connected(Routing(max_attempts=2), a=OPENAI, b=silent) as harness:
        harness.upstreams["a"].fail_all(fault.status(503))
        error = await harness.fails(turn_of("hi"), deadline_s=50, give_up_s=600)
        assert attempts(error)[-1].time_s == pytest.approx(600, abs=5)


@rehearsal
async def test_a_turn_whose_only_model_always_breaks_fails_within_seconds() -> None:
    """Its client tries it again by itself, and a person waits for it."""
    async with connected(a=OPENAI) as harness:
        harness.upstreams["a"].fail_all(fault.status(500))
        error = await harness.fails(turn_of("hi"))
        assert tried(error) == [("a/m", Fault.SERVER)] * 3
        assert attempts(error)[-1].start_s <= 6 * BACKOFF_S
        assert "the provider has a fault: try again later" in str(error)
        assert machine_line(error) == "[code=server_error retryable=yes retry_after=20s tried=a/m]"


@rehearsal
async def test_a_retry_comes_after_a_random_backoff() -> None:
    async with connected(a=OPENAI) as harness:
        harness.upstreams["a"].fail_all(fault.rate_limit("0.01"))
        await harness.fails()
        first, second, third = harness.request_times("a")
        assert 0.02 < second - first <= 2 * BACKOFF_S + 0.1
        assert 0.02 < third - second <= 4 * BACKOFF_S + 0.1
        assert second - first != pytest.approx(2 * BACKOFF_S, abs=0.01)


@rehearsal
async def test_retries_stop_when_the_budget_of_the_last_minute_is_used_up() -> None:
    async with connected(a=OPENAI) as harness:
        harness.upstreams["a"].fail_all(fault.rate_limit("0.01"))
        calls = [await harness.fails() for _ in range(3)]
        assert [len(tried(call)) for call in calls] == [3, 2, 1]
        await asyncio.sleep(RETRY_WINDOW_S)
        assert len(tried(await harness.fails())) == 3


@pytest.mark.parametrize(
    ("broke", "last"),
    [
        (fault.status(500), (MOST_COOLDOWN_S, MOST_COOLDOWN_S)),
        (fault.no_first_byte(), (160, 320, OUT_S, OUT_S)),
    ],
    ids=["an error", "silence"],
)
@rehearsal
async def test_each_further_fault_in_a_row_doubles_the_cooldown_up_to_its_most(
    broke: SimulatedFault, last: tuple[float, ...]
) -> None:
    async with connected(a=OPENAI, b=OPENAI) as harness:
        harness.upstreams["a"].fail_all(broke)
        for seconds in (5, 10, 20, 40, 80, *last):
            await harness.complete()
            assert harness.cooldown("a/m") == pytest.approx(seconds, abs=0.5)
            await asyncio.sleep(harness.cooldown("a/m"))


@rehearsal
async def test_calls_that_meet_the_same_outage_count_as_one_fault() -> None:
    async with connected(a=SLOW, b=OPENAI) as harness:
        harness.upstreams["a"].fail_all(fault.late(1, fault.status(503)))
        calls = [
            asyncio.create_task(harness.executor.complete(Task(f"{n}"), deadline_s=50))
            for n in range(20)
        ]
        await asyncio.gather(*calls)
        assert len(harness.request_times("a")) == 20
        assert harness.cooldown("a/m") == pytest.approx(FIRST_COOLDOWN_S, abs=0.5)


@rehearsal
async def test_one_probe_alone_finds_out_whether_it_is_over() -> None:
    async with connected(a=SLOW) as harness:
        harness.upstreams["a"].fail_all(fault.status(503))
        asyncio.get_running_loop().call_later(1, harness.upstreams["a"].heal)
        calls = [
            asyncio.create_task(harness.executor.complete(Task(f"{n}"), deadline_s=50))
            for n in range(3)
        ]
        answers = await asyncio.gather(*calls)
        assert [a.text for a in answers] == ["slow"] * 3
        probe, *others = harness.request_times("a")[3:]
        assert probe == pytest.approx(FIRST_COOLDOWN_S, abs=0.7)
        assert all(at > probe + 3 for at in others)


@rehearsal
async def test_the_last_endpoint_is_never_excluded() -> None:
    async with connected(a=OPENAI) as harness:
        harness.script("a/m", fault.insufficient_quota())
        await harness.fails()
        assert harness.cooldown("a/m") == pytest.approx(OUT_S, abs=0.5)
        assert tried(await harness.complete()) == [("a/m", None)]
        assert harness.cooldown("a/m") == 0


@rehearsal
async def test_a_fault_that_comes_later_does_not_shorten_a_cooldown() -> None:
    async with connected(a=OPENAI, b=OPENAI) as harness:
        limited = fault.late(1, fault.rate_limit("300"))
        harness.script("a/m", limited, fault.late(2, fault.rate_limit("1")))
        calls = [
            asyncio.create_task(harness.executor.complete(Task(f"{n}"), deadline_s=50))
            for n in range(2)
        ]
        await asyncio.gather(*calls)
        assert harness.cooldown("a/m") == pytest.approx(299, abs=0.5)


@rehearsal
async def test_a_cancelled_call_hangs_up_and_leaves_nothing_in_flight() -> None:
    async with connected(a=SLOW) as harness:
        upstream = harness.upstreams["a"]
        call = asyncio.create_task(harness.executor.complete(Task("hi"), deadline_s=50))
        await upstream.until(lambda: upstream.in_flight == 1)
        assert harness.health.in_flight == 1
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (harness.health.in_flight, harness.cooldown("a/m")) == (0, 0)
        await upstream.until(lambda: upstream.in_flight == 0)
        assert upstream.requests[0].cancelled


@rehearsal
async def test_load_goes_to_the_endpoint_with_fewer_calls_in_flight() -> None:
    async with connected(a=SLOW, b=SLOW) as harness:
        harness.join("a/m", "b/m")
        calls = [
            asyncio.create_task(harness.executor.complete(Task(f"{n}"), deadline_s=50))
            for n in range(10)
        ]
        await asyncio.gather(*calls)
        assert [len(harness.request_times(name)) for name in ("a", "b")] == [5, 5]


@rehearsal
async def test_another_endpoint_of_the_same_model_comes_before_another_model() -> None:
    async with connected(a=OPENAI, b=OPENAI, c=OPENAI) as harness:
        harness.join("a/m", "b/m")
        for upstream in (harness.upstreams["a"], harness.upstreams["b"]):
            upstream.script("m", [fault.status(503)])
        found = attempts(await harness.complete())
        assert [a.provider for a in found][2:] == ["c"]
        assert {a.provider for a in found[:2]} == {"a", "b"}


@rehearsal
async def test_the_other_models_of_a_provider_in_trouble_come_last() -> None:
    async with connected(a=Upstream(models=("m", "n", "o")), b=OPENAI) as harness:
        harness.upstreams["a"].fail_all(fault.status(503))
        assert tried(await harness.complete()) == [("a/m", Fault.OVERLOADED), ("b/m", None)]
        harness.upstreams["b"].fail_all(fault.status(503))
        error = await harness.fails()
        assert [model for model, _ in tried(error)] == ["a/n", "b/m", "a/o"]


@pytest.mark.parametrize(
    ("down", "reading"),
    [(fault.status(404), Fault.NOT_FOUND), (fault.empty_content(), Fault.EMPTY)],
)
@rehearsal
async def test_a_provider_without_its_models_or_without_answers_is_not_retried(
    down: SimulatedFault, reading: Fault
) -> None:
    async with connected(a=Upstream(models=("m", "n", "o")), b=OPENAI) as harness:
        harness.upstreams["a"].fail_all(down)
        assert tried(await harness.complete()) == [("a/m", reading), ("b/m", None)]


@rehearsal
async def test_an_unreachable_provider_is_not_tried_model_by_model() -> None:
    async with connected(a=Upstream(models=("m", "n", "o")), b=OPENAI) as harness:
        harness.upstreams["a"].fail_all(fault.refused())
        assert tried(await harness.complete()) == [("a/m", Fault.CONNECTION), ("b/m", None)]
        assert tried(await harness.complete()) == [("b/m", None)]


@rehearsal
async def test_no_second_request_goes_out_while_the_first_is_slow() -> None:
    async with connected(a=replace(SLOW), b=OPENAI) as harness:
        assert (await harness.complete()).text == "slow"
        assert harness.upstreams["b"].requests == []


@rehearsal
async def test_what_must_stay_local_is_not_sent_elsewhere_whatever_fails() -> None:
    async with connected(a=Upstream(trust=Trust.local), b=OPENAI) as harness:
        harness.join("a/m", "b/m")
        harness.upstreams["a"].fail_all(fault.status(503))
        decision = await harness.executor._router.route(Task("hi"))
        local = replace(decision, requirements=replace(decision.requirements, trust=Trust.local))

        async def route(_: Task) -> object:
            return local

        harness.executor._router.route = route  # type: ignore[method-assign, assignment]
        with pytest.raises(ExhaustedError) as caught:
            await harness.complete()
        assert {a.provider for a in caught.value.attempts} == {"a"}
        assert harness.upstreams["b"].requests == []


@rehearsal
async def test_an_error_that_repeats_is_listed_once_with_the_number_of_attempts() -> None:
    async with connected(a=OPENAI) as harness:
        harness.upstreams["a"].fail_all(fault.status(503))
        with pytest.raises(ExhaustedError) as caught:
            await harness.complete()
        attempts = len(caught.value.attempts)
        assert attempts > 1
        assert str(caught.value).count("503") == 1
        assert f"({attempts} attempts)" in str(caught.value)


@rehearsal
async def test_a_full_concurrency_limiter_is_no_fault_of_the_endpoint() -> None:
    hung = replace(SLOW, max_concurrency=1, behaviour=Behaviour(first_token_s=40))
    async with connected(a=hung) as harness:
        first = asyncio.create_task(harness.executor.complete(Task("one"), deadline_s=50))
        await harness.upstreams["a"].until(lambda: harness.upstreams["a"].in_flight == 1)
        with pytest.raises(ExhaustedError, match="a was busy: 1 requests"):
            await harness.executor.complete(Task("two"), deadline_s=1)
        assert harness.cooldown("a/m") == 0
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)


@pytest.mark.parametrize("jump_s", [86_400.0, -86_400.0])
@rehearsal
async def test_a_clock_that_jumps_changes_no_cooldown(
    monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    async with connected(a=OPENAI, b=OPENAI) as harness:
        harness.script("a/m", fault.rate_limit("300"))
        harness.script("b/m", fault.rate_limit(date_in_s=20))
        real = time.time
        loop = asyncio.get_running_loop()
        loop.call_later(10, monkeypatch.setattr, time, "time", lambda: real() + jump_s)
        answer = await harness.complete()
        assert [f for _, f in tried(answer)] == [Fault.RATE_LIMITED, Fault.RATE_LIMITED, None]
        assert 20 <= attempts(answer)[-1].start_s <= 21.5  # the jitter of a first retry
        assert harness.cooldown("a/m") == pytest.approx(300 - answer.receipt.time_s, abs=0.5)


@rehearsal
async def test_whoever_waits_for_one_endpoint_notices_that_another_is_back() -> None:
    async with connected(a=OPENAI, b=OPENAI) as harness:
        harness.upstreams["a"].fail_all(fault.rate_limit("40"))
        harness.upstreams["b"].fail_all(fault.rate_limit("45"))
        waiting = asyncio.create_task(harness.executor.complete(Task("hi"), deadline_s=50))
        await harness.upstreams["b"].until(lambda: bool(harness.upstreams["b"].requests))
        await asyncio.sleep(3)
        harness.upstreams["b"].heal()
        harness.health.begin(harness.endpoint("b/m"))
        harness.health.succeed(harness.endpoint("b/m"), 0.1)  # another call found out
        answer = await waiting
        assert tried(answer)[-1] == ("b/m", None)
        assert attempts(answer)[-1].start_s < MOST_PAUSE_S + 2


@rehearsal
async def test_a_probe_of_a_silent_endpoint_is_short() -> None:
    async with connected(a=OPENAI, b=OPENAI) as harness:
        harness.upstreams["a"].fail_all(fault.no_first_byte())
        first = await harness.complete(deadline_s=48)
        assert attempts(first)[0].time_s == pytest.approx(48 / 3, abs=0.5)
        await asyncio.sleep(FIRST_COOLDOWN_S)
        probe = await harness.complete(deadline_s=48)
        assert tried(probe) == [("a/m", Fault.TIMEOUT), ("b/m", None)]
        assert attempts(probe)[0].time_s == pytest.approx(PROBE_S, abs=0.5)


@pytest.mark.parametrize("unexpected", [KeyError("x"), RecursionError(), UnicodeError("x")])
@rehearsal
async def test_an_unexpected_error_is_that_attempt_s_failure(
    monkeypatch: pytest.MonkeyPatch, unexpected: Exception
) -> None:
    async with connected(a=OPENAI, b=OPENAI) as harness:
        upstream = harness.executor._attempts._upstreams[harness.endpoint("a/m").provider.protocol]
        complete = upstream.complete

        async def broken(request: ModelRequest, watch: Watch | None = None) -> Completion:
            if request.provider.name == "a":
                raise unexpected
            return await complete(request, watch)

        monkeypatch.setattr(upstream, "complete", broken)
        answer = await harness.complete()
        assert tried(answer) == [("a/m", Fault.MALFORMED), ("b/m", None)]
        assert type(unexpected).__name__ in attempts(answer)[0].message
        assert harness.cooldown("a/m") == 0, "the request may have been the cause"


@rehearsal
async def test_an_error_says_that_the_ceiling_kept_the_call_from_a_dearer_model() -> None:
    async with connected(a=OPENAI, b=Upstream(price=500_000)) as harness:
        harness.upstreams["a"].fail_all(fault.status(503))
        error = await harness.fails(Task("hi", max_cost_usd=Decimal("0.1")))
        assert {model for model, _ in tried(error)} == {"a/m"}
        assert "max_cost_usd kept the call from b/m: raise it" in str(error)
