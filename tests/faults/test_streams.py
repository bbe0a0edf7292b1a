from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from faults.harness import Upstream, attempts, connected, machine_line, rehearsal, tried
from rightmodel.core.fault import Fault
from rightmodel.core.task import Task
from rightmodel.execution import outcome
from rightmodel.execution.attempt import STALL_S
from rightmodel.execution.breaker import FIRST_COOLDOWN_S
from rightmodel.execution.call_state import LEAST_FIRST_TOKEN_S
from rightmodel.simulator import Behaviour, SimulatedFault, fault
from rightmodel.simulator.fault.base import made

if TYPE_CHECKING:
    from rightmodel.simulator.call import Call
    from rightmodel.simulator.transport import Response

OPENAI, ANTHROPIC, GEMINI = Upstream(), Upstream("anthropic"), Upstream("gemini")
PROTOCOLS = [pytest.param(u, id=u.dialect) for u in (OPENAI, ANTHROPIC, GEMINI)]
PRICE = Decimal(1) / 1_000_000
"""Of a token of a prompt at the first model."""
LONG_ANSWER = Behaviour(answers="word " * 200)
SILENT = [
    pytest.param(fault.no_first_byte(), id="not even a status"),
    pytest.param(fault.no_first_event(), id="a head and no event"),
    pytest.param(fault.comments_forever(), id="nothing but comments"),
]
BROKEN = [
    pytest.param(fault.no_done(), Fault.CONNECTION, id="clean close without a finish reason"),
    pytest.param(fault.cut_in_event(), Fault.CONNECTION, id="cut inside an event"),
    pytest.param(fault.clean_cut_in_event(), Fault.CONNECTION, id="cut and tidied up"),
    pytest.param(fault.reset_midway(), Fault.CONNECTION, id="reset in the middle"),
    pytest.param(fault.garbage_chunk(), Fault.MALFORMED, id="a chunk that is no JSON"),
]


@pytest.mark.parametrize("silent", SILENT)
@pytest.mark.parametrize("upstream", PROTOCOLS)
@rehearsal
async def test_no_first_token_within_its_share_of_the_time_goes_elsewhere(
    upstream: Upstream, silent: SimulatedFault
) -> None:
    if upstream.dialect == "gemini" and silent.name == "comments_forever":
        silent = fault.no_first_event()  # Gemini sends no comments
    async with connected(a=upstream, b=OPENAI) as harness:
        harness.script("a/m", silent)
        answer = await harness.complete(deadline_s=12)
        assert tried(answer) == [("a/m", Fault.TIMEOUT), ("b/m", None)]
        first, second = attempts(answer)
        assert first.message.startswith("no first token after 4.")
        assert second.start_s == pytest.approx(12 / 3, abs=0.5)
        assert first.first_token_s is None
        assert first.cost_usd == answer.receipt.decision.requirements.input_tokens * PRICE
        assert harness.cooldown("a/m") == pytest.approx(FIRST_COOLDOWN_S, abs=0.5)


@rehearsal
async def test_a_lone_model_that_said_nothing_is_asked_again_after_its_cooldown() -> None:
    async with connected(a=OPENAI) as harness:
        harness.script("a/m", fault.no_first_byte())
        answer = await harness.complete(deadline_s=30)
        assert tried(answer) == [("a/m", Fault.TIMEOUT), ("a/m", None)]
        assert harness.request_times("a")[1] == pytest.approx(30 / 2 + FIRST_COOLDOWN_S, abs=0.5)


@rehearsal
async def test_silence_everywhere_ends_with_the_deadline() -> None:
    async with connected(a=OPENAI, b=OPENAI, c=OPENAI) as harness:
        for upstream in harness.upstreams.values():
            upstream.fail_all(fault.no_first_byte())
        began = asyncio.get_running_loop().time()
        error = await harness.fails(deadline_s=12)
        assert asyncio.get_running_loop().time() - began == pytest.approx(12, abs=0.5)
        # A third of the time, half of what is left, all of what is left.
        assert [a.time_s for a in attempts(error)] == pytest.approx([4, 4, 4], abs=0.3)
        assert "allow a longer deadline" in str(error)
        assert machine_line(error).startswith("[code=timeout retryable=yes")


@rehearsal
async def test_the_least_time_for_a_first_token_does_not_outlast_the_call() -> None:
    async with connected(a=OPENAI, b=OPENAI) as harness:
        harness.upstreams["a"].fail_all(fault.no_first_byte())
        began = asyncio.get_running_loop().time()
        await harness.fails(deadline_s=LEAST_FIRST_TOKEN_S / 2)
        took = asyncio.get_running_loop().time() - began
        assert took == pytest.approx(LEAST_FIRST_TOKEN_S / 2, abs=0.3)


async def test_what_came_while_the_process_was_stopped_is_no_silence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outcome, "STOPPED_S", 0.02)
    loop = asyncio.get_running_loop()
    part: asyncio.Future[str] = loop.create_future()

    def stop() -> None:
        loop.call_soon_threadsafe(part.set_result, "an answer")
        time.sleep(0.1)

    loop.call_soon(stop)
    with outcome.Watch(loop.time, loop.time() + 0.01):
        assert await part == "an answer"
    with pytest.raises(TimeoutError), outcome.Watch(loop.time, loop.time() + 0.01):
        await loop.create_future()


@rehearsal
async def test_a_reasoning_model_has_half_of_the_time_to_its_first_token() -> None:
    async with connected(a=Upstream(features=("reasoning",)), b=OPENAI) as harness:
        harness.script("a/m", fault.no_first_byte())
        task = Task("hi", model="a/m,b/m", effort="high")
        answer = await harness.complete(task, deadline_s=12)
        assert attempts(answer)[0].time_s == pytest.approx(12 / 2, abs=0.5)


