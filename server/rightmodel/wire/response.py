"""A model's response, whatever the wire format: its events, the whole, and how it is decoded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rightmodel.core.format import well_formed
from rightmodel.core.task import Reasoning, Text, ToolCall
from rightmodel.wire.fields import cost_of, dumps, is_json, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from decimal import Decimal

    from rightmodel.core.call import Usage

FINISHES: Final = frozenset({"stop", "length", "refused", "tool_calls"})
"""How a response may end: with any other word it may be unfinished."""
PAUSED: Final = "pause_turn"
"""Anthropic's word while its own tools run: the client sends what came so far again."""


class ReasoningDelta(NamedTuple):
    """More of the model's reasoning. `signature` and `id` as in `Reasoning`, "" while unknown.

    The signature comes whole and ends the reasoning.
    """

    text: str
    signature: str = ""
    id: str = ""


class CallStart(NamedTuple):
    """The model begins to call a tool. `number`: counts the calls of the response from 0."""

    number: int
    id: str
    name: str
    signature: str = ""


class CallDelta(NamedTuple):
    """More of a tool call's arguments."""

    number: int
    arguments: str


StreamEvent = str | ReasoningDelta | CallStart | CallDelta
"""What a response grows by. A plain string is text of the answer: most events are."""


@dataclass(frozen=True, slots=True)
class ChatResponse:
    """A whole response.

    `finish`: "stop", "length", "refused", "tool_calls" or the upstream's own word. `served`: the
    model that the upstream names, "" where it names none. `cost_usd`: as billed.
    """

    parts: tuple[Text | Reasoning | ToolCall, ...]
    finish: str = "stop"
    served: str = ""
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    id: str = ""

    @property
    def text(self) -> str:
        """Its texts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def calls(self) -> tuple[ToolCall, ...]:
        """Its tool calls."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


def parts_of(events: Iterable[StreamEvent]) -> tuple[Text | Reasoning | ToolCall, ...]:
    """The parts that the events add up to, in order of their beginning; well-formed Unicode."""
    parts: list[Text | Reasoning | ToolCall] = []
    pieces: list[list[str]] = []
    calls: dict[int, int] = {}
    for event in events:
        last = parts[-1] if parts else None
        if isinstance(event, str):
            if not isinstance(last, Text):
                parts.append(Text(""))
                pieces.append([])
            pieces[-1].append(event)
        elif isinstance(event, ReasoningDelta):
            if not isinstance(last, Reasoning) or last.signature or _is_other(event, last):
                last = Reasoning("")
                parts.append(last)
                pieces.append([])
            pieces[-1].append(event.text)
            if event.signature or event.id:
                parts[-1] = Reasoning("", event.signature, event.id or last.id)
        elif isinstance(event, CallStart):
            calls[event.number] = len(parts)
            parts.append(ToolCall(event.id, event.name, "", event.signature))
            pieces.append([])
        elif event.number in calls:
            pieces[calls[event.number]].append(event.arguments)
    texts = (well_formed("".join(found)) for found in pieces)
    return tuple(map(_filled, parts, texts))


def _is_other(event: ReasoningDelta, last: Reasoning) -> bool:
    return bool(event.id and last.id and event.id != last.id)


def _filled(part: Text | Reasoning | ToolCall, text: str) -> Text | Reasoning | ToolCall:
    if isinstance(part, Text):
        return Text(text)
    if isinstance(part, Reasoning):
        return Reasoning(text, part.signature, part.id)
    return ToolCall(part.id, part.name, text, part.signature)


def events_of(response: ChatResponse, size: int = 0) -> list[StreamEvent]:
    """The events of a response, texts cut into pieces of at most `size` characters (0: whole)."""
    events: list[StreamEvent] = []
    number = 0
    for part in response.parts:
        if isinstance(part, Text):
            events += pieces_of(part.text, size)
        elif isinstance(part, Reasoning):
            deltas = [ReasoningDelta(piece, "", part.id) for piece in pieces_of(part.text, size)]
            if part.signature or not deltas:
                deltas.append(ReasoningDelta("", part.signature, part.id))
            events += deltas
        else:
            events.append(CallStart(number, part.id, part.name, part.signature))
            events += [CallDelta(number, piece) for piece in pieces_of(part.arguments, size)]
            number += 1
    return events


def pieces_of(text: str, size: int) -> list[str]:
    """The text in pieces of at most `size` characters; whole for 0; none of an empty one."""
    if not size:
        return [text] if text else []
    return [text[i : i + size] for i in range(0, len(text), size)]


