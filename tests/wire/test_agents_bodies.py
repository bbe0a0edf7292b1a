"""Requests of real agents, as captured on 2026-11-29 with long texts cut, in every wire format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rightmodel.core.task import ChatRequest, Message, Text, ToolCall, ToolResult, WireFormat
from rightmodel.wire.codec import Envelope
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.conversation import settled
from rightmodel.wire.request import HARMLESS, RequestError
from rightmodel.wire.response import CallDelta, CallStart, ChatResponse
from wire.neutral import sent_body
from wire.test_sdk_types import EVENTS, WHOLE, valid_request

CHAT, RESPONSES, MESSAGES, GEMINI = (
    WireFormat.OPENAI_CHAT,
    WireFormat.OPENAI_RESPONSES,
    WireFormat.ANTHROPIC_MESSAGES,
    WireFormat.GEMINI,
)
BODIES = {
    "claude_code_2.1.332": MESSAGES,
    "codex_0.171.0": RESPONSES,
    "openclaw_2026.9.6": CHAT,
    "opencode_1.18.33": CHAT,
}


def body(name: str) -> dict[str, Any]:
    path = Path(__file__).parent / "bodies" / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def decoded(name: str) -> ChatRequest:
    return CODECS[BODIES[name]].decode_request(body(name))


@pytest.mark.parametrize("wire_format", list(WireFormat))
@pytest.mark.parametrize("name", BODIES)
def test_every_agent_s_request_fits_every_format(name: str, wire_format: WireFormat) -> None:
    request = decoded(name)
    codec = CODECS[wire_format]
    assert codec.unsupported(request) <= HARMLESS
    encoded = sent_body(codec.name, request)
    valid_request(wire_format, encoded)
    words = json.dumps(encoded, ensure_ascii=False)
    for message in settled(request, wire_format).messages:
        for part in message.parts:
            if isinstance(part, Text):
                assert (
                    part.text in words or json.dumps(part.text, ensure_ascii=False)[1:-1] in words
                )
            elif isinstance(part, ToolCall):
                assert part.name in words


def test_codex_s_namespaces_come_back_with_the_call() -> None:
    request = decoded("codex_0.171.0")
    assert request.ignored == ("tools.web_search",)
    names = [tool.name for tool in request.tools]
    assert "multi_agent_v1__close_agent" in names
    call = ToolCall("c", "multi_agent_v1__close_agent", '{"target":"a"}')
    envelope = Envelope("r", "m", tools=request.tools)
    whole = CODECS[RESPONSES].encode_response(ChatResponse((call,), "tool_calls"), envelope)
    WHOLE[RESPONSES].validate_python(whole)
    (item,) = whole["output"]
    assert (item["type"], item["namespace"], item["name"]) == (
        "function_call",
        "multi_agent_v1",
        "close_agent",
    )
    again = CODECS[RESPONSES].decode_request({"model": "m", "input": [item]})
    assert again.messages == (Message("assistant", (call,)),)


CUSTOM = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: begin"},
}
PATCH = '*** Begin Patch\n*** Add File: a "b"\n+1\n*** End Patch'


def test_a_custom_tool_is_a_function_elsewhere_and_called_as_itself() -> None:
    codec = CODECS[RESPONSES]
    said: list[dict[str, Any]] = [
        {"role": "user", "content": "hi"},
        {"type": "custom_tool_call", "call_id": "c", "name": "apply_patch", "input": PATCH},
        {"type": "custom_tool_call_output", "call_id": "c", "output": "ok"},
    ]
    request = codec.decode_request({"model": "m", "input": said, "tools": [CUSTOM]})
    (tool,) = request.tools
    assert "start: begin" in tool.description
    call = ToolCall("c", "apply_patch", json.dumps({"input": PATCH}, separators=(",", ":")))
    assert request.messages[1:] == (
        Message("assistant", (call,)),
        Message("user", (ToolResult("c", (Text("ok"),)),)),
    )
    envelope = Envelope("r", "m", tools=request.tools)
    (item,) = codec.encode_response(ChatResponse((call,)), envelope)["output"]
    assert {key: item[key] for key in said[1]} == said[1]
    encoder = codec.stream_encoder(envelope)
    events = encoder.start()
    events += encoder.event("Patching.")
    events += encoder.event(CallStart(0, "c", "apply_patch"))
    for piece in (call.arguments[:9], call.arguments[9:]):
        events += encoder.event(CallDelta(0, piece))
    events += encoder.end(ChatResponse((), "tool_calls"))
    for event in events:
        EVENTS[RESPONSES].validate_python(event)
    done = [e["item"] for e in events if e["type"] == "response.output_item.done"]
    assert [i["type"] for i in done] == ["message", "custom_tool_call"]
    assert done[1]["input"] == PATCH
    assert events[-1]["response"]["output"][1] == done[1]


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ('{"command":["ls","-l"]}', ["ls", "-l"]),
        ('{"command":"ls -l"}', ["bash", "-lc", "ls -l"]),
        ("ls -l", ["bash", "-lc", "ls -l"]),
    ],
)
def test_a_local_shell_is_called_as_itself(arguments: str, command: list[str]) -> None:
    codec = CODECS[RESPONSES]
    said = {"model": "m", "input": "hi", "tools": [{"type": "local_shell"}]}
    tools = codec.decode_request(said).tools
    call = ToolCall("c", "local_shell", arguments)
    whole = codec.encode_response(ChatResponse((call,)), Envelope("r", "m", tools=tools))
    WHOLE[RESPONSES].validate_python(whole)
    assert whole["output"][0]["action"] == {"type": "exec", "command": command, "env": {}}


def test_claude_code_s_system_message_in_the_middle_is_a_reminder_of_the_user_s() -> None:
    request = decoded("claude_code_2.1.332")
    assert request.ignored == ("context_management",)
    assert request.effort == "medium"
    sent = sent_body(CHAT, request)["messages"]
    assert [m["role"] for m in sent] == ["system", "user", "assistant", "tool", "assistant", "tool"]
    assert "<system-reminder>\n# Environment" in sent[1]["content"]


def test_a_name_that_only_one_api_takes_is_mapped_and_mapped_back() -> None:
    long = "mcp__" + "a" * 80
    said = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    tool = {"name": long, "input_schema": {"type": "object"}}
    request = CODECS[MESSAGES].decode_request({**said, "tools": [tool]})
    name = request.tools[0].name
    assert len(name) <= 64
    envelope = Envelope("r", "m", tools=request.tools)
    call = ToolCall("c", name, "{}")
    whole = CODECS[MESSAGES].encode_response(ChatResponse((call,)), envelope)
    assert whole["content"][0]["name"] == long
    (start,) = CODECS[MESSAGES].stream_encoder(envelope).event(CallStart(0, "c", name))
    assert start["content_block"]["name"] == long


NATIVE: list[tuple[WireFormat, dict[str, Any], str]] = [
    (RESPONSES, {"input": [{"type": "compaction", "encrypted_content": "x"}]}, "input.compaction"),
    (RESPONSES, {"tools": [{"type": "computer_use_preview"}]}, "tools.computer_use_preview"),
    (RESPONSES, {"prompt": {"id": "p"}}, "prompt"),
    (CHAT, {"n": 2}, "n"),
    (CHAT, {"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools.custom"),
    (MESSAGES, {"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools.bash_20250124"),
    (
        MESSAGES,
        {"messages": [{"role": "user", "content": [
            {"type": "image", "source": {"type": "file", "file_id": "f"}}]}]},
        "uploaded_files",
    ),
]  # fmt: skip
HI = {"role": "user", "content": "hi"}
LEAST: dict[WireFormat, dict[str, Any]] = {
    CHAT: {"messages": [HI]},
    RESPONSES: {"input": [HI]},
    MESSAGES: {"messages": [HI], "max_tokens": 9},
}


@pytest.mark.parametrize(("wire_format", "more", "what"), NATIVE)
def test_what_only_one_api_serves_keeps_the_request_there(
    wire_format: WireFormat, more: dict[str, Any], what: str
) -> None:
    request = CODECS[wire_format].decode_request({"model": "m", **LEAST[wire_format], **more})
    assert request.native == (what,)
    assert all(what in CODECS[other].unsupported(request) for other in WireFormat)


@pytest.mark.parametrize(
    ("wire_format", "more", "what"),
    [
        (RESPONSES, {"tools": [{"type": "web_search"}]}, ("tools.web_search",)),
        (
            RESPONSES,
            {"input": [HI, {"type": "web_search_call", "id": "w"}]},
            ("input.web_search_call",),
        ),
        (
            MESSAGES,
            {"tools": [{"type": "web_search_20250305", "name": "s"}]},
            ("tools.web_search_20250305",),
        ),
        (MESSAGES, {"context_management": {"edits": []}}, ("context_management",)),
    ],
)
def test_what_may_be_left_out_is_named(
    wire_format: WireFormat, more: dict[str, Any], what: tuple[str, ...]
) -> None:
    request = CODECS[wire_format].decode_request({"model": "m", **LEAST[wire_format], **more})
    assert (request.native, request.ignored) == ((), what)


@pytest.mark.parametrize("field", ["previous_response_id", "conversation"])
def test_a_stored_conversation_is_refused_with_the_way_that_works(field: str) -> None:
    with pytest.raises(RequestError, match="send the whole conversation as `input`") as caught:
        CODECS[RESPONSES].decode_request({"model": "m", "input": "hi", field: "x"})
    assert caught.value.field == field
