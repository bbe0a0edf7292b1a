"""What is sent is valid by the official SDKs' published types."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from google.genai import types as genai
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import ConfigDict, TypeAdapter

from rightmodel.core.task import (
    Attachment,
    ChatRequest,
    Message,
    ToolChoice,
    ToolSpec,
    WireFormat,
)
from rightmodel.manifest.catalog import Provider
from rightmodel.manifest.quirks import NO_QUIRKS, Quirks
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.request import ModelRequest
from wire.neutral import sent_body

PNG = Attachment("shot.png", "image/png", b"\x89PNG\r\n\x1a\n")
PDF = Attachment("paper.pdf", "application/pdf", b"%PDF-1.7")
NOTES = Attachment("notes.md", "text/plain", b"hello")
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "everything": {
        "system": "be brief",
        "schema": SCHEMA,
        "native_schema": True,
        "effort": "low",
        "max_output_tokens": 500,
    },
    "schema in words": {"schema": SCHEMA},
    "no effort": {"effort": "none"},
}
TURNS = (
    Message.of("user", "look at these", (PNG, PDF, NOTES)),
    Message.of("assistant", "I see"),
    Message.of("user", "and now?"),
)


def request(protocol: WireFormat, url: str, name: str, **facts: Any) -> ChatRequest:
    return ModelRequest(Provider("p", protocol, url), name, TURNS, key="k", **facts).chat()


def strictly(typed_dict: Any, value: dict[str, Any]) -> None:
    """Valid, and without a key that the type does not know."""
    TypeAdapter(typed_dict).validate_python(value)
    assert set(value) <= set(typed_dict.__annotations__) | keys_of_bases(typed_dict)


def keys_of_bases(typed_dict: Any) -> set[str]:
    return set(typed_dict.__required_keys__) | set(typed_dict.__optional_keys__)


@pytest.mark.parametrize("facts", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("cap", ["max_tokens", "max_completion_tokens"])
def test_openai_chat(facts: dict[str, Any], cap: str) -> None:
    asked = request(WireFormat.OPENAI_CHAT, "https://api.openai.com/v1", "gpt-5.5", **facts)
    body = sent_body(WireFormat.OPENAI_CHAT, asked, Quirks(output_cap=cap))
    strictly(CompletionCreateParamsStreaming, body)
    assert body["stream"] is True
    assert body.get(cap) == facts.get("max_output_tokens")


@pytest.mark.parametrize("facts", VARIANTS.values(), ids=VARIANTS)
def test_openai_responses(facts: dict[str, Any]) -> None:
    asked = request(WireFormat.OPENAI_RESPONSES, "https://api.openai.com/v1", "gpt-6", **facts)
    body = sent_body(WireFormat.OPENAI_RESPONSES, asked)
    strictly(ResponseCreateParamsStreaming, body)
    assert body["store"] is False


def test_hosts_that_take_other_parameters() -> None:
    asked = request(WireFormat.OPENAI_CHAT, "https://api.example.com/v1", "m", effort="low")
    body = sent_body(
        WireFormat.OPENAI_CHAT, asked, Quirks(effort_field="reasoning", stream_usage=False)
    )
    assert body["reasoning"] == {"effort": "low"}
    assert not {"reasoning_effort", "stream_options"} & set(body)


@pytest.mark.parametrize("facts", VARIANTS.values(), ids=VARIANTS)
def test_anthropic_messages(facts: dict[str, Any]) -> None:
    url = "https://api.anthropic.com"
    body = sent_body(
        WireFormat.ANTHROPIC_MESSAGES,
        request(WireFormat.ANTHROPIC_MESSAGES, url, "claude-haiku-4-5", **facts),
    )
    strictly(MessageCreateParamsStreaming, body)


class Strict(genai.GenerationConfig):
    model_config = ConfigDict(extra="forbid")


@pytest.mark.parametrize("facts", VARIANTS.values(), ids=VARIANTS)
def test_gemini(facts: dict[str, Any]) -> None:
    url = "https://generativelanguage.googleapis.com"
    body = sent_body(
        WireFormat.GEMINI, request(WireFormat.GEMINI, url, "gemini-3.8-flash", **facts)
    )
    for content in body["contents"]:
        genai.Content.model_validate(content)
    if "systemInstruction" in body:
        genai.Content.model_validate(body["systemInstruction"])
    Strict.model_validate(body.get("generationConfig", {}))
    assert set(body) <= {"contents", "systemInstruction", "generationConfig"}


@pytest.mark.parametrize(
    ("effort", "mode", "sent"),
    [
        ("", "auto", {"temperature", "top_p"}),
        ("high", "auto", {"thinking", "output_config"}),
        ("none", "auto", {"thinking", "temperature", "top_p"}),
        ("high", "required", {"output_config", "temperature", "top_p"}),
    ],
)
def test_claude_is_not_sent_what_it_refuses_beside_thinking(
    effort: str, mode: Any, sent: set[str]
) -> None:
    asked = ChatRequest(
        "m",
        (Message.of("user", "hi"),),
        tools=(ToolSpec("f", "", {}),),
        tool_choice=ToolChoice(mode),
        effort=effort,
        temperature=0.5,
        top_p=0.9,
    )
    body = CODECS[WireFormat.ANTHROPIC_MESSAGES].encode_request(asked, NO_QUIRKS)
    assert {"temperature", "top_p", "thinking", "output_config"} & set(body) == sent


@pytest.mark.parametrize("wire_format", [WireFormat.OPENAI_CHAT, WireFormat.OPENAI_RESPONSES])
def test_openai_gets_the_properties_and_items_that_it_asks_for(wire_format: WireFormat) -> None:
    tags: dict[str, Any] = {"type": ["array", "null"]}
    properties: dict[str, Any] = {"type": {"type": "string"}, "tags": tags}
    named = {"type": "object", "properties": properties}
    given: list[dict[str, Any]] = [{}, {"type": "object"}, named]
    tools = tuple(ToolSpec(f"t{n}", "", one) for n, one in enumerate(given))
    request = ChatRequest("m", (Message.of("user", "hi"),), tools=tools)
    sent = CODECS[wire_format].encode_request(request, NO_QUIRKS)["tools"]
    empty = {"type": "object", "properties": {}}
    whole = {**named, "properties": {**properties, "tags": {**tags, "items": {}}}}
    assert [tool.get("function", tool)["parameters"] for tool in sent] == [empty, empty, whole]


def test_a_tool_that_is_nested_without_end_is_sent_as_it_is() -> None:
    deep: dict[str, Any] = {"type": "array"}
    for _ in range(800):
        deep = {"properties": {"a": deep}}
    request = ChatRequest("m", (Message.of("user", "hi"),), tools=(ToolSpec("t", "", deep),))
    (tool,) = CODECS[WireFormat.OPENAI_CHAT].encode_request(request, NO_QUIRKS)["tools"]
    assert tool["function"]["parameters"]["properties"] is deep["properties"]
