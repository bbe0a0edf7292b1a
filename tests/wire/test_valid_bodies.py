"""Bodies that an API takes and that few clients send: none is refused, what is lost is told."""

from __future__ import annotations

from typing import Any

import pytest

from rightmodel.core.task import (
    Attachment,
    Reasoning,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    WireFormat,
)
from rightmodel.wire.codec import Envelope
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.request import RequestError
from rightmodel.wire.response import ChatResponse, events_of
from wire.neutral import sent_body, stream_of

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
CUSTOM = {"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}
CITED = {
    "type": "document",
    "source": {"type": "text", "media_type": "text/plain", "data": "Rain."},
    "title": "Weather",
    "context": "From Monday.",
    "citations": {"enabled": True},
}
UPLOAD = {"type": "container_upload", "file_id": "file_1"}
SERVERS = [{"type": "url", "url": "https://example.com/mcp", "name": "s"}]

STRICT: dict[str, Any] = {"type": "function", "function": {"name": "f", "strict": True}}
OTHER: dict[str, Any] = {"type": "function", "function": {"name": "g"}}
EXAMPLE: dict[str, Any] = {
    "name": "f",
    "description": "Finds.",
    "input_schema": {"type": "object"},
    "input_examples": [{"q": "rain"}],
}

BEGUN = {"role": "assistant", "content": '{"a":'}
NATIVE: list[tuple[WireFormat, dict[str, Any], str]] = [
    (CHAT, {"messages": [USER, *CALLED]}, "functions"),
    (CHAT, {"messages": [{"role": "user", "content": [VIDEO]}]}, "messages.content.video_url"),
    (MESSAGES, {"messages": [{"role": "user", "content": [UPLOAD]}]}, "uploaded_files"),
    (CHAT, {"messages": [USER, {**CALLED[0], "content": "x"}, USER]}, "functions"),
    (CHAT, {"messages": [USER, {"role": "assistant", "audio": {"id": "a"}}, USER]}, "audio"),
    (CHAT, {"messages": [USER], "modalities": ["text", "audio"]}, "audio"),
    (CHAT, {"messages": [USER], "response_format": {"type": "grammar"}}, "response_format.grammar"),
    (CHAT, {"messages": [USER, {"role": "assistant", "tool_calls": [CUSTOM]}]}, "tools.custom"),
    (CHAT, {"messages": [USER], "logprobs": True}, "logprobs"),
    (CHAT, {"messages": [USER, {**BEGUN, "prefix": True}]}, "messages.prefix"),
    (CHAT, {"messages": [USER, BEGUN], "continue_final_message": True}, "continue_final_message"),
    (MESSAGES, {"messages": [USER, BEGUN]}, "prefill (the last message is the assistant's)"),
    (MESSAGES, {"messages": [USER], "inference_geo": "us"}, "inference_geo"),
    (MESSAGES, {"messages": [{"role": "user", "content": [CITED]}]}, "citations"),
    (RESPONSES, {"input": "hi", "top_logprobs": 3}, "top_logprobs"),
    (RESPONSES, {"input": "hi", "include": ["message.output_text.logprobs"]}, "logprobs"),
    (RESPONSES, {"input": [USER, {"type": "shell_call", "call_id": "c"}]}, "input.shell_call"),
    (RESPONSES, {"input": "hi", "tool_choice": {"type": "mcp", "name": "f"}}, "tool_choice.mcp"),
    (RESPONSES, {"input": "hi", "tool_choice": {"type": "shell"}}, "tool_choice.shell"),
    (RESPONSES, {"input": "hi", "text": {"format": {"type": "python"}}}, "text.format.python"),
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


IGNORED: list[tuple[WireFormat, dict[str, Any], tuple[str, ...]]] = [
    (CHAT, {"messages": [USER], "seed": 1, "frequency_penalty": 0}, ("seed",)),
    (CHAT, {"messages": [USER], "seed": 0, "enable_thinking": False}, ("enable_thinking", "seed")),
    (CHAT, {"messages": [USER], "verbosity": "low"}, ("verbosity",)),
    (CHAT, {"messages": [USER], "tools": [STRICT]}, ("tools.strict",)),
    (RESPONSES, {"input": "hi", "text": {"verbosity": "low"}}, ("text.verbosity",)),
    (RESPONSES, {"input": "hi", "tools": [{**STRICT["function"], "type": "function"}]},
     ("tools.strict",)),
    (MESSAGES, {"messages": [USER], "top_k": 5, "inference_geo": "global"}, ("top_k",)),
    (MESSAGES, {"messages": [USER], "tools": [{**EXAMPLE, "strict": True}]}, ("tools.strict",)),
]  # fmt: skip


@pytest.mark.parametrize(("wire_format", "body", "what"), IGNORED)
def test_what_can_be_left_out_is_named(
    wire_format: WireFormat, body: dict[str, Any], what: tuple[str, ...]
) -> None:
    request = decoded(wire_format, body)
    assert (request.native, request.ignored) == ((), what)


def test_a_refusal_is_what_the_model_said() -> None:
    refusal = {"role": "assistant", "content": None, "refusal": "No."}
    request = decoded(CHAT, {"messages": [USER, refusal, USER]})
    assert request.messages[1].parts == (Text("No."),)


def test_who_speaks_is_in_the_text_where_participants_have_names() -> None:
    alice = {**USER, "name": "alice"}
    example = {"role": "system", "name": "example_user", "content": "hello"}
    request = decoded(CHAT, {"messages": [example, alice]})
    assert [m.text for m in request.messages] == ["example_user: hello", "alice: hi"]


def test_a_document_is_read_with_its_title_and_context() -> None:
    request = decoded(MESSAGES, {"messages": [{"role": "user", "content": [CITED]}]})
    assert [part.text for part in request.messages[0].parts] == ["From Monday.", "Weather", "Rain."]


def test_examples_of_a_tools_input_are_in_its_description() -> None:
    request = decoded(MESSAGES, {"messages": [USER], "tools": [EXAMPLE]})
    assert request.tools[0].description == 'Finds.\n\nExamples of input: [{"q":"rain"}]'


def test_what_a_schema_is_for_is_in_the_schema() -> None:
    schema = {"name": "n", "description": "A town.", "schema": {"type": "object"}}
    form = {"type": "json_schema", "json_schema": schema}
    request = decoded(CHAT, {"messages": [USER], "response_format": form})
    assert request.schema == {"type": "object", "description": "A town."}


def test_json_mode_may_have_a_schema() -> None:
    form = {"type": "json_object", "schema": {"type": "object", "required": ["town"]}}
    assert decoded(CHAT, {"messages": [USER], "response_format": form}).schema == form["schema"]


def test_the_older_field_of_a_schema_counts() -> None:
    form = {"type": "json_schema", "schema": {"type": "object"}}
    assert decoded(MESSAGES, {"messages": [USER], "output_format": form}).schema == form["schema"]


ALLOWED: Any = {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]}
FLAT: Any = {"mode": "required", "tools": [{"type": "function", "name": "f"}]}


@pytest.mark.parametrize(
    ("wire_format", "body"),
    [
        (CHAT, {"messages": [USER], "tools": [STRICT, OTHER],
                "tool_choice": {"type": "allowed_tools", "allowed_tools": ALLOWED}}),
        (RESPONSES, {"input": "hi", "tools": [{"type": "function", **tool["function"]}
                                              for tool in (STRICT, OTHER)],
                     "tool_choice": {"type": "allowed_tools", **FLAT}}),
    ],
)  # fmt: skip
def test_only_allowed_tools_are_offered(wire_format: WireFormat, body: dict[str, Any]) -> None:
    request = decoded(wire_format, body)
    assert [tool.name for tool in request.tools] == ["f"]
    assert request.tool_choice == ToolChoice("required")


@pytest.mark.parametrize("kind", ["additional_tools", "tool_search_output"])
def test_tools_that_come_in_the_conversation_are_offered(kind: str) -> None:
    item = {"type": kind, "role": "developer", "tools": [{"type": "function", "name": "f"}]}
    request = decoded(RESPONSES, {"input": [item, USER]})
    assert [tool.name for tool in request.tools] == ["f"]
    assert (request.native, request.ignored) == ((), ())


def test_a_deferred_tool_that_was_found_is_offered_once() -> None:
    tool = {"type": "function", "name": "f", "defer_loading": True}
    found = {"type": "tool_search_output", "tools": [tool]}
    tools = decoded(RESPONSES, {"input": [USER, found], "tools": [tool]}).tools
    assert [tool.name for tool in tools] == ["f"]


def test_a_search_for_tools_that_the_client_runs_is_a_function_and_its_call_goes_back() -> None:
    query = {"type": "object", "properties": {"query": {"type": "string"}}}
    search = {"type": "tool_search", "execution": "client", "description": "d", "parameters": query}
    here = {"call_id": "c", "execution": "client", "status": "completed"}
    called = {"type": "tool_search_call", **here, "arguments": {"query": "mail"}}
    mail = {"type": "namespace", "name": "mail", "tools": [{"type": "function", "name": "send"}]}
    found = {"type": "tool_search_output", **here, "tools": [mail]}
    request = decoded(RESPONSES, {"input": [USER, called, found], "tools": [search]})
    assert (request.native, request.ignored) == ((), ())
    assert {tool.name: tool.parameters for tool in request.tools}["tool_search"] == query
    call, result = request.messages[1].parts[0], request.messages[2].parts[0]
    assert call == ToolCall("c", "tool_search", '{"query":"mail"}')
    assert result == ToolResult("c", (Text("These tools can be called now: mail__send"),))
    response = ChatResponse((call,), "tool_calls")
    envelope = Envelope("r", "m", 1, request.tools)
    (whole,) = CODECS[RESPONSES].encode_response(response, envelope)["output"]
    events = stream_of(CODECS[RESPONSES], response, events_of(response), envelope)
    (done,) = [e["item"] for e in events if e["type"] == "response.output_item.done"]
    assert {**called, "id": whole["id"]} == whole == done


def test_a_search_for_tools_at_the_provider_stays_there() -> None:
    request = decoded(RESPONSES, {"input": "hi", "tools": [{"type": "tool_search"}]})
    assert (request.tools, request.ignored) == ((), ("tools.tool_search",))


@pytest.mark.parametrize("choice", [{"type": "function"}, {"type": "function", "function": {}}])
def test_a_choice_of_a_function_without_its_name_is_refused(choice: dict[str, Any]) -> None:
    for wire_format, body in ((CHAT, {"messages": [USER]}), (RESPONSES, {"input": "hi"})):
        with pytest.raises(RequestError, match="tool_choice"):
            decoded(wire_format, {**body, "tool_choice": choice})


def test_a_tool_of_the_provider_that_must_be_called_stays_there() -> None:
    body = {"messages": [USER], "tools": [{"type": "web_search_20250305", "name": "web_search"}]}
    choice = {"type": "tool", "name": "web_search"}
    assert decoded(MESSAGES, {**body, "tool_choice": choice}).native == ("tool_choice",)


def test_a_response_in_the_background_could_not_be_fetched() -> None:
    with pytest.raises(RequestError, match="not stored here; wait for the response, or stream it"):
        decoded(RESPONSES, {"input": "hi", "background": True})


def test_a_temperature_beyond_the_range_of_messages_is_its_highest() -> None:
    request = decoded(CHAT, {"messages": [USER], "temperature": 1.5})
    assert sent_body(MESSAGES, request)["temperature"] == 1
    assert sent_body(CHAT, request)["temperature"] == 1.5


def test_base64_may_be_broken_into_lines() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVs\r\nbG8=\n"}}
    request = decoded(CHAT, {"messages": [{"role": "user", "content": [image]}]})
    assert request.messages[0].files[0].data == b"hello"
    source = {"type": "base64", "media_type": "image/png", "data": "aGVs\n bG8="}
    picture = {"role": "user", "content": [{"type": "image", "source": source}]}
    assert decoded(MESSAGES, {"messages": [picture]}).messages[0].files[0].data == b"hello"


def test_minus_one_is_no_limit_in_chats() -> None:
    assert decoded(CHAT, {"messages": [USER], "max_tokens": -1}).max_output_tokens == 0
    with pytest.raises(RequestError, match="positive"):
        decoded(CHAT, {"messages": [USER], "max_tokens": -2})


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
