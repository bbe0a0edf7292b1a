from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from faults.harness import Upstream, attempts, connected, machine_line, rehearsal, tried
from rightmodel.core.fault import Fault
from rightmodel.core.task import Task
from rightmodel.execution.breaker import FIRST_COOLDOWN_S
from rightmodel.simulator import Behaviour, Reply, SimulatedFault, answer, fault
from rightmodel.upstream import answer as answer_module

OPENAI, GEMINI, ANTHROPIC = Upstream(), Upstream("gemini"), Upstream("anthropic")
NATIVE = Upstream(features=("json_schema",))
"""Asked for JSON by a parameter, so that a fault can tell that it was."""
ROOMY = Upstream(context=300_000, output_limit=200_000)
SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
BROKEN = [
    pytest.param(OPENAI, fault.no_choices(), id="no choices"),
    pytest.param(OPENAI, fault.malformed_json(), id="malformed JSON"),
    pytest.param(OPENAI, fault.wrong_content_type(), id="wrong content type"),
    pytest.param(OPENAI, fault.empty_body(), id="empty body"),
]
FORMATS = [
    pytest.param(OPENAI, id="OpenAI"),
    pytest.param(ANTHROPIC, id="Anthropic"),
    pytest.param(GEMINI, id="Gemini"),
]
NOTHING = [
    pytest.param(OPENAI, fault.null_content(), id="null"),
    pytest.param(OPENAI, fault.empty_content(), id="empty"),
    pytest.param(ANTHROPIC, fault.empty_content(), id="empty, Anthropic"),
    pytest.param(GEMINI, fault.empty_content(), id="empty, Gemini"),
]
REFUSALS = [
    pytest.param(OPENAI, fault.content_filter(), id="content_filter"),
    pytest.param(GEMINI, fault.content_filter(), id="SAFETY"),
    pytest.param(OPENAI, fault.refusal("I would rather not."), id="refusal field"),
    pytest.param(ANTHROPIC, fault.refusal(), id="stop_reason refusal"),
    pytest.param(GEMINI, fault.block_reason(), id="blockReason"),
]


@pytest.mark.parametrize(("upstream", "broken"), BROKEN)
@rehearsal
async def test_what_is_no_answer_is_not_handed_over_and_the_endpoint_cools_down(
    upstream: Upstream, broken: SimulatedFault
) -> None:
    async with connected(a=upstream, b=OPENAI) as harness:
        harness.script("a/m", broken)
        found = await harness.complete()
        assert tried(found) == [("a/m", Fault.MALFORMED), ("b/m", None)]
        assert found.text == "an answer"
        assert harness.cooldown("a/m") == pytest.approx(FIRST_COOLDOWN_S, abs=0.5)


@pytest.mark.parametrize(("upstream", "broken"), BROKEN)
@rehearsal
async def test_a_lone_model_that_gave_no_answer_is_asked_again(
    upstream: Upstream, broken: SimulatedFault
) -> None:
    async with connected(a=upstream) as harness:
        harness.upstreams["a"].fail_all(broken)
        error = await harness.fails()
        assert tried(error) == [("a/m", Fault.MALFORMED)] * 3
        assert "check protocol and base_url" in str(error)
        assert "code=malformed_answer retryable=yes retry_after=" in machine_line(error)


@pytest.mark.parametrize("upstream", FORMATS)
@rehearsal
async def test_a_tool_call_cut_off_goes_elsewhere_and_concerns_no_other_call(
    upstream: Upstream,
) -> None:
    async with connected(a=upstream, b=OPENAI) as house:
        house.script("a/m", fault.cut_tool_arguments())
        found = await house.complete()
        assert tried(found) == [("a/m", Fault.UNFINISHED), ("b/m", None)]
        assert found.text == "an answer"
        assert house.cooldown("a/m") == 0
    async with connected(a=upstream) as house:
        house.upstreams["a"].fail_all(fault.cut_tool_arguments())
        error = await house.fails()
        assert tried(error) == [("a/m", Fault.UNFINISHED)] * 3
        assert "base_url" not in str(error)
        assert machine_line(error) == "[code=unfinished_answer retryable=yes tried=a/m]"


