"""OpenAI's responses API as a server without a store speaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.task import (
    Attachment,
    ChatRequest,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    WireFormat,
)
from rightmodel.wire.body import (
    Leftovers,
    content,
    entries,
    file_of_url,
    limit,
    number,
    optional,
    required,
    strings,
    wrong,
)
from rightmodel.wire.codec import Codec, Envelope
from rightmodel.wire.error_body import FAILED_CODES, openai_error
from rightmodel.wire.fields import arguments_text, effort_of, obj, objects, text
from rightmodel.wire.openai_chat import headers
from rightmodel.wire.openai_fields import allowed_tools, decoded_choice, decoded_schema
from rightmodel.wire.openai_responses import ResponsesDecoder, encode_request, is_foreign, url
from rightmodel.wire.openai_responses_stream import (
    ResponsesStreamEncoder,
    encode_response,
    response_object,
)
from rightmodel.wire.plain import plain_responses
from rightmodel.wire.request import RequestError
from rightmodel.wire.tools import (
    LOCAL_SHELL,
    TOOL_SEARCH,
    custom_arguments,
    custom_tool,
    function_tool,
    search_tool,
    shell_arguments,
    shell_tool,
    tool_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rightmodel.core.task import Part

_FIELDS: Final = frozenset({
    "model", "input", "instructions", "stream", "tools", "tool_choice", "parallel_tool_calls",
    "text", "reasoning", "max_output_tokens", "temperature", "top_p", "store", "include",
    "metadata", "client_metadata", "prompt", "background", "prompt_cache_key", "safety_identifier",
    "user", "service_tier", "truncation", "top_logprobs", "stream_options",
})  # fmt: skip
_CALLS: Final = frozenset({"function_call", "custom_tool_call", "local_shell_call"})
_RESULTS: Final = frozenset({
    "function_call_output", "custom_tool_call_output", "local_shell_call_output",
})  # fmt: skip
_ITEMS: Final = _CALLS | _RESULTS | {"reasoning"}
_NATIVE_ITEMS: Final = frozenset({
    "compaction", "context_compaction", "item_reference", "shell_call", "shell_call_output",
    "apply_patch_call", "apply_patch_call_output", "computer_call", "computer_call_output",
    "mcp_approval_response",
})  # fmt: skip
"""Items that hold a part of the conversation that only the same API can read."""

_WITH_TOOLS: Final = frozenset({"additional_tools", "tool_search_output"})
_CLIENT_TOOLS: Final = (None, "function", "custom")
"""Types of a choice of one tool that the client runs and that the neutral form has."""

_WHOLE: Final = (
    "responses are not stored here; send the whole conversation as `input`, with store: false"
)
_STORED: Final = {
    "previous_response_id": f"previous response not found: {_WHOLE}",
    "conversation": _WHOLE,
    "background": "responses are not stored here; wait for the response, or stream it",
}
_NATIVE_FIELDS: Final = frozenset({"prompt", "top_logprobs"})
_LOGPROBS: Final = "message.output_text.logprobs"
_HOSTED: Final = (
    "web_search", "file_search", "code_interpreter", "image_generation", "mcp", "tool_search",
)  # fmt: skip
"""Tools that run at the provider, so that no other model is asked to call them."""


def decode_request(body: Mapping[str, Any]) -> ChatRequest:
    """The neutral form of a body. Raises `RequestError`."""
    for field, instead in _STORED.items():
        if body.get(field):
            raise RequestError(f"{field}: {instead}", field)
    instructions = optional(body, "instructions", str)
    system = (Message("system", (Text(instructions),)),) if instructions else ()
    output = optional(body, "text", dict) or {}
    form = obj(output.get("format"))
    left = Leftovers(body, _FIELDS)
    for name in _NATIVE_FIELDS:
        if body.get(name):
            left.native(name)
    if _LOGPROBS in strings(body, "include"):
        left.native("logprobs")
    if output.get("verbosity"):
        left.ignore("text.verbosity")
    items = _input(body)
    later = (item.get("tools") for item in items if text(item.get("type")) in _WITH_TOOLS)
    given = [*entries(body.get("tools"), "tools"), *(tool for t in later for tool in objects(t))]
    # One that was deferred comes again with the search that found it.
    tools = {tool.name: tool for t in given for tool in _decoded_tools(t, left)}
    chosen = obj(body.get("tool_choice"))
    name = text(chosen.get("name")) if chosen.get("type") in _CLIENT_TOOLS else ""
    request = ChatRequest(
        model=required(body, "model", str),
        messages=(*system, *_decoded_items(items, left)),
        tools=allowed_tools(body, tuple(tools.values())),
        tool_choice=decoded_choice(body, name, left, text(chosen.get("namespace"))),
        schema=decoded_schema(form, form, "text.format", left),
        effort=effort_of(obj(body.get("reasoning")).get("effort")),
        max_output_tokens=limit(body, "max_output_tokens"),
        temperature=number(body, "temperature"),
        top_p=number(body, "top_p"),
        stream=bool(optional(body, "stream", bool)),
        cache_key=text(body.get("prompt_cache_key")),
    )
    return left.noted(request, "input")


def _input(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The items; none beside a stored prompt, which may be all of the conversation."""
    given = body.get("input")
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    if not given and not body.get("prompt"):
        raise wrong("input", "a string, or an array with at least one item,")
    return entries(given, "input")


