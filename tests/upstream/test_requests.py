"""What is sent is valid by the official SDKs' published types."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from google.genai import types as genai
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from pydantic import ConfigDict, TypeAdapter

from rightmodel.core.task import Attachment, Turn, WireFormat
from rightmodel.manifest.catalog import Provider
from rightmodel.wire.anthropic_messages import AnthropicMessages
from rightmodel.wire.gemini import Gemini
from rightmodel.wire.openai_chat import OpenAIChat
from rightmodel.wire.request import ModelRequest

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
    Turn("user", "look at these", (PNG, PDF, NOTES)),
    Turn("assistant", "I see"),
    Turn("user", "and now?"),
)


def request(protocol: WireFormat, url: str, name: str, **facts: Any) -> ModelRequest:
    return ModelRequest(Provider("p", protocol, url), name, TURNS, key="k", **facts)


def strictly(typed_dict: Any, value: dict[str, Any]) -> None:
    """Valid, and without a key that the type does not know."""
    TypeAdapter(typed_dict).validate_python(value)
    assert set(value) <= set(typed_dict.__annotations__) | keys_of_bases(typed_dict)


def keys_of_bases(typed_dict: Any) -> set[str]:
    return set(typed_dict.__required_keys__) | set(typed_dict.__optional_keys__)


@pytest.mark.parametrize("facts", VARIANTS.values(), ids=VARIANTS)
@pytest.mark.parametrize("url", ["https://api.openai.com/v1", "http://127.0.0.1:11434/v1"])
def test_openai_chat(facts: dict[str, Any], url: str) -> None:
    body = OpenAIChat().body(request(WireFormat.OPENAI_CHAT, url, "gpt-5.5", **facts))
    strictly(CompletionCreateParamsStreaming, body)
    assert body["stream"] is True


@pytest.mark.parametrize("facts", VARIANTS.values(), ids=VARIANTS)
def test_anthropic_messages(facts: dict[str, Any]) -> None:
    url = "https://api.anthropic.com"
    body = AnthropicMessages().body(
        request(WireFormat.ANTHROPIC_MESSAGES, url, "claude-haiku-4-5", **facts)
    )
    strictly(MessageCreateParamsStreaming, body)


class Strict(genai.GenerationConfig):
    model_config = ConfigDict(extra="forbid")


@pytest.mark.parametrize("facts", VARIANTS.values(), ids=VARIANTS)
def test_gemini(facts: dict[str, Any]) -> None:
    url = "https://generativelanguage.googleapis.com"
    body = Gemini().body(request(WireFormat.GEMINI, url, "gemini-3.8-flash", **facts))
    for content in body["contents"]:
        genai.Content.model_validate(content)
    if "systemInstruction" in body:
        genai.Content.model_validate(body["systemInstruction"])
    Strict.model_validate(body.get("generationConfig", {}))
    assert set(body) <= {"contents", "systemInstruction", "generationConfig"}