@rehearsal
async def test_a_body_over_the_cap_is_left_at_the_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_module, "MOST_BYTES", 300_000)
    async with connected(a=OPENAI, b=OPENAI) as harness:
        harness.script("a/m", fault.huge_body(2_000_000))
        found = await harness.complete()
        assert tried(found) == [("a/m", Fault.MALFORMED), ("b/m", None)]
        assert "exceeds 300000 bytes" in attempts(found)[0].message


@pytest.mark.parametrize(("upstream", "nothing"), NOTHING)
@rehearsal
async def test_an_empty_answer_goes_elsewhere_and_not_here_again(
    upstream: Upstream, nothing: SimulatedFault
) -> None:
    roomy = replace(upstream, output_limit=60_000)
    async with connected(a=roomy, b=OPENAI) as harness:
        harness.script("a/m", nothing)
        found = await harness.complete()
        assert tried(found) == [("a/m", Fault.EMPTY), ("b/m", None)]
        assert harness.cooldown("a/m") == 0
    async with connected(a=roomy) as harness:
        harness.script("a/m", nothing)
        error = await harness.fails()
        assert tried(error) == [("a/m", Fault.EMPTY)]
        assert machine_line(error) == "[code=empty_answer retryable=yes tried=a/m]"


@pytest.mark.parametrize("broken", [fault.empty_with_length(), fault.cut_off()])
@rehearsal
async def test_reasoning_that_ate_the_output_gets_a_larger_one_here(
    broken: SimulatedFault,
) -> None:
    async with connected(a=ROOMY, b=OPENAI) as harness:
        harness.script("a/m", broken)
        found = await harness.complete()
        assert [model for model, _ in tried(found)] == ["a/m", "a/m"]
        asked = [request.max_output for request in harness.upstreams["a"].requests]
        assert asked == [16_384, 65_536]
        first = attempts(found)[0].cost_usd
        assert first
        assert found.receipt.cost_usd == first + (attempts(found)[1].cost_usd or 0)


@pytest.mark.parametrize("broken", [fault.empty_with_length(), fault.cut_off()])
@rehearsal
async def test_a_larger_output_that_is_eaten_as_well_goes_elsewhere(
    broken: SimulatedFault,
) -> None:
    async with connected(a=ROOMY, b=OPENAI) as harness:
        harness.upstreams["a"].fail_all(broken)
        assert [model for model, _ in tried(await harness.complete())] == ["a/m", "a/m", "b/m"]


@rehearsal
async def test_an_output_that_the_caller_or_the_model_bounds_is_not_raised() -> None:
    async with connected(a=ROOMY, b=OPENAI) as harness:
        harness.upstreams["a"].fail_all(fault.empty_with_length())
        task = Task("hi", max_output_tokens=500)
        assert tried(await harness.complete(task)) == [("a/m", Fault.EMPTY), ("b/m", None)]
    async with connected(a=Upstream(output_limit=4_000), b=OPENAI) as harness:
        harness.script("a/m", fault.empty_with_length())
        assert tried(await harness.complete()) == [("a/m", Fault.EMPTY), ("b/m", None)]


@rehearsal
async def test_an_output_is_raised_within_the_cost_ceiling_only() -> None:
    async with connected(a=ROOMY, b=OPENAI) as harness:
        harness.script("a/m", fault.empty_with_length())
        found = await harness.complete(Task("hi", max_cost_usd=Decimal("0.035")))
        assert tried(found) == [("a/m", Fault.EMPTY), ("b/m", None)]
        assert len(harness.request_times("a")) == 1


@pytest.mark.parametrize(("upstream", "refusal"), REFUSALS)
@rehearsal
async def test_a_refusal_goes_to_one_model_of_another_provider_and_the_receipt_says_so(
    upstream: Upstream, refusal: SimulatedFault
) -> None:
    async with connected(a=replace(upstream, models=("m", "n")), b=OPENAI) as harness:
        harness.script("a/m", refusal)
        found = await harness.complete()
        assert tried(found) == [("a/m", Fault.REFUSED), ("b/m", None)]
        assert found.receipt.flags == ("refused=a/m",)
        assert harness.cooldown("a/m") == 0


