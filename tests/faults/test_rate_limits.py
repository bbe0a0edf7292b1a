from __future__ import annotations

import asyncio

import pytest

from faults.harness import Upstream, attempts, connected, machine_line, rehearsal, tried
from rightmodel.core.fault import Fault
from rightmodel.execution.breaker import FIRST_COOLDOWN_S, MOST_RETRY_AFTER_S, OUT_S
from rightmodel.simulator import SimulatedFault, fault
from rightmodel.simulator.dialects import ErrorText
from rightmodel.simulator.fault.base import made

GEMINI = Upstream("gemini")
OPENAI = Upstream()
SAID = [
    pytest.param(OPENAI, fault.rate_limit(retry_after_ms="750"), 0.75, id="milliseconds"),
    pytest.param(OPENAI, fault.rate_limit("1.5"), 1.5, id="seconds"),
    pytest.param(OPENAI, fault.rate_limit(date_in_s=3), 3.0, id="http date"),
    pytest.param(GEMINI, fault.retry_info(34), 34.0, id="RetryInfo"),
    pytest.param(GEMINI, fault.retry_info(34, array=True), 34.0, id="RetryInfo in an array"),
]
ODD = [
    pytest.param(fault.rate_limit("-5"), FIRST_COOLDOWN_S, id="negative"),
    pytest.param(fault.rate_limit("NaN"), 20.0, id="not a number: the message says 20 s"),
    pytest.param(fault.rate_limit(f"{365 * 86400}"), MOST_RETRY_AFTER_S, id="a year"),
    pytest.param(fault.rate_limit(date_in_s=365 * 86400), MOST_RETRY_AFTER_S, id="date in a year"),
    pytest.param(fault.rate_limit(date_in_s=-3600), FIRST_COOLDOWN_S, id="date in the past"),
    pytest.param(fault.rate_limit(date_in_s=3, clock_skew_s=7200), 3.0, id="clock ahead"),
    pytest.param(fault.rate_limit(date_in_s=3, clock_skew_s=-7200), 3.0, id="clock behind"),
]
NO_CREDIT = made(
    "no credit",
    lambda call: call.error(ErrorText(402, "Insufficient credits. Add more to go on.")),
    Fault.QUOTA,
)
NO_MONEY = [
    pytest.param("openai", fault.insufficient_quota(), id="429 insufficient_quota"),
    pytest.param("anthropic", fault.spend_limit_enforced(), id="429 spend limit enforced"),
    pytest.param("anthropic", fault.spend_limit_set(), id="400 spend limit"),
    pytest.param("deepseek", fault.payment_required(), id="402 of DeepSeek"),
    pytest.param("openrouter", NO_CREDIT, id="402 of OpenRouter"),
    pytest.param("anthropic", fault.credit_balance_too_low(), id="400 credit balance"),
]


@pytest.mark.parametrize(("upstream", "limit", "seconds"), SAID)
@rehearsal
async def test_the_wait_for_a_lone_model_is_the_one_it_asks_for(
    upstream: Upstream, limit: SimulatedFault, seconds: float
) -> None:
    async with connected(a=upstream) as harness:
        harness.script("a/m", limit)
        answer = await harness.complete()
        assert tried(answer) == [("a/m", Fault.RATE_LIMITED), ("a/m", None)]
        assert (
            seconds <= harness.request_times("a")[1] <= seconds + 1.1
        )  # the jitter of a first retry
        assert attempts(answer)[0].status == 429
        assert harness.cooldown("a/m") == 0


@pytest.mark.parametrize(("upstream", "limit", "seconds"), SAID)
@rehearsal
async def test_with_another_eligible_model_there_is_no_wait_and_the_limited_one_cools_down(
    upstream: Upstream, limit: SimulatedFault, seconds: float
) -> None:
    async with connected(a=upstream, b=OPENAI) as harness:
        harness.script("a/m", limit)
        answer = await harness.complete()
        assert tried(answer) == [("a/m", Fault.RATE_LIMITED), ("b/m", None)]
        assert answer.receipt.time_s < 0.5
        assert harness.cooldown("a/m") == pytest.approx(seconds, abs=0.5)
        assert tried(await harness.complete()) == [("b/m", None)]


