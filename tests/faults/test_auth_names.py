from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from faults.harness import KEY, Upstream, attempts, connected, machine_line, rehearsal, tried
from rightmodel.core.fault import Fault
from rightmodel.core.task import Task
from rightmodel.execution.breaker import OUT_S
from rightmodel.simulator import Behaviour, SimulatedFault, fault
from rightmodel.simulator.fault.base import made
from rightmodel.simulator.transport import Response

OPENAI = Upstream()
TWO = Upstream(models=("m", "n"))
KEYS = [
    pytest.param("openai", fault.wrong_key(), id="401"),
    pytest.param("anthropic", fault.wrong_key(), id="401 of Anthropic"),
    pytest.param("gemini", fault.wrong_key(), id="Gemini's 400"),
    pytest.param("anthropic", fault.forbidden(), id="403 of Anthropic"),
    pytest.param("openai", fault.region_forbidden(), id="403 for a country"),
]


@pytest.mark.parametrize(("dialect", "denied"), KEYS)
@rehearsal
async def test_a_key_that_is_not_taken_is_out_with_all_its_models_and_its_variable_is_named(
    dialect: str, denied: SimulatedFault
) -> None:
    async with connected(a=replace(TWO, dialect=dialect), b=OPENAI) as harness:
        harness.script("a/m", denied)
        answer = await harness.complete()
        assert tried(answer) == [("a/m", Fault.AUTH), ("b/m", None)]
        assert "(key from A_KEY)" in attempts(answer)[0].message
        assert harness.cooldown("a/n") == pytest.approx(OUT_S, abs=0.5)
        assert tried(await harness.complete()) == [("b/m", None)]


@pytest.mark.parametrize(("dialect", "denied"), KEYS)
@rehearsal
async def test_where_no_key_is_taken_the_error_says_which_variable_to_check(
    dialect: str, denied: SimulatedFault
) -> None:
    async with connected(a=replace(TWO, dialect=dialect)) as harness:
        harness.upstreams["a"].fail_all(denied)
        error = await harness.fails()
        assert tried(error) == [("a/m", Fault.AUTH)]
        assert "the provider did not accept the key, or got none: check A_KEY" in str(error)
        assert KEY not in str(error)
        assert machine_line(error) == "[code=auth_failed retryable=no tried=a/m]"


@rehearsal
async def test_a_moderated_prompt_is_a_refusal_and_nothing_cools_down() -> None:
    async with connected(a=Upstream("openrouter", models=("m", "n")), b=OPENAI) as harness:
        harness.script("a/m", fault.moderated())
        answer = await harness.complete()
        assert tried(answer) == [("a/m", Fault.REFUSED), ("b/m", None)]
        assert attempts(answer)[0].status == 403
        assert harness.cooldown("a/m") == 0


def plain(name: str, status: int, body: bytes, kind: str = "text/html") -> SimulatedFault:
    """A response that none of the API's own words are in."""
    return made(name, lambda _: Response(status, (("content-type", kind),), (body,)))


@pytest.mark.parametrize(
    "firewall",
    [
        plain("page", 403, b"<html><title>403 Forbidden</title>Your key is not allowed</html>"),
        plain("nothing", 403, b""),
        plain("words", 403, b'{"error": "Access denied. Check the network."}', "application/json"),
    ],
    ids=lambda f: f.name,
)
@rehearsal
async def test_a_403_without_a_reason_moves_on_and_puts_nothing_out_of_order(
    firewall: SimulatedFault,
) -> None:
    async with connected(a=TWO, b=OPENAI) as harness:
        harness.script("a/m", firewall)
        answer = await harness.complete()
        assert tried(answer) == [("a/m", Fault.FORBIDDEN), ("b/m", None)]
        assert [harness.cooldown(model) for model in ("a/m", "a/n")] == [0, 0]
        assert tried(await harness.complete()) == [("a/m", None)]


@rehearsal
async def test_a_403_without_a_reason_leaves_the_same_providers_other_models_last() -> None:
    async with connected(a=TWO) as harness:
        harness.script("a/m", plain("page", 403, b"<html>no</html>"))
        assert tried(await harness.complete()) == [("a/m", Fault.FORBIDDEN), ("a/n", None)]


@pytest.mark.parametrize(
    "path",
    [
        plain("page", 404, b"<html>404 Not Found</html>"),
        plain("Go", 404, b"404 page not found", "text/plain"),
        plain("FastAPI", 404, b'{"detail": "Not Found"}', "application/json"),
    ],
    ids=lambda f: f.name,
)
@rehearsal
async def test_a_path_that_is_not_there_is_a_wrong_base_url_and_says_so(
    path: SimulatedFault,
) -> None:
    async with connected(a=TWO, b=OPENAI) as harness:
        harness.script("a/m", path)
        assert tried(await harness.complete()) == [("a/m", Fault.WRONG_URL), ("b/m", None)]
    async with connected(a=OPENAI) as harness:
        harness.script("a/m", path)
        error = await harness.fails()
        assert harness.upstreams["a"].host_url in str(error)
        assert "check base_url and protocol" in str(error)
        assert machine_line(error).startswith("[code=wrong_base_url retryable=no")


