"""Several models or providers are broken at once, and come first."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import pytest

from faults.harness import Upstream, attempts, connected, rehearsal, tried
from rightmodel.core.errors import ExhaustedError
from rightmodel.core.fault import Fault
from rightmodel.core.task import Task
from rightmodel.execution.breaker import FIRST_COOLDOWN_S
from rightmodel.execution.call_state import PROBE_S
from rightmodel.simulator import Behaviour, SimulatedFault, fault


@rehearsal
async def test_of_four_providers_three_may_be_broken_and_one_call_at_most_is_lost() -> None:
    """Each has three models, and all of the broken ones' come first."""
    three = Upstream(models=("m", "n", "o"))
    stalls = replace(three, behaviour=Behaviour(answers="slow", first_token_s=10_000))
    async with connected(a=three, b=stalls, c=three, d=three) as harness:
        harness.upstreams["a"].fail_all(fault.status(500))
        harness.upstreams["c"].fail_all(fault.rate_limit("1"))
        error = await harness.fails()
        assert tried(error) == [
            ("a/m", Fault.SERVER), ("b/m", Fault.TIMEOUT), ("c/m", Fault.RATE_LIMITED),
        ]  # fmt: skip
        for pause_s in (0, 1, 3, 6, 10, 20, 40, 80, 160, 600):
            await asyncio.sleep(pause_s)
            began = asyncio.get_running_loop().time()
            assert tried(await harness.complete())[-1] == ("d/m", None)
            assert asyncio.get_running_loop().time() - began < PROBE_S + 1


@pytest.mark.parametrize(
    "broken",
    [
        fault.status(500), fault.rate_limit("1"), fault.malformed_json(), fault.no_done(),
        fault.null_content(), fault.empty_with_length(), fault.cut_off(), fault.block_reason(),
        fault.cut_tool_arguments(), fault.request_too_large(), fault.status(422), fault.refusal(),
        fault.content_filter(), fault.stall(),
    ],
    ids=lambda broken: broken.name,
)  # fmt: skip
@rehearsal
async def test_what_three_providers_have_in_common_keeps_no_call_from_the_fourth_for_long(
    broken: SimulatedFault,
) -> None:
    """After some faults a call tries one other provider only: each call finds out about one."""
    three = Upstream(models=("m", "n", "o"))
    async with connected(a=three, b=three, c=three, d=three) as harness:
        for name in "abc":
            harness.upstreams[name].fail_all(broken)
        for _ in range(2):
            with contextlib.suppress(ExhaustedError):
                await harness.complete()
        for pause_s in (0, 6, 20, 200):
            await asyncio.sleep(pause_s)
            began = asyncio.get_running_loop().time()
            assert tried(await harness.complete())[-1] == ("d/m", None)
            assert asyncio.get_running_loop().time() - began < PROBE_S + 1


@rehearsal
async def test_of_the_twelve_models_of_one_provider_three_may_be_broken() -> None:
    async with connected(a=Upstream(models=tuple(f"m{n}" for n in range(12)))) as harness:
        broken = (fault.status(500), fault.no_first_byte(), fault.rate_limit("1"))
        for number, one in enumerate(broken):
            harness.script(f"a/m{number}", *[one] * 50)
        assert [m for m, _ in tried(await harness.fails())] == ["a/m0", "a/m1", "a/m2"]
        for pause_s in (0, 1, 3, 6, 10, 20, 40, 80, 160, 600):
            await asyncio.sleep(pause_s)
            began = asyncio.get_running_loop().time()
            assert tried(await harness.complete())[-1] == ("a/m3", None)
            assert asyncio.get_running_loop().time() - began < PROBE_S + 1


@rehearsal
async def test_the_other_models_of_a_silent_provider_come_last_while_it_cools_down() -> None:
    three = Upstream(models=("m", "n", "o"))
    silent = replace(three, behaviour=Behaviour(answers="slow", first_token_s=10_000))
    async with connected(a=silent, b=three) as harness:
        assert tried(await harness.complete()) == [("a/m", Fault.TIMEOUT), ("b/m", None)]
        for _ in range(2):
            assert tried(await harness.complete()) == [("b/m", None)]
            await asyncio.sleep(FIRST_COOLDOWN_S)
            answer = await harness.complete()
            assert tried(answer) == [("a/m", Fault.TIMEOUT), ("b/m", None)]
            assert attempts(answer)[0].time_s == pytest.approx(PROBE_S, abs=0.5)
            await asyncio.sleep(FIRST_COOLDOWN_S)


@pytest.mark.parametrize("broken", [fault.no_first_byte(), fault.refused()], ids=lambda b: b.name)
@rehearsal
async def test_while_one_model_of_such_a_provider_is_probed_no_call_goes_to_its_others(
    broken: SimulatedFault,
) -> None:
    three = Upstream(models=("m", "n", "o"))
    async with connected(a=three, b=three) as harness:
        harness.upstreams["a"].fail_all(broken)
        await harness.complete()
        await asyncio.sleep(harness.cooldown("a/m"))
        calls = [harness.executor.complete(Task("hi"), deadline_s=50) for _ in range(10)]
        models = [model for call in await asyncio.gather(*calls) for model, _ in tried(call)]
    assert sorted(models) == ["a/m", *["b/m"] * 10]
