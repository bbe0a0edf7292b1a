"""Conversations that one API takes and another refuses, settled."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightmodel.core.task import (
    Attachment,
    CacheMark,
    ChatRequest,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    WireFormat,
)
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.conversation import settled
from wire.neutral import sent_body


def messages(*given: Message) -> tuple[Message, ...]:
    return settled(ChatRequest("m", given), CHAT).messages


def call(name: str) -> Message:
    return Message("assistant", (ToolCall(name, "read", "{}"),))


def result(name: str, text: str = "done") -> Message:
    return Message("user", (ToolResult(name, (Text(text),)),))


CHAT = WireFormat.OPENAI_CHAT
HI = Message.of("user", "hi")


def test_a_result_without_its_call_is_told_as_text() -> None:
    (found,) = messages(result("gone", "42"))
    assert not any(isinstance(part, ToolResult) for part in found.parts)
    assert "no longer in the conversation: gone" in found.text
    assert "42" in found.text


def test_a_call_without_its_result_gets_one_that_says_so() -> None:
    for found in (messages(HI, call("c")), messages(HI, call("c"), HI)):
        first = found[2].parts[0]
        assert isinstance(first, ToolResult)
        assert (first.id, first.parts) == ("c", (Text("No result: the call was interrupted."),))


def test_a_second_result_of_one_call_is_told_as_text() -> None:
    found = messages(HI, call("c"), result("c", "first"), result("c", "second"))
    assert [isinstance(part, ToolResult) for part in found[2].parts] == [True, False, False]


def test_results_stand_in_front_of_what_the_user_says() -> None:
    found = messages(HI, call("c"), Message("user", (*HI.parts, *result("c").parts)))
    assert found[2].parts == (*result("c").parts, *HI.parts)


def test_ids_are_mapped_alike_in_every_turn_and_repeated_ones_kept_apart() -> None:
    odd = "call|" + "x" * 80
    first = messages(HI, call(odd), result(odd), call(odd), result(odd))
    second = messages(HI, call(odd), result(odd), call(odd), result(odd), call("c"), result("c"))
    assert second[: len(first)] == first
    ids = [p.id for m in first for p in m.parts if isinstance(p, ToolCall | ToolResult)]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name) for name in ids)


def test_system_text_in_the_middle_becomes_the_user_s_and_keeps_its_cache_mark() -> None:
    found = messages(Message.of("system", "a"), HI, Message("system", (Text("b"), CacheMark())))
    assert [m.role for m in found] == ["system", "user"]
    reminder = Text("<system-reminder>\nb\n</system-reminder>")
    assert found[1].parts == (*HI.parts, reminder, CacheMark())


def test_blank_texts_and_empty_messages_are_left_out() -> None:
    blank = Message.of("assistant", " \n")
    assert messages(HI, blank, HI) == (Message("user", (*HI.parts, *HI.parts)),)


@pytest.mark.parametrize("wire_format", CODECS)
def test_a_tool_that_returned_nothing_has_an_empty_result(wire_format: WireFormat) -> None:
    request = ChatRequest("m", (HI, call("a"), result("a", "")))
    body = json.dumps(sent_body(wire_format, request))
    assert "See the attached file" not in body
    assert '"text": ""' not in body


def test_an_answer_of_nothing_but_reasoning_that_cannot_be_sent_is_left_out() -> None:
    thought = Message("assistant", (Reasoning("why"),))
    for name, field in (
        (WireFormat.ANTHROPIC_MESSAGES, "messages"),
        (WireFormat.GEMINI, "contents"),
    ):
        body = sent_body(name, ChatRequest("m", (HI, thought, HI)))
        assert [message["role"] for message in body[field]] == ["user", "user"]


def test_text_files_become_text() -> None:
    notes = Attachment("a.md", "text/markdown", b"hello")
    (found,) = messages(Message("user", (notes, Text("read it"))))
    assert found.parts == (Text('<file name="a.md">\nhello\n</file>\n\nread it'),)


PARTS = st.sampled_from(
    [Text("a"), ToolCall("c", "f", "{"), ToolResult("c", (Text("r"),)), Text("")]
)
ROLES = st.sampled_from(["system", "user", "assistant"])


@given(st.lists(st.builds(Message, ROLES, st.lists(PARTS, max_size=4).map(tuple)), max_size=6))
def test_whatever_was_sent_every_format_encodes_it_and_settling_it_twice_changes_nothing(
    given_: list[Message],
) -> None:
    once = settled(ChatRequest("m", (*given_, HI)), CHAT)
    assert settled(once, CHAT) == once
    for codec in CODECS.values():
        sent_body(codec.name, once)


@pytest.mark.parametrize("wire_format", list(WireFormat))
def test_broken_arguments_in_the_history_do_not_stop_a_translation(wire_format: WireFormat) -> None:
    broken = Message("assistant", (ToolCall("c", "f", '{"a": '),))
    request = ChatRequest("m", (HI, broken, result("c")), (ToolSpec("f", "", {}),))
    again = sent_body(wire_format, request)
    assert "done" in str(again)


def test_a_conversation_that_ends_with_an_answer_is_asked_to_go_on() -> None:
    answered = Message.of("assistant", "No more steps.")
    assert messages(HI, answered) == (HI, answered, Message.of("user", "Continue."))
