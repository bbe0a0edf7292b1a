"""Requests and responses in the neutral form, as Hypothesis draws them."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from rightmodel.core.call import Usage
from rightmodel.core.task import (
    Attachment,
    CacheMark,
    ChatRequest,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
    WireFormat,
)
from rightmodel.manifest.quirks import NO_QUIRKS, Quirks
from rightmodel.wire.codec import Codec, Envelope
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.conversation import settled
from rightmodel.wire.response import ChatResponse, StreamEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rightmodel.core.task import Part

SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["city", "n"],
    "additionalProperties": False,
}
WORDS: Final = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12
)
MAYBE_WORDS: Final = st.one_of(st.just(""), WORDS)
NAMES: Final = st.sampled_from(["read_file", "search", "run"])
IMAGE: Final = Attachment("", "image/png", b"\x89PNG\r\n\x1a\n")
PDF: Final = Attachment("", "application/pdf", b"%PDF-1.7")
AUDIO: Final = Attachment("", "audio/wav", b"RIFF")
TEXTS: Final = WORDS.map(Text)
ARGUMENTS: Final = st.dictionaries(WORDS, st.one_of(WORDS, st.integers(-9, 9)), max_size=2).map(
    lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":"))
)
SIGNATURES: Final = st.sampled_from(["", "c2ln"])
TOOLS: Final = st.lists(
    st.builds(ToolSpec, NAMES, MAYBE_WORDS, st.just(SCHEMA)),
    max_size=2,
    unique_by=lambda tool: tool.name,
).map(tuple)
REASONING: Final = st.builds(Reasoning, WORDS, SIGNATURES, st.sampled_from(["", "rs_1"]))
USAGES: Final = st.sampled_from([Usage(1000, 50, 900, reasoning=20), Usage(10, 5)])
THOUGHTS: Final = st.lists(REASONING, max_size=1)
MARKS: Final = st.sampled_from([(), (CacheMark(),)])
FILES: Final = st.lists(st.sampled_from([IMAGE, PDF]), max_size=1)
WITH_AUDIO: Final = st.lists(st.sampled_from([IMAGE, PDF, AUDIO]), max_size=1)

RARE: Final = (
    "marks",
    "reasoning",
    "audio",
    "images",
    "errors",
    "signatures",
    "system",
    "stop",
    "serial",
)
"""What some wire formats cannot carry."""


@st.composite
def requests(draw: st.DrawFn, most_rare: int = 2) -> ChatRequest:
    """A conversation in which every call has its result, with a few rare features."""
    rare = draw(st.sets(st.sampled_from(RARE), max_size=most_rare))
    tools = draw(TOOLS)
    marks = MARKS if "marks" in rare else st.just(())
    files = WITH_AUDIO if "audio" in rare else FILES
    messages: list[Message] = []
    if draw(st.booleans()):
        messages.append(Message("system", (draw(TEXTS), *draw(marks))))
    calls: list[ToolCall] = []
    for turn in range(draw(st.integers(1, 3))):
        results = tuple(
            ToolResult(
                call.id,
                (draw(TEXTS), *([IMAGE] if "images" in rare else [])),
                "errors" in rare and draw(st.booleans()),
            )
            for call in calls
        )
        said: tuple[Part, ...] = (*draw(files), draw(TEXTS), *draw(marks))
        messages.append(Message("user", (*results, *said)))
        calls = draw(_calls(turn, signed="signatures" in rare)) if tools else []
        thought = draw(THOUGHTS) if "reasoning" in rare else []
        messages.append(Message("assistant", (*thought, draw(TEXTS), *calls)))
    if "system" in rare:
        messages.append(Message("system", (draw(TEXTS),)))
    results = tuple(ToolResult(call.id, (Text("done"),)) for call in calls)
    messages.append(Message("user", (*results, draw(TEXTS))))
    return ChatRequest(
        model=draw(st.sampled_from(["m-1", "gemini-3.8-flash"])),
        messages=tuple(messages),
        tools=tools,
        tool_choice=draw(_choices(tools[0].name if tools else "", serial="serial" in rare)),
        schema=draw(st.sampled_from([None, SCHEMA])),
        effort=draw(st.sampled_from(["", "none", "low", "medium", "high"])),
        max_output_tokens=draw(st.integers(1, 9999)),
        temperature=draw(st.sampled_from([None, 0.0, 0.5])),
        top_p=draw(st.sampled_from([None, 0.9])),
        stop=("END", "STOP") if "stop" in rare else (),
        stream=draw(st.booleans()),
    )


@cache  # Hypothesis examines each new strategy, which takes longer than to draw from it
def _calls(turn: int, *, signed: bool) -> st.SearchStrategy[list[ToolCall]]:
    def numbered(parts: list[tuple[str, str, str]]) -> list[ToolCall]:
        return [ToolCall(f"call_{turn}_{i}", n, a, s) for i, (n, a, s) in enumerate(parts)]

    signatures = SIGNATURES if signed else st.just("")
    return st.lists(st.tuples(NAMES, ARGUMENTS, signatures), max_size=2).map(numbered)


@cache
def _choices(tool: str, *, serial: bool) -> st.SearchStrategy[ToolChoice]:
    """`tool`: the name of one, "" where there is none."""
    if not tool:
        return st.just(ToolChoice())
    return st.one_of(
        st.builds(ToolChoice, st.sampled_from(["auto", "required"]), parallel=st.just(not serial)),
        st.just(ToolChoice("none")),
        st.builds(ToolChoice, st.just("required"), st.just(tool), st.just(not serial)),
    )


@st.composite
def responses(draw: st.DrawFn, wire_format: WireFormat) -> ChatResponse:
    """A response as this wire format can carry it."""
    signed = wire_format is not WireFormat.OPENAI_CHAT
    parts: list[Text | Reasoning | ToolCall] = []
    if draw(st.booleans()):
        named = "rs_1" if wire_format is WireFormat.OPENAI_RESPONSES else ""
        parts.append(Reasoning(draw(WORDS), "c2ln" if signed else "", named))
    if said := draw(MAYBE_WORDS):
        parts.append(Text(said))
    calls = draw(_calls(0, signed=wire_format is WireFormat.GEMINI))
    finishes = ["tool_calls"] if calls else ["stop", "length", "refused"]
    usage, finish = draw(USAGES), draw(st.sampled_from(finishes))
    return ChatResponse((*parts, *calls), finish, "m-1", usage, id="r1")


ENVELOPE: Final = Envelope("r1", "m-1", 1_795_000_000)


def sent_body(
    wire_format: WireFormat, request: ChatRequest, quirks: Quirks = NO_QUIRKS
) -> dict[str, Any]:
    """The body of a request as it is sent."""
    return CODECS[wire_format].encode_request(settled(request, wire_format), quirks)


def again(wire_format: WireFormat, request: ChatRequest) -> ChatRequest:
    """The request out of its own body; names of files, which some formats lack, left out."""
    codec = CODECS[wire_format]
    body = json.loads(json.dumps(sent_body(codec.name, request)))
    if wire_format is WireFormat.GEMINI:  # they are in the path
        body |= {"model": request.model, "stream": request.stream}
    found = codec.decode_request(body)
    return replace(found, messages=tuple(map(_nameless, found.messages)))


def _nameless(message: Message) -> Message:
    return replace(message, parts=tuple(map(_without_name, message.parts)))


def _without_name(part: Any) -> Any:
    if isinstance(part, ToolResult):
        return replace(part, parts=tuple(map(_without_name, part.parts)))
    return replace(part, path="") if isinstance(part, Attachment) else part


def decoded(codec: Codec, body: Mapping[str, Any]) -> ChatResponse:
    decoder = codec.decoder()
    decoder.body(body)
    return decoder.response()


def stream_of(
    codec: Codec, response: ChatResponse, events: Iterable[StreamEvent], envelope: Envelope
) -> list[dict[str, Any]]:
    """A whole response as a stream that brings these events."""
    encoder = codec.stream_encoder(envelope)
    start = encoder.start()
    between = [part for event in events for part in encoder.event(event)]
    return [*start, *between, *encoder.end(response)]