@pytest.mark.parametrize("upstream", PROTOCOLS)
@rehearsal
async def test_a_stall_in_mid_stream_fails_over_and_the_received_part_is_charged(
    upstream: Upstream,
) -> None:
    async with connected(a=replace(upstream, behaviour=LONG_ANSWER), b=OPENAI) as harness:
        harness.script("a/m", fault.stall())
        answer = await harness.complete(give_up_s=300)
        assert tried(answer) == [("a/m", Fault.TIMEOUT), ("b/m", None)]
        first = attempts(answer)[0]
        assert first.message.startswith("the answer stalled")
        assert first.time_s == pytest.approx(50 / 2, abs=1.1)
        assert first.cost_usd
        assert answer.text == "an answer"


@rehearsal
async def test_a_stall_leaves_the_next_candidate_half_of_a_short_deadline() -> None:
    async with connected(a=Upstream(behaviour=LONG_ANSWER), b=OPENAI) as harness:
        harness.script("a/m", fault.stall())
        answer = await harness.complete(deadline_s=12)
        assert tried(answer) == [("a/m", Fault.TIMEOUT), ("b/m", None)]
        assert answer.receipt.time_s == pytest.approx(12 / 2, abs=1.1)


@rehearsal
async def test_a_lone_model_may_stall_longer() -> None:
    async with connected(a=Upstream(behaviour=LONG_ANSWER)) as harness:
        harness.script("a/m", fault.stall())
        answer = await harness.complete(give_up_s=300)
        assert attempts(answer)[0].time_s == pytest.approx(STALL_S, abs=1.1)


@rehearsal
async def test_an_answer_that_keeps_coming_is_not_a_stall_however_long_it_takes() -> None:
    slow = Behaviour(answers="word " * 200, tokens_per_s=1, chunk_tokens=5)
    async with connected(a=Upstream(behaviour=slow), b=OPENAI) as harness:
        answer = await harness.complete(give_up_s=600)
        assert tried(answer) == [("a/m", None)]
        assert answer.receipt.time_s > 4 * STALL_S


@rehearsal
async def test_comments_do_not_keep_a_stalled_answer_alive() -> None:
    async with connected(a=Upstream(behaviour=LONG_ANSWER), b=OPENAI) as harness:
        whole = fault.late_comments()
        forever = fault.comments_forever()

        def half_then_comments(call: Call) -> Response:
            good, comments = whole.response(call), forever.response(call)
            assert good
            assert comments
            return replace(comments, body=(*good.body[:6], *comments.body))

        harness.script("a/m", made("half, then comments", half_then_comments))
        answer = await harness.complete(give_up_s=300)
        assert tried(answer) == [("a/m", Fault.TIMEOUT), ("b/m", None)]
        assert attempts(answer)[0].time_s == pytest.approx(50 / 2, abs=1.1)
        assert attempts(answer)[0].first_token_s is not None


@rehearsal
async def test_comments_between_the_events_of_a_good_answer_do_no_harm() -> None:
    async with connected(a=Upstream(behaviour=LONG_ANSWER), b=OPENAI) as harness:
        harness.script("a/m", fault.late_comments())
        answer = await harness.complete()
        assert (tried(answer), answer.text) == ([("a/m", None)], LONG_ANSWER.answers)


@pytest.mark.parametrize("upstream", PROTOCOLS[:2])
@rehearsal
async def test_an_empty_stream_is_retried_without_streaming_and_the_error_is_reported(
    upstream: Upstream,
) -> None:
    async with connected(a=upstream, b=OPENAI) as harness:
        harness.script("a/m", fault.empty_stream(), fault.context_overflow(8192))
        answer = await harness.complete()
        assert tried(answer) == [("a/m", Fault.CONTEXT_OVERFLOW), ("b/m", None)]
        assert "8192" in attempts(answer)[0].message
        streamed, whole = harness.upstreams["a"].requests
        assert (streamed.stream, whole.stream) == (True, False)
        assert whole.value("stream_options") is None
        harness.script("a/m", fault.empty_stream())
        assert tried(await harness.complete()) == [("a/m", None)]
        await harness.complete()
        assert harness.upstreams["a"].requests[-1].stream  # it is not remembered


@pytest.mark.parametrize(("broken", "reading"), BROKEN)
@pytest.mark.parametrize("upstream", PROTOCOLS)
@rehearsal
async def test_half_a_stream_is_no_answer(
    upstream: Upstream, broken: SimulatedFault, reading: Fault
) -> None:
    async with connected(a=replace(upstream, behaviour=LONG_ANSWER), b=OPENAI) as harness:
        harness.script("a/m", broken)
        answer = await harness.complete()
        assert tried(answer) == [("a/m", reading), ("b/m", None)]
        assert answer.text == "an answer"
        assert harness.cooldown("a/m") == pytest.approx(FIRST_COOLDOWN_S, abs=0.5)


@pytest.mark.parametrize(("broken", "reading"), BROKEN)
@rehearsal
async def test_a_lone_model_whose_stream_broke_is_asked_again(
    broken: SimulatedFault, reading: Fault
) -> None:
    async with connected(a=Upstream(behaviour=LONG_ANSWER)) as harness:
        harness.script("a/m", broken)
        answer = await harness.complete()
        assert tried(answer) == [("a/m", reading), ("a/m", None)]
        assert answer.text == LONG_ANSWER.answers
