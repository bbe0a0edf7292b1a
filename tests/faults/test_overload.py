from __future__ import annotations

from dataclasses import replace

import pytest

from faults.harness import Upstream, attempts, connected, machine_line, rehearsal, tried
from rightmodel.core.fault import Fault
from rightmodel.execution.breaker import FIRST_COOLDOWN_S, OUT_S
from rightmodel.manifest.catalog import Routing
from rightmodel.simulator import SimulatedFault, fault
from rightmodel.simulator.fault.base import made
from rightmodel.simulator.transport import json_response

OPENAI, ANTHROPIC, OPENROUTER = Upstream(), Upstream("anthropic"), Upstream("openrouter")
IN_ONE_PIECE = made(
    "error in a body",
    lambda _: json_response(200, {"error": {"code": 502, "message": "Provider returned error"}}),
)
DOWN = [
    pytest.param(OPENAI, fault.status(408), Fault.SERVER, 408, id="408"),
    pytest.param(OPENAI, fault.status(500), Fault.SERVER, 500, id="500"),
    pytest.param(OPENAI, fault.bad_gateway_page(), Fault.SERVER, 502, id="502 with a page"),
    pytest.param(OPENAI, fault.status(503), Fault.OVERLOADED, 503, id="503"),
    pytest.param(OPENAI, fault.status(504), Fault.SERVER, 504, id="504"),
    pytest.param(ANTHROPIC, fault.overloaded(), Fault.OVERLOADED, 529, id="529"),
    pytest.param(
        ANTHROPIC, fault.overloaded_in_stream(), Fault.OVERLOADED, 529, id="529 within a stream"
    ),
    pytest.param(OPENROUTER, fault.error_in_200(502), Fault.SERVER, 502, id="502 within a 200"),
    pytest.param(OPENROUTER, IN_ONE_PIECE, Fault.SERVER, 502, id="502 as the body of a 200"),
    pytest.param(OPENROUTER, fault.error_in_200(503), Fault.OVERLOADED, 503, id="503 within a 200"),
]


@pytest.mark.parametrize(("upstream", "down", "reading", "status"), DOWN)
@rehearsal
async def test_elsewhere_first_and_the_endpoint_cools_down_for_seconds(
    upstream: Upstream, down: SimulatedFault, reading: Fault, status: int
) -> None:
    two = replace(upstream, models=("m", "n"))
    async with connected(a=two, b=OPENAI) as harness:
        harness.script("a/m", down)
        answer = await harness.complete()
        assert tried(answer) == [("a/m", reading), ("b/m", None)]
        assert attempts(answer)[0].status == status
        assert harness.cooldown("a/m") == pytest.approx(FIRST_COOLDOWN_S, abs=0.5)
        assert harness.health.state(harness.endpoint("a/m")).fault is reading
        assert harness.cooldown("a/n") == 0


@pytest.mark.parametrize(("upstream", "down", "reading", "status"), DOWN)
@rehearsal
async def test_then_here_once_the_cooldown_is_over(
    upstream: Upstream, down: SimulatedFault, reading: Fault, status: int
) -> None:
    async with connected(a=upstream) as harness:
        harness.script("a/m", down)
        answer = await harness.complete()
        assert tried(answer) == [("a/m", reading), ("a/m", None)]
        assert harness.request_times("a")[1] == pytest.approx(FIRST_COOLDOWN_S, abs=0.5)
        assert harness.cooldown("a/m") == 0


@pytest.mark.parametrize(("upstream", "down", "reading", "status"), DOWN)
@rehearsal
async def test_a_full_outage_is_reported_with_the_attempts_and_when_to_retry(
    upstream: Upstream, down: SimulatedFault, reading: Fault, status: int
) -> None:
    async with connected(Routing(max_attempts=2), a=upstream, b=upstream) as harness:
        harness.upstreams["a"].fail_all(down)
        harness.upstreams["b"].fail_all(down)
        error = await harness.fails()
        assert tried(error) == [("a/m", reading), ("b/m", reading)]
        assert "try again later, or connect another provider" in str(error)
        assert machine_line(error) == (
            f"[code={reading.value} retryable=yes retry_after=5s tried=a/m,b/m]"
        )


@pytest.mark.parametrize(
    ("code", "reading", "cooldown_s"),
    [(429, Fault.RATE_LIMITED, FIRST_COOLDOWN_S), (402, Fault.QUOTA, OUT_S)],
)
@rehearsal
async def test_an_error_within_a_200_is_classified_by_the_code_it_names(
    code: int, reading: Fault, cooldown_s: float
) -> None:
    async with connected(a=OPENROUTER, b=OPENAI) as harness:
        harness.script("a/m", fault.error_in_200(code))
        assert tried(await harness.complete()) == [("a/m", reading), ("b/m", None)]
        assert harness.cooldown("a/m") == pytest.approx(cooldown_s, abs=0.5)