@pytest.mark.parametrize(("upstream", "refusal"), REFUSALS)
@rehearsal
async def test_what_two_providers_refuse_is_refused(
    upstream: Upstream, refusal: SimulatedFault
) -> None:
    async with connected(a=upstream, b=upstream, c=OPENAI) as harness:
        harness.script("a/m", refusal)
        harness.script("b/m", refusal)
        error = await harness.fails()
        assert tried(error) == [("a/m", Fault.REFUSED), ("b/m", Fault.REFUSED)]
        assert "the task was refused: reword it" in str(error)
        assert machine_line(error) == "[code=refused retryable=no tried=a/m,b/m]"


MISMATCHES = [
    pytest.param(fault.schema_mismatch(), id="another JSON"),
    pytest.param(fault.prose_for_json(), id="prose"),
    pytest.param(fault.replies("deep", Reply("[" * 20_000)), id="nested without end"),
]


@pytest.mark.parametrize("mismatch", MISMATCHES)
@rehearsal
async def test_json_that_does_not_match_goes_to_a_model_with_a_better_chance(
    mismatch: SimulatedFault,
) -> None:
    better = Upstream(rating=9, behaviour=Behaviour(answers='{"n": 1}'))
    async with connected(a=NATIVE, b=OPENAI, c=better) as harness:
        harness.script("a/m", mismatch)
        found = await harness.complete(Task("hi", tier="cheap", schema=SCHEMA))
        assert harness.upstreams["a"].requests[0].fault == mismatch.name
        assert tried(found) == [("a/m", Fault.SCHEMA), ("c/m", None)]
        assert found.text == '{"n": 1}'
        assert attempts(found)[0].cost_usd
        assert harness.cooldown("a/m") == 0


@rehearsal
async def test_json_that_does_not_match_fails_over_to_the_next_candidate_where_none_is_better() -> (
    None
):
    next_in_line = Upstream(behaviour=Behaviour(answers='{"n": 1}'))
    async with connected(a=NATIVE, b=next_in_line) as harness:
        harness.script("a/m", fault.schema_mismatch())
        found = await harness.complete(Task("hi", schema=SCHEMA))
        assert tried(found) == [("a/m", Fault.SCHEMA), ("b/m", None)]


@rehearsal
async def test_a_better_model_that_is_not_fit_is_not_waited_for() -> None:
    ready = Upstream(behaviour=Behaviour(answers='{"n": 1}'))
    async with connected(a=NATIVE, b=ready, c=Upstream(rating=9)) as harness:
        harness.script("c/m", fault.rate_limit("300"))
        await harness.fails(Task("hi", model="c/m"))
        harness.script("a/m", fault.schema_mismatch())
        found = await harness.complete(Task("hi", tier="cheap", schema=SCHEMA))
        assert tried(found) == [("a/m", Fault.SCHEMA), ("b/m", None)]


@rehearsal
async def test_a_second_mismatch_ends_the_call() -> None:
    async with connected(a=NATIVE, b=NATIVE, c=NATIVE) as harness:
        for upstream in harness.upstreams.values():
            upstream.fail_all(fault.schema_mismatch())
        error = await harness.fails(Task("hi", schema=SCHEMA))
        assert tried(error) == [("a/m", Fault.SCHEMA), ("b/m", Fault.SCHEMA)]
        assert "no answer matched the schema: simplify it, or raise the tier" in str(error)
        assert machine_line(error) == "[code=schema_mismatch retryable=yes tried=a/m,b/m]"


@rehearsal
async def test_an_error_in_the_shape_of_an_answer_is_rejected() -> None:
    async with connected(a=OPENAI, b=OPENAI) as harness:
        harness.script("a/m", answer('{"error": {"message": "upstream is down"}}'))
        assert tried(await harness.complete()) == [("a/m", Fault.MALFORMED), ("b/m", None)]