class InBandError(Exception):
    """An error object inside a successful response. `body`: the object that holds `error`."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        super().__init__("error inside a successful response")
        self.body = body


class NoResponseError(Exception):
    """A body that is JSON, but no response of its wire format."""


class ResponseDecoder(ABC):
    """Takes a response apart.

    `events`: what came so far. `held`: of calls that wait for the one before them to end.
    `counts`: the upstream's usage fields, merged.
    `finish`: as in `ChatResponse`, "" until known.
    `served`, `id`: as in `ChatResponse`.
    `done`: the upstream announced that nothing follows.
    `started`: something came that can hold an answer.
    `called`: the model called a tool.
    `has_other`: what only clients of this API can take came, and is an answer without a text: a
    picture, speech, a compacted conversation, a pause.
    `taken`: ids of the conversation's calls and of this response's: some servers repeat them, and
    clients find a call's result by its id.
    """

    __slots__ = (
        "_arguments", "_halves", "_open", "called", "counts", "done", "events", "finish",
        "has_other", "held", "id", "served", "started", "taken",
    )  # fmt: skip

    def __init__(self) -> None:
        self.events: list[StreamEvent] = []
        self.counts: dict[str, Any] = {}
        self.finish = ""
        self.served = ""
        self.id = ""
        self.done = False
        self.started = False
        self.called = False
        self.has_other = False
        self.taken: set[str] = set()
        self._halves: dict[str, str] = {}
        self._open: int | None = None
        self._arguments: list[str] = []
        self.held: list[CallStart | CallDelta] = []

    @abstractmethod
    def event(self, value: Mapping[str, Any]) -> None:
        """One event of a stream. Raises `InBandError`."""

    @abstractmethod
    def body(self, value: Mapping[str, Any]) -> None:
        """A response in one piece. Raises `InBandError`, `NoResponseError`."""

    @property
    @abstractmethod
    def usage(self) -> Usage | None:
        """Tokens as counted so far, `None` where the upstream counts none."""

    def response(self) -> ChatResponse:
        """What came so far, as a whole."""
        return ChatResponse(
            parts_of(self.events),
            self.finish,
            self.served,
            self.usage,
            cost_of(self.counts),
            self.id,
        )

    def text(self, piece: Any) -> None:
        """A piece of the answer."""
        if piece and isinstance(piece, str):
            if self._halves or not piece.isascii():
                piece = self._joined("text", piece)
            if piece:
                self.events.append(piece)

    def reasoning(self, piece: Any, signature: Any = "", name: Any = "") -> None:
        """A piece of the model's reasoning."""
        text, signature, name = (
            value if isinstance(value, str) else "" for value in (piece, signature, name)
        )
        text = self._joined("reasoning", text)
        if text or signature or name:
            self.events.append(ReasoningDelta(text, signature, name))

    def call(self, index: int, name: str, call_id: str, signature: str = "") -> None:
        """The beginning of a tool call; one without an id gets one.

        Some APIs stream calls one after the other: while the arguments of one are incomplete, the
        next ones are held.
        """
        self.called = True
        call_id = call_id or self.call_id(index)
        number = len(self.taken)
        while call_id in self.taken:  # Claude Code loses the result of `call_0_1` beside `call_0`
            call_id, number = f"call_{number:06}", number + 1
        self.taken.add(call_id)
        start = CallStart(index, call_id, name, signature)
        if self.held or not self._is_complete:
            self.held.append(start)
        else:
            self._opened(start)

    @property
    def _is_complete(self) -> bool:
        """Whether no call is under way."""
        return self._open is None or is_json("".join(self._arguments))

    def _opened(self, start: CallStart) -> None:
        self.events.append(start)
        self._open, self._arguments = start.number, []

    def call_id(self, index: int) -> str:
        """An id for a call that came without one; no other response has the same."""
        return "_".join(filter(None, ("call", self.id, str(index + 1))))

    def arguments(self, index: int, piece: Any) -> None:
        """A piece of a tool call's arguments; some servers send the object itself."""
        if isinstance(piece, dict):
            piece = dumps(piece)
        if isinstance(piece, str) and (piece := self._joined(f"call {index}", piece)):
            if index == self._open:
                self._arguments.append(piece)
                self.events.append(CallDelta(index, piece))
            else:
                self.held.append(CallDelta(index, piece))

    def end(self, finish: str) -> None:
        """How the response ended. A refusal is final; a stop after a tool call is that call."""
        if self._halves.pop("text", ""):
            self.events.append("\ufffd")
        self._end_calls(is_cut=finish == "length")
        if self.finish != "refused":
            self.finish = "tool_calls" if finish == "stop" and self.called else finish

    def _end_calls(self, *, is_cut: bool) -> None:
        """What is held goes on, call by call."""
        held, self.held = sorted(self.held, key=lambda event: event.number), []
        for event in held:
            if isinstance(event, CallStart):
                self._complete()
                self._opened(event)
            else:
                self.arguments(event.number, event.arguments)
        if not is_cut:
            self._complete()

    def _complete(self, default: str = "{}") -> None:
        """A call without arguments may stream none; other APIs have an empty object there."""
        if self._open is not None and not self._arguments:
            self.arguments(self._open, default)

    def _joined(self, what: str, piece: str) -> str:
        """The piece behind the half of a surrogate pair that came before; its own half waits."""
        piece = self._halves.pop(what, "") + piece
        if "\ud800" <= piece[-1:] <= "\udbff":
            self._halves[what] = piece[-1]
            piece = piece[:-1]
        return well_formed(piece)


class CountDecoder(ResponseDecoder):
    """Takes a count of tokens: `tokens`, `None` where there is none."""

    __slots__ = ("tokens",)

    def __init__(self) -> None:
        super().__init__()
        self.tokens: int | None = None

    def event(self, value: Mapping[str, Any]) -> None:
        """A count is no stream."""

    def body(self, value: Mapping[str, Any]) -> None:
        """The count."""
        self.tokens = whole(value.get("input_tokens")) or None
        self.finish = "stop"

    @property
    def usage(self) -> Usage | None:
        """Counting is free."""
        return None