@pytest.mark.parametrize(
    ("gone", "status"),
    [(fault.model_forbidden(), 403), (fault.unknown_model(), 404)],
    ids=["403 for the model", "404"],
)
@rehearsal
async def test_a_model_that_is_not_there_is_out_alone(gone: SimulatedFault, status: int) -> None:
    async with connected(a=TWO, b=OPENAI) as harness:
        harness.script("a/m", gone)
        answer = await harness.complete()
        assert tried(answer) == [("a/m", Fault.NOT_FOUND), ("b/m", None)]
        assert attempts(answer)[0].status == status
        assert harness.cooldown("a/m") == pytest.approx(OUT_S, abs=0.5)
        assert harness.cooldown("a/n") == 0
        assert tried(await harness.complete()) == [("a/n", None)]


@rehearsal
async def test_an_unknown_model_id_is_reported_with_similar_ids() -> None:
    async with connected(a=Upstream(models=("claude-opus", "gpt-mini", "gpt-mini-2"))) as harness:
        error = await harness.fails(Task("hi", model="a/gpt-mni"))
        assert tried(error) == [("a/gpt-mni", Fault.NOT_FOUND)]
        assert "nearest connected: a/gpt-mini, a/gpt-mini-2" in str(error)
        assert machine_line(error) == "[code=model_not_found retryable=no tried=a/gpt-mni]"


FAULTS = "rate limit 429, insufficient_quota, maximum context length is 10 tokens"
WRONG = [
    pytest.param(fault.bad_request("of 7 kinds"), "of 7 kinds", id="400"),
    pytest.param(fault.status(422), "Unrecognized request argument", id="422"),
    pytest.param(fault.echoed_prompt(), "Invalid value", id="400 that echoes the prompt"),
    pytest.param(fault.bad_request(f"{FAULTS!r}"), FAULTS, id="400 whose message echoes it"),
]
SPEAKS_OF_FAULTS = Task(f"Explain: {FAULTS}")


@pytest.mark.parametrize(("wrong", "words"), WRONG)
@rehearsal
async def test_a_fault_of_the_request_is_tried_at_one_other_provider_and_nothing_cools_down(
    wrong: SimulatedFault, words: str
) -> None:
    async with connected(a=TWO, b=OPENAI, c=OPENAI) as harness:
        harness.script("a/m", wrong)
        answer = await harness.complete(SPEAKS_OF_FAULTS)
        assert tried(answer) == [("a/m", Fault.BAD_REQUEST), ("b/m", None)]
        harness.script("a/m", wrong)
        harness.script("b/m", wrong)
        error = await harness.fails(SPEAKS_OF_FAULTS)
        assert tried(error) == [("a/m", Fault.BAD_REQUEST), ("b/m", Fault.BAD_REQUEST)]
        assert words in str(error)
        assert "change it as the upstream says" in str(error)
        assert machine_line(error) == "[code=bad_request retryable=no tried=a/m,b/m]"
        assert [harness.cooldown(model) for model in ("a/m", "b/m")] == [0, 0]


MENDED = [
    pytest.param(
        OPENAI,
        fault.refuses("max_tokens", use="max_completion_tokens"),
        Task("hi"),
        {"max_tokens": None, "max_completion_tokens": 16_000},
        id="max_tokens",
    ),
    pytest.param(
        Upstream(effort=("low", "high")),
        fault.refuses("reasoning_effort"),
        Task("hi", effort="low"),
        {"reasoning_effort": None},
        id="reasoning_effort",
    ),
    pytest.param(
        Upstream("mistral"),
        fault.forbids("stream_options"),
        Task("hi"),
        {"stream_options": None},
        id="stream_options, 422",
    ),
    pytest.param(
        Upstream(features=("json_schema",), behaviour=Behaviour(answers="{}")),
        fault.refuses_response_format(),
        Task("hi", schema={"type": "object"}),
        {"response_format": None},
        id="response_format",
    ),
    pytest.param(
        Upstream("anthropic", effort=("low", "high")),
        fault.refuses("thinking"),
        Task("hi", effort="low"),
        {"thinking": None},
        id="thinking of Anthropic",
    ),
]


@pytest.mark.parametrize(("upstream", "refusal", "task", "then"), MENDED)
@rehearsal
async def test_an_unsupported_parameter_is_repaired_once(
    upstream: Upstream, refusal: SimulatedFault, task: Task, then: dict[str, Any]
) -> None:
    async with connected(a=upstream, b=OPENAI) as harness:
        harness.upstreams["a"].fail("m", refusal)
        answer = await harness.complete(replace(task, model="a/m,b/m"))
        assert tried(answer) == [("a/m", None)]
        first, second = harness.upstreams["a"].requests
        assert {parameter: first.value(parameter) for parameter in then} != then
        assert {parameter: second.value(parameter) for parameter in then} == then
        assert harness.cooldown("a/m") == 0


PARAMETERS = MENDED[:3] + MENDED[4:]


@pytest.mark.parametrize(("upstream", "refusal", "task", "then"), PARAMETERS)
@rehearsal
async def test_what_a_model_does_not_take_is_remembered(
    upstream: Upstream, refusal: SimulatedFault, task: Task, then: dict[str, Any]
) -> None:
    async with connected(a=upstream) as harness:
        harness.upstreams["a"].fail("m", refusal)
        await harness.complete(task)
        await harness.complete(task)
        assert len(harness.upstreams["a"].requests) == 3
        last = harness.upstreams["a"].requests[-1]
        assert {parameter: last.value(parameter) for parameter in then} == then


@rehearsal
async def test_a_temperature_is_never_sent() -> None:
    async with connected(a=OPENAI) as harness:
        harness.upstreams["a"].fail_all(fault.refuses("temperature"))
        assert tried(await harness.complete()) == [("a/m", None)]
        assert [r.value("temperature") for r in harness.upstreams["a"].requests] == [None]