def _decoded_items(items: list[dict[str, Any]], left: Leftovers) -> tuple[Message, ...]:
    """Items in a row that one side sent are one message."""
    found: list[tuple[Any, list[Part]]] = []
    for number_, item in enumerate(items):
        role, parts = _decoded_item(item, f"input[{number_}]", left)
        if found and found[-1][0] == role and _continues(item, found[-1][1], role):
            found[-1][1].extend(parts)
        elif parts:
            found.append((role, parts))
    return tuple([Message(role, tuple(parts)) for role, parts in found])


def _continues(item: Mapping[str, Any], before: list[Part], role: str) -> bool:
    only_results = all(isinstance(piece, ToolResult) for piece in before)
    return item.get("type") in _ITEMS or role == "assistant" or only_results


def _decoded_item(item: Mapping[str, Any], field: str, left: Leftovers) -> tuple[str, list[Part]]:
    kind = text(item.get("type")) or (
        "item_reference" if "id" in item and "role" not in item else "message"
    )
    if kind == "message":
        role = item.get("role")
        if role not in ("user", "assistant", "system", "developer"):
            words = "is not one of user, assistant, system, developer"
            raise RequestError(f"{field}.role: {role!r} {words}", f"{field}.role")
        contents = _decoded_content(content(item, field), field, left)
        return ("system" if role == "developer" else role), [*contents]
    is_run_here = item.get("execution") == "client"
    if kind in _CALLS or (kind == "tool_search_call" and is_run_here):
        return "assistant", [_decoded_call(item, kind)]
    if kind == "tool_search_output" and is_run_here:
        return "user", [_found_tools(item, left)]
    if kind in _RESULTS:
        parts = tuple(_decoded_content(item.get("output"), field, left, "output"))
        return "user", [ToolResult(text(item.get("call_id") or item.get("id")), parts)]
    if kind == "reasoning":
        summary = "\n\n".join(text(s.get("text")) for s in objects(item.get("summary")))
        signature = text(item.get("encrypted_content"))
        return "assistant", [Reasoning(summary, signature, text(item.get("id")))]
    if kind not in _WITH_TOOLS:
        note = left.native if kind in _NATIVE_ITEMS else left.ignore
        note(f"input.{kind}")
    return "assistant", []


def _decoded_call(item: Mapping[str, Any], kind: str) -> ToolCall:
    call_id = text(item.get("call_id"))
    if kind == "local_shell_call":
        return ToolCall(call_id, LOCAL_SHELL, shell_arguments(obj(item.get("action"))))
    if kind == "tool_search_call":
        return ToolCall(call_id, TOOL_SEARCH, arguments_text(item.get("arguments")))
    name = tool_name(text(item.get("name")), text(item.get("namespace")))
    if kind == "custom_tool_call":
        return ToolCall(call_id, name, custom_arguments(text(item.get("input"))))
    return ToolCall(call_id, name, arguments_text(item.get("arguments")))