@pytest.mark.parametrize(("limit", "seconds"), ODD)
@rehearsal
async def test_an_odd_wait_is_a_sane_one(limit: SimulatedFault, seconds: float) -> None:
    async with connected(a=OPENAI, b=OPENAI) as harness:
        harness.script("a/m", limit)
        await harness.complete()
        assert harness.cooldown("a/m") == pytest.approx(seconds, abs=0.5)


@rehearsal
async def test_a_wait_beyond_the_deadline_fails_at_once_and_says_when() -> None:
    async with connected(a=OPENAI) as harness:
        harness.upstreams["a"].fail_all(fault.rate_limit("120"))
        error = await harness.fails()
        assert tried(error) == [("a/m", Fault.RATE_LIMITED)]
        assert "rate limited: try again later" in str(error)
        assert machine_line(error) == (
            "[code=rate_limited retryable=yes retry_after=120s tried=a/m]"
        )
        again = await harness.fails()  # nothing is sent before the time is up
        assert (len(harness.request_times("a")), attempts(again)) == (1, ())
        assert "cooling down" in str(again)
        assert "retry_after=120s" in machine_line(again)


@rehearsal
async def test_the_error_says_when_the_first_of_several_is_back() -> None:
    async with connected(a=OPENAI, b=OPENAI) as harness:
        harness.upstreams["a"].fail_all(fault.rate_limit("300"))
        harness.upstreams["b"].fail_all(fault.rate_limit("90"))
        error = await harness.fails()
        assert tried(error) == [("a/m", Fault.RATE_LIMITED), ("b/m", Fault.RATE_LIMITED)]
        assert machine_line(error).endswith("retryable=yes retry_after=90s tried=a/m,b/m]")


@pytest.mark.parametrize(("dialect", "broke"), NO_MONEY)
@rehearsal
async def test_a_key_without_money_is_out_for_long_with_all_its_models(
    dialect: str, broke: SimulatedFault
) -> None:
    async with connected(a=Upstream(dialect, models=("m", "n")), b=OPENAI) as harness:
        harness.script("a/m", broke)
        answer = await harness.complete()
        assert tried(answer) == [("a/m", Fault.QUOTA), ("b/m", None)]
        assert harness.cooldown("a/m") == pytest.approx(OUT_S, abs=0.5)
        assert harness.cooldown("a/n") == pytest.approx(OUT_S, abs=0.5)


@pytest.mark.parametrize(("dialect", "broke"), NO_MONEY)
@rehearsal
async def test_a_key_without_money_is_not_tried_again_in_the_call(
    dialect: str, broke: SimulatedFault
) -> None:
    async with connected(a=Upstream(dialect, models=("m", "n"))) as harness:
        harness.upstreams["a"].fail_all(broke)
        error = await harness.fails()
        assert tried(error) == [("a/m", Fault.QUOTA)]
        assert "no quota left: top it up" in str(error)
        assert machine_line(error) == "[code=quota_exhausted retryable=no tried=a/m]"


@rehearsal
async def test_credit_for_a_shorter_answer_gets_a_shorter_answer() -> None:
    async with connected(a=Upstream("openrouter")) as harness:
        harness.script("a/m", fault.payment_required())
        answer = await harness.complete()
        assert tried(answer) == [("a/m", None)]
        first, second = (r.value("max_tokens") for r in harness.upstreams["a"].requests)
        assert (first > second, second) == (True, 3919)
        await harness.complete()
        assert harness.upstreams["a"].requests[-1].value("max_tokens") == 3919


@rehearsal
async def test_a_limit_of_the_account_is_waited_out_rather_than_met_at_each_model() -> None:
    async with connected(a=Upstream(models=("m", "n", "o", "p"))) as harness:
        harness.upstreams["a"].fail_all(fault.rate_limit("4"))
        asyncio.get_running_loop().call_later(3, harness.upstreams["a"].heal)
        answer = await harness.complete()
        limited = Fault.RATE_LIMITED
        assert tried(answer) == [("a/m", limited), ("a/n", limited), ("a/m", None)]
        assert 4 <= attempts(answer)[-1].start_s <= 5
