"""What is encoded decodes to the same: in every wire format, and from every one to every other."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import product
from typing import Any

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
    ToolChoice,
    ToolSpec,
    WireFormat,
)
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.conversation import sealed
from rightmodel.wire.request import HARMLESS, RequestError, without_reasoning
from rightmodel.wire.response import ChatResponse, events_of
from wire.losses import with_losses
from wire.neutral import ENVELOPE, SCHEMA, again, decoded, requests, responses, sent_body, stream_of

FORMATS = list(WireFormat)


@pytest.mark.parametrize("wire_format", FORMATS)
@given(request=requests())
def test_a_request_survives_but_for_its_format_s_losses(
    wire_format: WireFormat, request: ChatRequest
) -> None:
    codec = CODECS[wire_format]
    if codec.unsupported(request) - HARMLESS:
        sent_body(codec.name, request)
    else:
        assert again(wire_format, request) == with_losses(wire_format, request)


@pytest.mark.parametrize(("first", "second"), list(product(FORMATS, FORMATS)))
@given(request=requests(most_rare=1))
def test_a_request_survives_translation(
    first: WireFormat, second: WireFormat, request: ChatRequest
) -> None:
    lost = CODECS[first].unsupported(request) | CODECS[second].unsupported(request)
    if lost - HARMLESS:
        return
    shared = without_reasoning(again(first, request))
    expected = without_reasoning(with_losses(first, request))
    assert shared == expected
    assert again(second, shared) == with_losses(second, expected)


@pytest.mark.parametrize("wire_format", FORMATS)
@given(data=st.data())
def test_a_whole_response_survives(wire_format: WireFormat, data: st.DataObject) -> None:
    response = data.draw(responses(wire_format))
    codec = CODECS[wire_format]
    body = json.loads(json.dumps(codec.encode_response(response, ENVELOPE)))
    assert decoded(codec, body) == response


@pytest.mark.parametrize("wire_format", FORMATS)
@given(data=st.data(), size=st.integers(0, 5))
def test_a_streamed_response_survives(
    wire_format: WireFormat, data: st.DataObject, size: int
) -> None:
    response = data.draw(responses(wire_format))
    codec = CODECS[wire_format]
    decoder = codec.decoder()
    for event in stream_of(codec, response, events_of(response, size), ENVELOPE):
        decoder.event(json.loads(json.dumps(event)))
    assert decoder.response() == response


def shown(response: ChatResponse) -> tuple[object, ...]:
    """What a client of any API is shown of a response."""
    thought = "".join(p.text for p in response.parts if isinstance(p, Reasoning))
    calls = [(c.id, c.name, json.loads(c.arguments)) for c in response.calls]
    return thought, response.text, calls, response.finish, response.usage, response.served


@pytest.mark.parametrize(("upstream", "client"), list(product(FORMATS, FORMATS)))
@given(data=st.data(), size=st.integers(0, 5))
def test_a_response_survives_translation_whole_and_streamed(
    upstream: WireFormat, client: WireFormat, data: st.DataObject, size: int
) -> None:
    response = data.draw(responses(upstream))
    reader, writer = CODECS[upstream].decoder(), CODECS[client]
    for event in stream_of(CODECS[upstream], response, events_of(response, size), ENVELOPE):
        reader.event(json.loads(json.dumps(event)))
    events = [sealed(event, upstream) for event in reader.events]
    parts = tuple(sealed(part, upstream) for part in reader.response().parts)
    received = replace(reader.response(), parts=parts)
    whole = decoded(writer, json.loads(json.dumps(writer.encode_response(received, ENVELOPE))))
    decoder = writer.decoder()
    for event in stream_of(writer, received, events, ENVELOPE):
        decoder.event(json.loads(json.dumps(event)))
    assert shown(whole) == shown(decoder.response()) == shown(response)


CARRIERS = [WireFormat.OPENAI_RESPONSES, WireFormat.ANTHROPIC_MESSAGES]


@pytest.mark.parametrize("client", CARRIERS)
@pytest.mark.parametrize("upstream", CARRIERS)
@pytest.mark.parametrize("thought", ["hm", ""])
def test_a_signature_comes_back_to_the_api_that_made_it_through_a_client_of_another(
    upstream: WireFormat, client: WireFormat, thought: str
) -> None:
    name = "rs_1" if upstream is WireFormat.OPENAI_RESPONSES else ""
    made = Reasoning(thought, "c2ln:1", name)
    response = ChatResponse((sealed(made, upstream), Text("yes")))
    body = CODECS[client].encode_response(response, ENVELOPE)
    if client is WireFormat.OPENAI_RESPONSES:
        said = {"input": body["output"]}
    else:
        said = {"messages": [{"role": "assistant", "content": body["content"]}], "max_tokens": 9}
    request = CODECS[client].decode_request({"model": "m", **said})
    assert made in again(upstream, request).messages[0].parts
    for other in set(FORMATS) - {upstream}:
        assert "c2ln" not in json.dumps(sent_body(other, request))


def test_a_seal_that_is_none_is_left_out() -> None:
    for signature in ("rightmodel-seal:", "rightmodel-seal:gemini:x", "rightmodel-seal:no-api::x"):
        request = ChatRequest("m", (Message("assistant", (Reasoning("hm", signature), Text("a"))),))
        for wire_format in FORMATS:
            assert "rightmodel" not in json.dumps(sent_body(wire_format, request))


IMAGE = Attachment("", "image/png", b"\x89PNG")
LOSSES: list[tuple[WireFormat, Message, str]] = [
    (WireFormat.OPENAI_CHAT, Message("user", (Text("a"), CacheMark())), "cache_marks"),
    (WireFormat.OPENAI_CHAT, Message("assistant", (Reasoning("a", "s"),)), "reasoning"),
    (WireFormat.OPENAI_RESPONSES, Message("user", (Attachment("", "audio/wav", b"R"),)), "audio"),
    (WireFormat.ANTHROPIC_MESSAGES, Message("user", (Attachment("", "audio/wav", b"R"),)), "audio"),
    (WireFormat.ANTHROPIC_MESSAGES, Message("assistant", (Reasoning("a"),)), "reasoning"),
    (WireFormat.GEMINI, Message("user", (Text("a"), CacheMark())), "cache_marks"),
    (WireFormat.GEMINI, Message("user", (Attachment("https://a/b", "image/*", b""),)), "image_url"),
]


@pytest.mark.parametrize(("wire_format", "message", "loss"), LOSSES)
def test_what_a_format_cannot_carry_is_named(
    wire_format: WireFormat, message: Message, loss: str
) -> None:
    request = ChatRequest("m", (Message("user", (Text("hi"),)), message))
    assert CODECS[wire_format].unsupported(request) == {loss}
    assert (loss in HARMLESS) == (loss in {"cache_marks", "reasoning"})


def test_stop_sequences_and_serial_calls_are_named_where_they_cannot_be_carried() -> None:
    hi = (Message("user", (Text("hi"),)),)
    stopping = ChatRequest("m", hi, stop=("END",))
    assert CODECS[WireFormat.OPENAI_RESPONSES].unsupported(stopping) == {"stop"}
    serial = ChatRequest(
        "m", hi, (ToolSpec("f", "", SCHEMA),), tool_choice=ToolChoice(parallel=False)
    )
    assert CODECS[WireFormat.GEMINI].unsupported(serial) == {"serial_tool_calls"}


def test_fields_that_the_neutral_form_does_not_hold_are_named() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "logit_bias": {"1": 2}}
    assert CODECS[WireFormat.OPENAI_CHAT].decode_request(body).ignored == ("logit_bias",)


BAD: list[tuple[WireFormat, dict[str, object], str]] = [
    (WireFormat.OPENAI_CHAT, {"messages": []}, "model"),
    (WireFormat.OPENAI_CHAT, {"model": "m"}, "messages"),
    (WireFormat.OPENAI_CHAT, {"model": "m", "messages": [{"role": "robot"}]}, "messages[0]"),
    (
        WireFormat.OPENAI_CHAT,
        {"model": "m", "messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "ftp://example.com/a.png"}}]}]},
        "messages[0].content[0]",
    ),
    (WireFormat.OPENAI_RESPONSES, {"model": "m", "input": 3}, "input"),
    (
        WireFormat.OPENAI_RESPONSES,
        {"model": "m", "input": "hi", "previous_response_id": "r"},
        "previous_response_id",
    ),
    (WireFormat.ANTHROPIC_MESSAGES, {"model": "m", "messages": []}, "max_tokens"),
    (WireFormat.GEMINI, {"model": "m"}, "contents"),
]  # fmt: skip


@pytest.mark.parametrize(("wire_format", "body", "field"), BAD)
def test_a_body_that_is_no_request_names_the_field(
    wire_format: WireFormat, body: dict[str, object], field: str
) -> None:
    with pytest.raises(RequestError) as caught:
        CODECS[wire_format].decode_request(body)
    assert caught.value.field == field


def test_arguments_that_are_cut_off_are_never_read_as_empty() -> None:
    call = ToolCall("c", "f", '{"path": "a')
    request = ChatRequest("m", (Message("assistant", (call,)),))
    for wire_format in (WireFormat.ANTHROPIC_MESSAGES, WireFormat.GEMINI):
        assert '{\\"path\\": \\"a' in json.dumps(sent_body(wire_format, request))


def test_parallel_calls_that_come_interleaved_are_kept_apart() -> None:
    decoder = CODECS[WireFormat.OPENAI_CHAT].decoder()
    first = {"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}
    second = {"index": 1, "id": "b", "function": {"name": "g", "arguments": "{"}}
    more = [
        {"index": 0, "function": {"arguments": "{}"}},
        {"index": 1, "function": {"arguments": "}"}},
    ]
    for calls in ([first, second], more):
        decoder.event({"choices": [{"delta": {"tool_calls": calls}}]})
    decoder.event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
    assert decoder.response() == ChatResponse(
        (ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}")), "tool_calls"
    )


def calls_chunk(*calls: tuple[int, Any], index: int | None = None) -> dict[str, Any]:
    """A chunk of a chat with more of the arguments of calls, each by its number."""
    made = [
        {
            "index": number if index is None else index,
            "id": f"c{number}",
            "function": {"name": f"f{number}", "arguments": more},
        }
        for number, more in calls
    ]
    return {"choices": [{"delta": {"tool_calls": made}, "finish_reason": None}]}


FINISHED: dict[str, Any] = {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}
ODD_CALLS = {
    "without arguments": ([calls_chunk((0, ""))], ["{}"]),
    "the first without arguments": ([calls_chunk((0, "")), calls_chunk((1, "[1]"))], ["{}", "[1]"]),
    "interleaved": (
        [calls_chunk((0, ""), (1, "[")), calls_chunk((0, "[0"), (1, "1]")), calls_chunk((0, "]"))],
        ["[0]", "[1]"],
    ),
    "under one index": (
        [calls_chunk((n, text), index=0) for n in (0, 1) for text in ("[", f"{n}]")],
        ["[0]", "[1]"],
    ),
    "as an object": ([calls_chunk((0, {"a": "[]"}))], ['{"a":"[]"}']),
}


@pytest.mark.parametrize("client", FORMATS)
@pytest.mark.parametrize("kind", ODD_CALLS)
def test_calls_that_a_chat_streams_oddly_reach_clients_of_every_api_whole(
    client: WireFormat, kind: str
) -> None:
    chunks, arguments = ODD_CALLS[kind]
    reader, writer = CODECS[WireFormat.OPENAI_CHAT].decoder(), CODECS[client]
    for chunk in [*chunks, FINISHED]:
        reader.event(chunk)
    sent = stream_of(writer, reader.response(), reader.events, ENVELOPE)
    decoder = writer.decoder()
    for event in sent:
        decoder.event(event)
    loaded = [json.loads(call.arguments) for call in decoder.response().calls]
    objects = [{"arguments": text} if text[0] == "[" else json.loads(text) for text in arguments]
    assert loaded == (objects if client is WireFormat.GEMINI else list(map(json.loads, arguments)))
    done = [e["item"]["arguments"] for e in sent if e.get("type") == "response.output_item.done"]
    assert done == (arguments if client is WireFormat.OPENAI_RESPONSES else [])


@pytest.mark.parametrize("wire_format", [WireFormat.OPENAI_CHAT, WireFormat.OPENAI_RESPONSES])
@pytest.mark.parametrize(("written", "read"), [('""', "{}"), ('{"a": 1}', '{"a":1}')])
def test_a_call_in_a_conversation_may_have_no_arguments_or_the_object_itself(
    wire_format: WireFormat, written: str, read: str
) -> None:
    body = sent_body(
        wire_format, ChatRequest("m", (Message("assistant", (ToolCall("c", "f", "<>"),)),))
    )
    odd = json.loads(json.dumps(body).replace('"<>"', written))
    call, *_ = CODECS[wire_format].decode_request(odd).messages
    assert call.parts == (ToolCall("c", "f", read),)


@pytest.mark.parametrize(
    ("wire_format", "prompt"),
    [(WireFormat.OPENAI_CHAT, "messages"), (WireFormat.OPENAI_RESPONSES, "input")],
)
def test_a_choice_among_several_tools_is_read_as_auto(wire_format: WireFormat, prompt: str) -> None:
    choice = {"type": "allowed_tools", "mode": "auto", "tools": []}
    body = {"model": "m", prompt: [{"role": "user", "content": "hi"}], "tool_choice": choice}
    assert CODECS[wire_format].decode_request(body).tool_choice == ToolChoice()


@pytest.mark.parametrize("last", [Text("Bon"), ToolCall("c", "find", '{"q": "la')])
def test_the_item_that_the_limit_cut_off_says_so_and_those_before_it_do_not(
    last: Text | ToolCall,
) -> None:
    codec, before = CODECS[WireFormat.OPENAI_RESPONSES], ToolCall("b", "find", "{}")
    response = ChatResponse((before, last), "length")
    whole = codec.encode_response(response, ENVELOPE)
    *events, end = stream_of(codec, response, events_of(response, 3), ENVELOPE)
    done = [e["item"] for e in events if e["type"] == "response.output_item.done"]
    for items in (whole["output"], done, end["response"]["output"]):
        assert [item["status"] for item in items] == ["completed", "incomplete"]
