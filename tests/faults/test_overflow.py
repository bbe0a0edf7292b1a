from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from faults.harness import LONG, Upstream, attempts, connected, machine_line, rehearsal, tried
from rightmodel.core.call import Usage
from rightmodel.core.errors import NoCandidateError
from rightmodel.core.fault import Fault
from rightmodel.core.task import Task
from rightmodel.execution.breaker import OUT_S
from rightmodel.simulator import Behaviour, SimulatedFault, fault
from rightmodel.simulator.behaviour import Reply
from rightmodel.simulator.dialects import ErrorText
from rightmodel.simulator.fault.base import made

LARGE = Upstream(context=200_000)
WORDS = [
    pytest.param("openai", fault.context_overflow(8192), 8192, id="OpenAI"),
    pytest.param("openai", fault.context_overflow(24_000), 24_000, id="above our estimate"),
    pytest.param("vllm", fault.context_overflow(8192), 8192, id="vLLM"),
    pytest.param("vllm", fault.context_overflow_flat(8192), 8192, id="vLLM, flat"),
    pytest.param("vllm", fault.negative_max_tokens(), None, id="vLLM, max_tokens got -186"),
    pytest.param("deepseek", fault.context_overflow(8192), 8192, id="DeepSeek"),
    pytest.param("anthropic", fault.context_overflow(8192), 8192, id="Anthropic"),
    pytest.param("anthropic", fault.request_too_large(), None, id="Anthropic's 413"),
    pytest.param("gemini", fault.context_overflow(8192), 8192, id="Gemini"),
    pytest.param("llamacpp", fault.context_overflow(8192), 8192, id="llama.cpp"),
    pytest.param("ollama", fault.silent_cut(4096), 4096, id="Ollama, without a word"),
]


@pytest.mark.parametrize(("dialect", "overflow", "window"), WORDS)
@rehearsal
async def test_the_next_model_has_a_larger_window_and_nothing_cools_down(
    dialect: str, overflow: SimulatedFault, window: int | None
) -> None:
    small = Upstream(dialect, context=100_000)
    async with connected(a=small, b=replace(small, dialect="openai"), c=LARGE) as harness:
        for model in ("a/m", "b/m"):
            harness.script(model, overflow if model == "a/m" else fault.context_overflow(100_000))
        answer = await harness.complete(Task(LONG))
        too_long = Fault.CONTEXT_OVERFLOW
        assert tried(answer) == [("a/m", too_long), ("b/m", too_long), ("c/m", None)]
        assert [harness.cooldown(model) for model in ("a/m", "b/m", "c/m")] == [0, 0, 0]
        assert harness.health.state(harness.endpoint("a/m")).window == window


@pytest.mark.parametrize(
    ("dialect", "overflow"),
    [("vllm", fault.negative_max_tokens()), ("anthropic", fault.request_too_large())],
)
@rehearsal
async def test_where_no_window_is_named_it_is_the_one_in_the_manifest_or_a_smaller_one(
    dialect: str, overflow: SimulatedFault
) -> None:
    near = Upstream(dialect, context=35_000, output_limit=1_000)
    async with connected(a=near, b=replace(near, dialect="openai"), c=LARGE) as harness:
        harness.script("a/m", overflow)
        assert [model for model, _ in tried(await harness.complete(Task(LONG)))] == ["a/m", "c/m"]
        harness.script("a/m", overflow)
        answer = await harness.complete(Task("far from so long"))
        assert [model for model, _ in tried(answer)] == ["a/m", "b/m"]


@pytest.mark.parametrize(("dialect", "overflow", "window"), WORDS)
@rehearsal
async def test_with_no_larger_window_the_error_says_that_the_task_is_too_long(
    dialect: str, overflow: SimulatedFault, window: int | None
) -> None:
    async with connected(a=Upstream(dialect)) as harness:
        harness.script("a/m", overflow)
        error = await harness.fails(Task(LONG))
        assert tried(error) == [("a/m", Fault.CONTEXT_OVERFLOW)]
        assert "too long: shorten it, or connect a model with a larger context window" in str(error)
        assert machine_line(error) == "[code=context_overflow retryable=no tried=a/m]"


def too_much_together(prompt: int, output: int) -> SimulatedFault:
    """Anthropic's words for a prompt that fits and an output that does not fit beside it."""
    words = (
        f"input length and `max_tokens` exceed context limit: {prompt} + {output} > 100000, "
        "decrease input length or `max_tokens` and try again"
    )
    return made("too much together", lambda call: call.error(ErrorText(400, words)))


