"""Bodies that an API takes and that few clients send: none is refused, what is lost is told."""

from __future__ import annotations

from typing import Any

import pytest

from rightmodel.core.task import Attachment, Reasoning, Text, WireFormat
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.request import RequestError

CHAT, RESPONSES, MESSAGES = (
    WireFormat.OPENAI_CHAT,
    WireFormat.OPENAI_RESPONSES,
    WireFormat.ANTHROPIC_MESSAGES,
)
USER: dict[str, Any] = {"role": "user", "content": "hi"}
CALLED: list[dict[str, Any]] = [
    {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
    {"role": "function", "name": "f", "content": "42"},
]
VIDEO = {"type": "video_url", "video_url": {"url": "https://example.com/v.mp4"}}
UPLOAD = {"type": "container_upload", "file_id": "file_1"}
SERVERS = [{"type": "url", "url": "https://example.com/mcp", "name": "s"}]

NATIVE: list[tuple[WireFormat, dict[str, Any], str]] = [
    (CHAT, {"messages": [USER, *CALLED]}, "functions"),
    (CHAT, {"messages": [{"role": "user", "content": [VIDEO]}]}, "messages.content.video_url"),
    (MESSAGES, {"messages": [{"role": "user", "content": [UPLOAD]}]}, "uploaded_files"),
    (RESPONSES, {"input": [{"id": "rs_1"}, USER]}, "input.item_reference"),
    (RESPONSES, {"input": [{"id": "rs_1", "type": None}, USER]}, "input.item_reference"),
]


def decoded(wire_format: WireFormat, body: dict[str, Any]) -> Any:
    most = {"max_tokens": 10} if wire_format is MESSAGES else {}
    return CODECS[wire_format].decode_request({"model": "auto", **most, **body})


@pytest.mark.parametrize(("wire_format", "body", "what"), NATIVE)
def test_what_only_the_same_api_can_take_goes_there(
    wire_format: WireFormat, body: dict[str, Any], what: str
) -> None:
    assert decoded(wire_format, body).native == (what,)


def test_thinking_among_the_parts_of_an_answer_is_reasoning() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "so"}]}
    content = [thinking, {"type": "text", "text": "yes"}]
    answer = {"role": "assistant", "content": content}
    request = decoded(CHAT, {"messages": [USER, answer, USER]})
    assert request.messages[1].parts == (Reasoning("so"), Text("yes"))


def test_an_image_s_url_may_stand_by_itself() -> None:
    image = {"type": "image_url", "image_url": "https://example.com/a.png"}
    request = decoded(CHAT, {"messages": [{"role": "user", "content": [image]}]})
    assert isinstance(request.messages[0].parts[0], Attachment)


def test_the_summary_of_a_compacted_conversation_reaches_every_model() -> None:
    summary = {"role": "assistant", "content": [{"type": "compaction", "content": "so far"}]}
    request = decoded(MESSAGES, {"messages": [summary]})
    assert request.messages[0].parts == (Text("so far"),)


def test_tools_of_mcp_servers_can_be_required() -> None:
    body = {"messages": [USER], "mcp_servers": SERVERS, "tool_choice": {"type": "any"}}
    assert decoded(MESSAGES, body).tool_choice.mode == "required"


@pytest.mark.parametrize("item", [{}, {"type": None}])
def test_an_item_without_a_type_a_role_and_an_id_is_none(item: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="role"):
        decoded(RESPONSES, {"input": [item, USER]})


def test_the_error_of_a_part_names_its_path() -> None:
    parts = [{"type": "input_text", "text": "a"}, {"type": "input_text"}]
    with pytest.raises(RequestError) as caught:
        decoded(RESPONSES, {"input": [{"role": "user", "content": parts}]})
    assert caught.value.field == "input[0].content[1].text"
