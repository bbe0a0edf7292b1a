"""Responses as servers really stream them, decoded event by event."""

from __future__ import annotations

from typing import Any

import pytest

from rightmodel.core.task import ChatRequest, Message, Text, ToolCall, WireFormat
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.response import CallDelta, CallStart, InBandError, ReasoningDelta
from wire.neutral import sent_body

CHAT, RESPONSES, MESSAGES, GEMINI = (
    WireFormat.OPENAI_CHAT,
    WireFormat.OPENAI_RESPONSES,
    WireFormat.ANTHROPIC_MESSAGES,
    WireFormat.GEMINI,
)
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":1}'}
COMPLETED = {"type": "response.completed", "response": {"id": "r", "status": "completed"}}


def decoded(wire_format: WireFormat, *events: dict[str, Any]) -> Any:
    decoder = CODECS[wire_format].decoder()
    for event in events:
        decoder.event(event)
    return decoder


def chunk(**delta: Any) -> dict[str, Any]:
    return {"choices": [{"delta": delta, "finish_reason": None}]}


STOP: dict[str, Any] = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


def block(kind: str, **piece: str) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": kind, **piece}}


def call_chunk(arguments: str) -> dict[str, Any]:
    return chunk(tool_calls=[{"index": 0, "id": "c", "function": {"arguments": arguments}}])


def test_calls_without_arguments_have_an_empty_object() -> None:
    """Claude streams an empty text there; clients of other APIs parse what they get."""
    events: list[dict[str, Any]] = []
    for index in (0, 1):
        call = {"type": "tool_use", "id": f"c{index}", "name": "f", "input": {}}
        piece = {"type": "input_json_delta", "partial_json": ""}
        events += [
            {"type": "content_block_start", "index": index, "content_block": call},
            {"type": "content_block_delta", "index": index, "delta": piece},
            {"type": "content_block_stop", "index": index},
        ]
    calls = decoded(MESSAGES, *events).response().calls
    assert [call.arguments for call in calls] == ["{}", "{}"]


def test_the_input_of_a_call_may_come_whole_at_its_start() -> None:
    call = {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}}
    start = {"type": "content_block_start", "index": 0, "content_block": call}
    stop = {"type": "content_block_stop", "index": 0}
    assert decoded(MESSAGES, start, stop).response().calls == (ToolCall("c", "f", '{"a":1}'),)


def test_a_tool_that_runs_at_the_provider_is_no_call() -> None:
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    piece = {"type": "input_json_delta", "partial_json": '{"query": "x"}'}
    decoder = decoded(
        MESSAGES,
        {"type": "content_block_start", "index": 0, "content_block": search},
        {"type": "content_block_delta", "index": 0, "delta": piece},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    )
    assert (decoder.response().calls, decoder.finish) == ((), "stop")


SPLIT: list[tuple[WireFormat, list[dict[str, Any]], list[Any]]] = [
    (CHAT, [chunk(content="a\ud83d"), chunk(content="\ude00b")], ["a", "😀b"]),
    (CHAT, [chunk(content="\ud83d"), chunk(content="\ude00")], ["😀"]),
    (
        CHAT,
        [chunk(reasoning_content="a\ud83d"), chunk(reasoning_content="\ude00")],
        [ReasoningDelta("a"), ReasoningDelta("😀")],
    ),
    (
        CHAT,
        [call_chunk('"\ud83d'), call_chunk('\ude00"')],
        [CallStart(0, "c", ""), CallDelta(0, '"'), CallDelta(0, '😀"')],
    ),
    (
        MESSAGES,
        [block("text_delta", text="a\ud83d"), block("text_delta", text="\ude00")],
        ["a", "😀"],
    ),
    (CHAT, [chunk(content="a\ud83d"), STOP], ["a", "\ufffd"]),
    (CHAT, [chunk(content="\ude00a"), STOP], ["\ufffda"]),
]


@pytest.mark.parametrize(("wire_format", "events", "expected"), SPLIT)
def test_no_event_holds_half_a_character(
    wire_format: WireFormat, events: list[dict[str, Any]], expected: list[Any]
) -> None:
    assert decoded(wire_format, *events).events == expected


ADDED = {"type": "response.output_item.added", "output_index": 0, "item": {**CALL, "arguments": ""}}
CALLS: dict[str, list[dict[str, Any]]] = {
    "whole items": [
        ADDED,
        {"type": "response.output_item.done", "output_index": 0, "item": CALL},
        COMPLETED,
    ],
    "done alone": [
        {"type": "response.output_item.done", "output_index": 0, "item": CALL},
        COMPLETED,
    ],
    "the end alone": [
        {"type": "response.completed", "response": {"status": "completed", "output": [CALL]}},
    ],
    "deltas, then whole items": [
        ADDED,
        {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": '{"a"'},
        {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": ":1}"},
        {"type": "response.output_item.done", "output_index": 0, "item": CALL},
        {"type": "response.completed", "response": {"status": "completed", "output": [CALL]}},
    ],
}  # fmt: skip


@pytest.mark.parametrize("events", CALLS.values(), ids=CALLS)
def test_a_call_is_read_once_however_much_of_it_is_streamed(events: list[dict[str, Any]]) -> None:
    decoder = decoded(RESPONSES, *events)
    assert decoder.response().parts == (ToolCall("c", "f", '{"a":1}'),)
    assert decoder.finish == "tool_calls"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "server_error", "message": "broke", "sequence_number": 3},
        {
            "type": "response.failed",
            "response": {"status": "failed", "error": {"message": "broke"}},
        },
    ],
)
def test_an_error_inside_a_stream_of_responses_is_one(event: dict[str, Any]) -> None:
    with pytest.raises(InBandError) as caught:
        decoded(RESPONSES, event)
    assert caught.value.body["error"]["message"] == "broke"


def test_a_call_without_an_id_gets_one_of_its_response() -> None:
    part = {"functionCall": {"name": "f", "args": {}}}
    events = [
        {"responseId": name, "candidates": [{"content": {"parts": [part, part]}}]}
        for name in ("r1", "r2")
    ]
    ids = [c.id for e in events for c in decoded(GEMINI, e).response().calls]
    assert ids == ["call_r1_1", "call_r1_2", "call_r2_1", "call_r2_2"]


def test_a_session_s_cache_key_goes_to_the_one_api_that_has_the_field() -> None:
    request = ChatRequest("m", (Message("user", (Text("hi"),)),), cache_key="s" * 80)
    assert sent_body(RESPONSES, request)["prompt_cache_key"] == "s" * 64
    assert "sss" not in str(sent_body(CHAT, request))