def _found_tools(item: Mapping[str, Any], left: Leftovers) -> ToolResult:
    """The result of a search for tools: the names by which they are called now."""
    found = [t.name for tool in objects(item.get("tools")) for t in _decoded_tools(tool, left)]
    words = f"These tools can be called now: {', '.join(found)}" if found else "No tool was found."
    return ToolResult(text(item.get("call_id")), (Text(words),))


def _decoded_content(
    given: Any, field: str, left: Leftovers, name: str = "content"
) -> Iterator[Text | Attachment]:
    if isinstance(given, str):
        yield Text(given)
        return
    for number_, piece in enumerate(entries(given, f"{field}.{name}")):
        where = f"{field}.{name}[{number_}]"
        kind = piece.get("type")
        if kind in ("input_text", "output_text", "text", "refusal"):
            yield Text(
                required(piece, "refusal" if kind == "refusal" else "text", str, f"{where}.")
            )
        elif piece.get("file_id"):
            left.native("uploaded_files")
        elif kind == "input_image":
            yield file_of_url(text(piece.get("image_url")), "image", where)
        elif kind == "input_file":
            url = text(piece.get("file_url") or piece.get("file_data"))
            yield file_of_url(url, text(piece.get("filename")), where, "application/pdf")
        else:
            left.native(f"input.content.{kind}")


def _decoded_tools(
    tool: Mapping[str, Any], left: Leftovers, namespace: str = ""
) -> Iterator[ToolSpec]:
    kind, name = text(tool.get("type")), text(tool.get("name"))
    if kind == "namespace":
        for inner in objects(tool.get("tools")):
            yield from _decoded_tools(inner, left, name)
    elif not kind:
        raise wrong("tools", "a type in each tool, such as function,")
    elif kind in {"function", "custom"} and not name:
        raise RequestError(f"tools: a {kind} tool without a name", "tools")
    elif kind == "function":
        left.strict(tool)
        parameters = obj(tool.get("parameters"))
        yield function_tool(name, text(tool.get("description")), parameters, namespace)
    elif kind == "custom":
        yield custom_tool(tool, namespace)
    elif kind == "local_shell":
        yield shell_tool()
    elif kind == "tool_search" and tool.get("execution") == "client":
        yield search_tool(tool)
    else:
        note = left.ignore if kind.startswith(_HOSTED) else left.native
        note(f"tools.{kind}")


def _error_events(body: dict[str, Any], envelope: Envelope) -> list[dict[str, Any]]:
    """An `error` event, flat as it is typed and nested as it is sent, and a failed response.

    The SDKs raise for the first; Codex 0.171 reads the second alone.
    """
    error = body["error"]
    flat = {key: error[key] for key in ("code", "message", "param")}
    code = error["code"] if error["code"] in FAILED_CODES else "server_error"
    failed = response_object(envelope, "failed", [], None) | {"error": {**error, "code": code}}
    return [
        {"type": "error", "sequence_number": 0, **flat, **body},
        {"type": "response.failed", "sequence_number": 1, "response": failed},
    ]


CODEC: Final = Codec(
    name=WireFormat.OPENAI_RESPONSES,
    url=url,
    headers=headers,
    encode_request=encode_request,
    decoder=ResponsesDecoder,
    is_foreign=is_foreign,
    not_carried=frozenset({"stop", "cache_marks", "audio"}),
    schema_path="text.format",
    cap_paths=("max_output_tokens",),
    effort_path="reasoning",
    optional=(
        "max_output_tokens",
        "reasoning",
        "text.format",
        "include",
        "prompt_cache_key",
        "temperature",
        "top_p",
        "parallel_tool_calls",
        "stream",
    ),
    decode_request=decode_request,
    encode_response=encode_response,
    stream_encoder=ResponsesStreamEncoder,
    plain=plain_responses,
    encode_error=openai_error,
    error_events=_error_events,
    names_events=True,
)
