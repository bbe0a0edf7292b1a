"""Whatever stands in a field: the body is read or refused, and what is read can be encoded."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.core.task import WireFormat
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.request import RequestError
from wire.neutral import sent_body

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
PNG = "data:image/png;base64,aGk="
FUNCTION = {"name": "f", "parameters": SCHEMA, "strict": True}
CHAT: dict[str, Any] = {
    "model": "auto",
    "messages": [
        {"role": "system", "content": "s", "name": "example_user"},
        {"role": "user", "name": "al", "content": [
            {"type": "text", "text": "hi"},
            {"type": "image_url", "image_url": {"url": PNG}},
            {"type": "file", "file": {"file_data": PNG, "filename": "x"}},
            {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}]},
        {"role": "assistant", "content": None, "refusal": "no", "audio": {"id": "a"},
         "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}},
                        {"id": "d", "custom": {"name": "g", "input": "x"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "r"}],
    "tools": [{"type": "function", "function": FUNCTION}],
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {
        "mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
    "modalities": ["text"], "stop": ["a"], "reasoning": {"effort": "low"}, "max_tokens": -1,
    "temperature": 1.5, "n": 1, "prompt_cache_key": "k", "seed": 1, "parallel_tool_calls": False,
}  # fmt: skip
RESPONSES: dict[str, Any] = {
    "model": "auto",
    "input": [
        {"role": "user", "content": [
            {"type": "input_text", "text": "x"},
            {"type": "input_image", "image_url": PNG},
            {"type": "input_file", "file_data": PNG, "filename": "f"}]},
        {"type": "additional_tools", "tools": [{"type": "function", "name": "z"}]},
        {"type": "reasoning", "id": "r", "summary": [{"text": "t"}], "encrypted_content": "e"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [
            {"type": "input_text", "text": "o"}]},
        {"type": "custom_tool_call", "call_id": "e", "name": "g", "input": "i"},
        {"type": "local_shell_call", "call_id": "l", "action": {"command": ["ls"]}},
        {"type": "shell_call", "call_id": "q"}],
    "tools": [{"type": "function", **FUNCTION}, {"type": "mcp"},
              {"type": "custom", "name": "g", "format": {"type": "grammar", "syntax": "lark"}},
              {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f"}]}],
    "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"name": "f"}]},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}, "verbosity": "low"},
    "include": ["message.output_text.logprobs"], "top_logprobs": 2, "reasoning": {"effort": "high"},
    "instructions": "i", "max_output_tokens": 5, "background": False,
}  # fmt: skip
MESSAGES: dict[str, Any] = {
    "model": "auto",
    "max_tokens": 5,
    "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": [
            {"type": "text", "text": "x", "citations": []},
            {"type": "document", "title": "t", "context": "c", "citations": {"enabled": True},
             "source": {"type": "text", "data": "d"}},
            {"type": "search_result", "title": "t", "source": "s", "content": [
                {"type": "text", "text": "y"}]},
            {"type": "image", "source": {
                "type": "base64", "media_type": "image/png", "data": "aGk="}}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "t", "signature": "s"},
            {"type": "tool_use", "id": "c", "name": "f", "input": {"a": "b"}},
            {"type": "server_tool_use", "id": "s"}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": [
            {"type": "text", "text": "r"}], "is_error": True}]}],
    "tools": [{"name": "f", "input_schema": SCHEMA, "strict": True, "input_examples": [{"a": "b"}]},
              {"type": "web_search_20250305", "name": "web_search"}],
    "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "low"},
    "output_format": {"schema": SCHEMA}, "thinking": {"type": "enabled", "budget_tokens": 1000},
    "inference_geo": "us", "top_k": 3, "stop_sequences": ["a"],
}  # fmt: skip
BODIES = {
    WireFormat.OPENAI_CHAT: CHAT,
    WireFormat.OPENAI_RESPONSES: RESPONSES,
    WireFormat.ANTHROPIC_MESSAGES: MESSAGES,
}
OTHERS: tuple[Any, ...] = (
    None, 5, -1, 1.5, True, "", "x", [], {}, [5], [{}], {"type": 5}, {"type": "x"}, [[]], 10**30,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything within the value."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield (*path, key)
            yield from places(value[key], (*path, key))


@pytest.mark.parametrize("wire_format", BODIES)
def test_any_value_in_any_field_is_read_or_refused(wire_format: WireFormat) -> None:
    body = BODIES[wire_format]
    for *parents, last in places(body):
        for other in OTHERS:
            changed = deepcopy(body)
            holder: Any = changed
            for key in parents:
                holder = holder[key]
            holder[last] = other
            try:
                request = CODECS[wire_format].decode_request(changed)
            except RequestError:
                continue
            for name, codec in CODECS.items():
                if name is not wire_format:
                    assert json.dumps(sent_body(codec.name, request)), (last, other)
