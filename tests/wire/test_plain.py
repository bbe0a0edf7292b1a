"""Bodies for another model of the same API: nothing changes but what that model would refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rightmodel.core.task import (
    ChatRequest,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    WireFormat,
)
from rightmodel.manifest.quirks import Quirks
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.conversation import holds_foreign
from wire.neutral import sent_body

CHAT, RESPONSES, MESSAGES = (
    WireFormat.OPENAI_CHAT,
    WireFormat.OPENAI_RESPONSES,
    WireFormat.ANTHROPIC_MESSAGES,
)
USER = {"role": "user", "content": "hi"}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
THINKING = {"type": "thinking", "thinking": "a", "signature": "s"}
USE = {"type": "tool_use", "id": "c", "name": "f", "input": {}, "x_new": 1}
REASONED: list[tuple[WireFormat, str, list[Any], list[Any]]] = [
    (
        CHAT,
        "messages",
        [{"role": "assistant", "reasoning_content": "kept: it is plain text",
          "reasoning_details": [{}], "tool_calls": [{**CALL, "extra_content": {"google": {}}}]}],
        [{"role": "assistant", "reasoning_content": "kept: it is plain text",
          "tool_calls": [CALL]}],
    ),
    (
        CHAT,
        "messages",
        [{"role": "assistant", "content": [
            {"type": "thinking", "thinking": [{"type": "text", "text": "a"}]},
            {"type": "text", "text": "b"}]}],
        [{"role": "assistant", "content": [{"type": "text", "text": "b"}]}],
    ),
    (
        RESPONSES,
        "input",
        [USER, {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
         {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}],
        [USER, {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}],
    ),
    (
        MESSAGES,
        "messages",
        [USER, {"role": "assistant", "content": [THINKING]},
         {"role": "assistant", "content": [THINKING, USE]}],
        [USER, {"role": "assistant", "content": [USE]}],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("wire_format", "field", "before", "after"), REASONED)
def test_reasoning_of_another_model_is_left_out(
    wire_format: WireFormat, field: str, before: list[Any], after: list[Any]
) -> None:
    document = {"model": "m", field: before, "x_new": {"deep": 1}}
    found = CODECS[wire_format].plain(document, with_system=True)
    assert found == {**document, field: after}


@pytest.mark.parametrize(
    ("wire_format", "field"), [(CHAT, "messages"), (RESPONSES, "input"), (MESSAGES, "messages")]
)
def test_system_messages_become_the_user_s_where_the_model_takes_none(
    wire_format: WireFormat, field: str
) -> None:
    said = [{"role": "system", "content": "a"}, {"role": "system", "content": [{"text": "b"}]}]
    document = {"model": "m", field: [*said, USER]}
    assert CODECS[wire_format].plain(document, with_system=True) == document
    found = CODECS[wire_format].plain(document, with_system=False)[field]
    assert {message["role"] for message in found} == {"user"}
    words = "\n".join(message["content"] for message in found)
    assert words.count("<system-reminder>\n") == 2
    assert len(found) == (1 if wire_format is CHAT else 3)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_reasoning_of_another_api_is_found_in_the_bytes_of_a_body(
    separators: tuple[str, str],
) -> None:
    def body(signature: str, said: str = "hi") -> bytes:
        blocks = [{"type": "thinking", "signature": signature}, {"type": "text", "text": said}]
        return json.dumps({"content": blocks}, separators=separators).encode()

    assert holds_foreign(body("rightmodel-seal:openai-responses:rs_1:x"))
    assert holds_foreign(body(""))
    quoted = json.dumps({"signature": "rightmodel-seal:gemini::x", "a": ""})
    assert not holds_foreign(body("ErUB", said=f"rightmodel: see {quoted}"))


CONVERSATION = ChatRequest(
    "m",
    (
        Message.of("user", "hi"),
        Message("assistant", (Reasoning("Hm."), ToolCall("call_1", "f", "{}"))),
        Message("user", (ToolResult("call_1", (Text("1"),)),)),
        Message("assistant", (ToolCall("abcDEF123", "f", "{}"),)),
        Message("user", (ToolResult("abcDEF123", (Text("2"),)),)),
    ),
)


def test_ids_of_calls_are_short_where_the_host_takes_no_others() -> None:
    quirks = Quirks(short_call_ids=True)
    encoded = sent_body(CHAT, CONVERSATION, quirks)
    _, first, told, second, _ = encoded["messages"]
    name = first["tool_calls"][0]["id"]
    assert (len(name), name.isalnum(), told["tool_call_id"]) == (9, True, name)
    assert second["tool_calls"][0]["id"] == "abcDEF123"
    passed = sent_body(CHAT, CONVERSATION)
    assert CODECS[CHAT].fitted(passed, quirks)["messages"] == encoded["messages"]


def test_a_host_that_caches_by_key_gets_the_session_s_unless_the_client_sent_one() -> None:
    quirks = Quirks(cache_key="session")
    encoded = sent_body(CHAT, CONVERSATION, quirks)
    assert encoded["prompt_cache_key"] == "session"
    own = {**encoded, "prompt_cache_key": "own"}
    assert CODECS[CHAT].fitted(own, quirks) == own


def test_earlier_answers_have_their_reasoning_where_the_host_asks_for_it() -> None:
    quirks = Quirks(reasoning_in_history=True)
    encoded = sent_body(CHAT, CONVERSATION, quirks)
    thoughts = [m.get("reasoning_content") for m in encoded["messages"]]
    assert thoughts == [None, "Hm.", None, ".", None]
    assert CODECS[CHAT].fitted(encoded, quirks) == encoded
    assert "reasoning_content" not in str(sent_body(CHAT, CONVERSATION))


def test_a_strict_host_gets_no_user_behind_a_result_and_no_answer_last() -> None:
    quirks = Quirks(strict_turns=True)
    said = Message("user", (ToolResult("abcDEF123", (Text("2"),)), Text("Be quick.")))
    turns = (*CONVERSATION.messages[:-1], said, Message.of("assistant", "Yes."))
    roles = ["user", "assistant", "tool", "assistant", "tool", "assistant", "user", "assistant"]
    encoded = sent_body(CHAT, ChatRequest("m", turns), quirks)
    assert [m["role"] for m in encoded["messages"]] == [*roles, "user"]
    passed = {"messages": [m for m in encoded["messages"][:-1] if m["content"] != "Understood."]}
    assert CODECS[CHAT].fitted(passed, quirks)["messages"] == encoded["messages"]
    passed["messages"][-1] = {"role": "assistant", "content": "Y", "prefix": True}
    assert CODECS[CHAT].fitted(passed, quirks)["messages"][-1]["content"] == "Y"