@rehearsal
async def test_a_smaller_output_is_tried_first_where_it_would_fit() -> None:
    async with connected(a=Upstream("anthropic"), b=LARGE) as harness:
        harness.script("a/m", too_much_together(90_000, 16_000))
        answer = await harness.complete(Task(LONG))
        assert tried(answer) == [("a/m", None)]
        await harness.complete()  # what was true of one request is not remembered
        outputs = [request.max_output for request in harness.upstreams["a"].requests]
        assert outputs == [16_000, 10_000, 16_000]


@rehearsal
async def test_no_smaller_output_is_tried_where_little_would_fit() -> None:
    async with connected(a=Upstream("anthropic"), b=LARGE) as harness:
        harness.script("a/m", too_much_together(99_000, 16_000))
        answer = await harness.complete(Task(LONG))
        assert tried(answer) == [("a/m", Fault.CONTEXT_OVERFLOW), ("b/m", None)]
        assert len(harness.request_times("a")) == 1


@rehearsal
async def test_a_silently_cut_prompt_is_not_answered_and_the_window_is_remembered() -> None:
    ollama = Upstream("ollama", behaviour=Behaviour("about the rest of it", context=4096))
    async with connected(a=ollama, b=LARGE) as harness:
        answer = await harness.complete(Task(LONG))
        assert answer.text == "an answer"
        assert tried(answer) == [("a/m", Fault.CONTEXT_OVERFLOW), ("b/m", None)]
        assert "OLLAMA_CONTEXT_LENGTH" in attempts(answer)[0].message
        assert harness.health.state(harness.endpoint("a/m")).window == 4096
        answer = await harness.complete(Task(LONG))
        assert tried(answer) == [("b/m", None)]
        before = "b/m takes over from a/m (context window of 4096 tokens); a/m came first: "
        assert answer.receipt.decision.reason.startswith(before)
        assert tried(await harness.complete(Task("short"))) == [("a/m", None)]


@rehearsal
async def test_a_lone_model_that_proved_too_small_is_reported_and_not_tried_again() -> None:
    ollama = Upstream("ollama", behaviour=Behaviour(context=4096))
    async with connected(a=ollama) as harness:
        await harness.fails(Task(LONG))
        with pytest.raises(NoCandidateError, match="more than a/m proved to read") as caught:
            await harness.complete(Task(LONG))
        assert not caught.value.retryable
        assert len(harness.request_times("a")) == 1


def full_at(window: int, prompt: int) -> Upstream:
    """A model whose window, smaller than in the manifest, fills while it answers."""
    cut = Reply("word " * 50, finish="length", usage=Usage(prompt, window - prompt))
    return Upstream(behaviour=Behaviour(answers=cut))


@pytest.mark.parametrize(("window", "prompt"), [(4096, 900), (4095, 3000), (32_768, 31_000)])
@rehearsal
async def test_a_window_that_fills_in_mid_answer_is_learned_and_half_an_answer_is_not_whole(
    window: int, prompt: int
) -> None:
    async with connected(a=full_at(window, prompt), b=LARGE) as harness:
        answer = await harness.complete()
        assert tried(answer) == [("a/m", Fault.CONTEXT_OVERFLOW), ("b/m", None)]
        assert f"full at {window} tokens" in attempts(answer)[0].message
        assert harness.health.state(harness.endpoint("a/m")).window == window
        assert harness.cooldown("a/m") == 0


@rehearsal
async def test_a_window_is_forgotten_after_a_while_for_its_server_may_have_a_larger_one() -> None:
    async with connected(a=full_at(4096, 900)) as house:
        await house.fails()
        assert house.health.state(house.endpoint("a/m")).window == 4096
        await asyncio.sleep(OUT_S)
        assert house.health.state(house.endpoint("a/m")).window is None


@rehearsal
async def test_an_output_limit_of_the_provider_is_no_window() -> None:
    limited = Reply("word " * 50, finish="length", usage=Usage(777, 4096))
    async with connected(a=Upstream(behaviour=Behaviour(answers=limited)), b=LARGE) as harness:
        answer = await harness.complete()
        assert {fault for _, fault in tried(answer)} == {Fault.CUT_OFF, None}
        assert harness.health.state(harness.endpoint("a/m")).window is None
