"""What comes as a 200 and is not an answer, streamed and not."""

from __future__ import annotations

import pytest

from rightmodel.simulator import Behaviour, SimulatedFault, SimulatedProvider, answer, fault
from rightmodel.simulator.dialects import DIALECTS
from simulator.raw import Client, answer_with, ask, body_of, with_schema

# --- a 200 that is not an answer ---


def test_no_choices_null_content_and_nothing_at_length() -> None:
    assert answer_with("openai", fault.no_choices()).json["choices"] == []
    assert answer_with("gemini", fault.no_choices()).json["candidates"] == []
    assert answer_with("anthropic", fault.no_choices()).json["content"] == []
    (choice,) = answer_with("openai", fault.null_content()).json["choices"]
    assert choice["message"]["content"] is None
    found = answer_with("openai", fault.empty_with_length(), max_tokens=64).json
    assert found["choices"][0]["finish_reason"] == "length"
    assert found["usage"]["completion_tokens_details"]["reasoning_tokens"] == 64


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
def test_a_stream_without_choices_has_no_text(dialect: str) -> None:
    body = answer_with(dialect, fault.no_choices(), stream=True).body
    assert b"simulated answer" not in body


def test_a_filter_and_a_refusal() -> None:
    (choice,) = answer_with("openai", fault.content_filter()).json["choices"]
    assert choice["finish_reason"] == "content_filter"
    (choice,) = answer_with("openai", fault.refusal("no")).json["choices"]
    assert choice["message"]["refusal"] == "no"
    streamed = answer_with("openai", fault.refusal("no"), stream=True).events
    assert {"refusal": "no"} in [e["choices"][0]["delta"] for e in streamed if e != "[DONE]"]
    (candidate,) = answer_with("gemini", fault.content_filter()).json["candidates"]
    assert (candidate["finishReason"], "content" in candidate) == ("SAFETY", False)


def test_arguments_of_a_tool_call_that_are_cut_off() -> None:
    (choice,) = answer_with("openai", fault.cut_tool_arguments()).json["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert call["function"]["arguments"] == '{"answer": "it is'
    found = answer_with("anthropic", fault.cut_tool_arguments()).json
    assert (found["stop_reason"], found["content"][0]["input"]) == ("max_tokens", {})
    (candidate,) = answer_with("gemini", fault.cut_tool_arguments()).json["candidates"]
    assert candidate["finishReason"] == "MALFORMED_FUNCTION_CALL"


@pytest.mark.parametrize("broken", [fault.schema_mismatch(), fault.prose_for_json()])
def test_what_does_not_fit_the_schema_needs_a_schema(broken: SimulatedFault) -> None:
    (choice,) = answer_with("openai", broken, **with_schema("openai")).json["choices"]
    assert "count" not in choice["message"]["content"]
    (choice,) = answer_with("openai", broken).json["choices"]
    assert choice["message"]["content"] == "This is a simulated answer."


def test_bodies_that_are_no_json() -> None:
    for broken in (fault.malformed_json(), fault.wrong_content_type(), fault.empty_body()):
        found = answer_with("openai", broken)
        assert not found.cut
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            _ = found.json


@pytest.mark.parametrize("stream", [False, True])
def test_a_huge_body_is_as_large_as_asked(stream: bool) -> None:
    found = answer_with("openai", fault.huge_body(21_000_000), stream=stream)
    assert len(found.body) > 21_000_000
    assert not found.cut


# --- streams ---


@pytest.mark.parametrize("dialect", ["openai", "anthropic", "gemini"])
def test_a_stream_can_end_cleanly_without_a_finish(dialect: str) -> None:
    found = answer_with(dialect, fault.no_done(), stream=True)
    assert not found.cut
    assert b"This" in found.body
    for mark in (b"[DONE]", b'"finish_reason":"', b"finishReason", b"message_stop", b"stop_reason"):
        assert mark not in found.body.replace(b'"stop_reason":null', b"")


def test_only_the_done_line_can_be_missing() -> None:
    body = answer_with("openai", fault.no_done_line(), stream=True).body
    assert b'"finish_reason":"stop"' in body
    assert b"[DONE]" not in body


def test_a_chunk_can_be_no_json() -> None:
    events = answer_with("openai", fault.garbage_chunk(), stream=True).events
    assert "upstream connect error or disconnect/reset" in events


def test_comments_between_events_change_nothing() -> None:
    found = answer_with("openrouter", fault.late_comments(), stream=True)
    assert b": OPENROUTER PROCESSING\n\n" in found.body
    texts = [e["choices"][0]["delta"].get("content") for e in found.events[:-1] if e["choices"]]
    assert "".join(filter(None, texts)) == "This is a simulated answer."


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_error_comes_as_an_event_after_a_200(dialect: str) -> None:
    late = answer_with(dialect, fault.error_in_stream(), stream=True)
    assert late.status == 200
    assert b"simul" in late.body
    at_once = answer_with(dialect, fault.error_in_stream("rate_limit", at_once=True), stream=True)
    assert len(at_once.events) == 1
    for found in (late, at_once):
        assert "error" in found.events[-1] or found.events[-1]["object"] == "error"


def test_an_error_of_anthropic_in_a_stream_is_an_event_of_its_own() -> None:
    body = answer_with("anthropic", fault.overloaded_in_stream(), stream=True).body
    assert body.endswith(
        b'event: error\ndata: {"type":"error","error":'
        b'{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    )


async def test_gemini_streams_an_array_where_sse_was_not_asked_for() -> None:
    models = {"m": Behaviour(chunk_tokens=1)}
    async with SimulatedProvider("gemini", models=models) as provider:
        client = await Client.to(provider)
        await client.send("/v1beta/models/m:streamGenerateContent", body_of("gemini"))
        found = await client.read()
        await client.close()
        parts = [p["candidates"][0]["content"]["parts"][0]["text"] for p in found.json]
    assert "".join(parts) == "This is a simulated answer."


async def test_a_scripted_answer_may_say_anything() -> None:
    async with SimulatedProvider("openai-chat", models={"m": Behaviour()}) as provider:
        provider.script("m", [answer("half an", finish="length", served="other")])
        found = (await ask(provider)).json
    assert (found["model"], found["choices"][0]["finish_reason"]) == ("other", "length")
