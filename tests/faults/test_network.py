from __future__ import annotations

import asyncio

import pytest

from faults.harness import Upstream, attempts, connected, machine_line, rehearsal, tried
from rightmodel.core.fault import Fault
from rightmodel.execution.breaker import FIRST_COOLDOWN_S
from rightmodel.simulator import Behaviour, SimulatedFault, SimulatedProvider, fault

OPENAI = Upstream()
BROKEN = [
    pytest.param(OPENAI, fault.refused(), "no connection to", id="refused"),
    pytest.param(
        Upstream(base_url="http://nowhere.invalid/v1"), None, "not known", id="name not found"
    ),
    pytest.param(Upstream(tls="self-signed"), None, "certificate", id="unknown certificate"),
    pytest.param(Upstream(tls="plain"), None, "SSL", id="no TLS at all"),
    pytest.param(OPENAI, fault.reset_at_once(), "the connection broke", id="reset unanswered"),
    pytest.param(
        OPENAI, fault.reset_after_headers(), "the connection broke", id="reset after the headers"
    ),
    pytest.param(OPENAI, fault.closed_unanswered(), "the connection broke", id="closed unanswered"),
    pytest.param(OPENAI, fault.redirect(), "refused redirect to host", id="redirect"),
]


@pytest.mark.parametrize(("upstream", "broken", "words"), BROKEN)
@rehearsal
async def test_a_broken_connection_goes_elsewhere_and_cools_down(
    upstream: Upstream, broken: SimulatedFault | None, words: str
) -> None:
    async with connected(a=upstream, b=OPENAI) as harness:
        if broken:
            harness.upstreams["a"].fail_all(broken)
        answer = await harness.complete()
        assert tried(answer) == [("a/m", Fault.CONNECTION), ("b/m", None)]
        assert words in attempts(answer)[0].message
        assert attempts(answer)[0].status == 0
        assert harness.cooldown("a/m") == pytest.approx(FIRST_COOLDOWN_S, abs=0.5)
        assert tried(await harness.complete()) == [("b/m", None)]


@pytest.mark.parametrize(("upstream", "broken", "words"), BROKEN)
@rehearsal
async def test_a_lone_broken_connection_is_tried_again_after_each_cooldown(
    upstream: Upstream, broken: SimulatedFault | None, words: str
) -> None:
    async with connected(a=upstream) as harness:
        if broken:
            harness.upstreams["a"].fail_all(broken)
        error = await harness.fails()
        assert tried(error) == [("a/m", Fault.CONNECTION)] * 3
        starts = [attempt.start_s for attempt in attempts(error)]
        assert starts == pytest.approx([0, FIRST_COOLDOWN_S, 3 * FIRST_COOLDOWN_S], abs=0.6)
        assert "check base_url and the network" in str(error)
        assert machine_line(error) == (
            "[code=connection_failed retryable=yes retry_after=20s tried=a/m]"
        )


@rehearsal
async def test_a_port_that_opens_again_within_the_deadline_gives_the_answer() -> None:
    async with connected(a=OPENAI) as harness:
        harness.upstreams["a"].fail_all(fault.refused())
        asyncio.get_running_loop().call_later(3, harness.upstreams["a"].heal)
        answer = await harness.complete()
        assert tried(answer) == [("a/m", Fault.CONNECTION), ("a/m", None)]


@rehearsal
async def test_a_stale_connection_is_replaced_at_once_and_is_no_fault() -> None:
    async with connected(a=OPENAI, b=OPENAI) as harness:
        harness.script("a/m", fault.stale_connection())
        await harness.complete()
        answer = await harness.complete()
        assert tried(answer) == [("a/m", None)]
        assert [r.fault for r in harness.upstreams["a"].requests][1:] == ["stale_connection", ""]
        assert answer.receipt.time_s < 0.5
        assert harness.cooldown("a/m") == 0


@rehearsal
async def test_a_redirect_is_not_followed_and_the_key_stays_home() -> None:
    async with (
        SimulatedProvider(models={"m": Behaviour()}) as elsewhere,
        connected(a=OPENAI) as harness,
    ):
        harness.upstreams["a"].fail_all(fault.redirect(f"{elsewhere.base_url}/chat/completions"))
        error = await harness.fails()
        assert elsewhere.requests == []
        assert elsewhere.connections == 0
        assert "refused redirect to host 127.0.0.1; correct base_url" in str(error)
