"""A response as it may be handed on while it arrives."""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from rightmodel.core.format import well_formed
from rightmodel.core.task import ToolCall, ToolSpec
from rightmodel.wire.conversation import sealed
from rightmodel.wire.inline_reasoning import opens_call
from rightmodel.wire.inline_stream import LONGEST_MARKER, InlineSplitter, may_be_marker
from rightmodel.wire.response import CallDelta, CallStart, ReasoningDelta

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rightmodel.wire.request import ModelRequest
    from rightmodel.wire.response import ResponseDecoder, StreamEvent

LONGEST_OPENING: Final = 8
LONGEST_WORD: Final = 500
"""Characters without a blank that are withheld: more than any key has."""

_REASONING: Final = ("<", "[", "◁", "analysis")
"""How reasoning within the text begins: `<think>`, `<|channel|>`, `[THINK]` …"""
_ENDS: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")
"""What ends a server-sent event."""


class Watch(Protocol):
    """Receives the progress of one request.

    `is_sent`: the request is out: from here on, the upstream may bill for it.
    """

    is_sent: bool

    @property
    def shows_text(self) -> bool:
        """Whether `received` wants the text, not only its length."""

    def received(self, chars: int, text: str = "") -> None:
        """So many characters of answer or reasoning came. Keep-alive comments do not count.

        `text`: new text of the answer, where it cannot be reasoning between tags.
        """

    @property
    def relays(self) -> bool:
        """Whether `relay` wants the response while it arrives."""

    async def relay(self, raw: bytes, events: Sequence[StreamEvent]) -> None:
        """More of a streamed response: its bytes, whole server-sent events, and what they say."""


class LiveText:
    """Text of an answer as it may be shown while it arrives: whole words, without keys.

    Nothing of an answer that begins like reasoning: only its end shows what it is.
    """

    __slots__ = ("_mask", "_opening", "_word")

    def __init__(self, mask: Callable[[str], str]) -> None:
        self._mask = mask
        self._opening = ""
        self._word = ""

    def take(self, piece: str) -> str:
        """More of the answer; returns what can be shown by now."""
        text = self._word + piece
        if len(self._opening) < LONGEST_OPENING:
            self._opening += piece if self._opening else piece.lstrip()
        if self._opening.startswith(_REASONING):
            self._word = ""
            return ""
        end = max(text.rfind(" "), text.rfind("\n")) + 1
        if not end and len(text) > LONGEST_WORD:
            end = len(text)
        self._word = text[end:]
        return self._mask(well_formed(text[:end])) if end else ""

    def rest(self) -> str:
        """The last word, once the answer is complete."""
        text, self._word = self._word, ""
        return self._mask(well_formed(text))


class Forward:
    """Hands the stream of a turn on: nothing of it before the first event that holds an answer.

    Until then another attempt can take its place. A client of the upstream's own API receives the
    bytes; text in them that begins like a tool call is withheld, for only its end shows what it is.
    """

    __slots__ = (
        "_decoder", "_held", "_is_raw", "_made_by", "_mask", "_sent", "_splitter", "_waiting",
        "_watch", "is_open",
    )  # fmt: skip

    def __init__(
        self,
        request: ModelRequest,
        decoder: ResponseDecoder,
        watch: Watch,
        mask: Callable[[str], str],
        *,
        is_raw: bool,
    ) -> None:
        self._decoder = decoder
        self._watch = watch
        self._mask = mask
        self._is_raw = is_raw
        self._made_by = request.provider.protocol
        self._splitter = InlineSplitter(tools_of(request), lambda: prompt_of(request))
        self._held = b""
        self._sent = 0
        self._waiting: list[StreamEvent] = []
        self.is_open = False

    async def take(self, chunk: bytes) -> None:
        """More of the stream, which the decoder has read."""
        if not self._is_raw:
            await self._translated(self._splitter.take(self._new()))
            return
        self._held += chunk
        self.is_open = self.is_open or self._opens()
        if self.is_open:
            whole = (self._held.rfind(end) + len(end) for end in _ENDS if end in self._held)
            await self._raw(max(whole, default=0))

    async def close(self) -> None:
        """The stream has ended in good order."""
        if not self._is_raw:
            rest = self._splitter.take(self._new())
            await self._translated([*rest, *self._splitter.end(self._decoder.call_id)])
        elif self.is_open or self._decoder.has_other:
            self.is_open = True
            if self._held and not self._held.endswith(_ENDS):
                self._held += b"\n\n"
            await self._raw(len(self._held))

    def _new(self) -> list[StreamEvent]:
        events = self._decoder.events[self._sent :]
        self._sent += len(events)
        return events

    def _opens(self) -> bool:
        text = ""
        for event in self._decoder.events:
            if not isinstance(event, str):
                if _holds_answer(event):
                    return True
            else:
                text += event
        text = text.lstrip()
        is_channel = text.startswith("analysis") and len(text) < LONGEST_MARKER
        if not text or is_channel or may_be_marker(text):
            return False
        return not opens_call(text)

    async def _translated(self, events: list[StreamEvent]) -> None:
        self.is_open = self.is_open or any(map(_holds_answer, events))
        self._waiting += events
        if not self.is_open or not self._waiting:
            return
        events, self._waiting = self._waiting, []
        shown = (without_keys(sealed(event, self._made_by), self._mask) for event in events)
        await self._watch.relay(b"", [*filter(any, shown)])

    async def _raw(self, end: int) -> None:
        """Send what is whole; `end`: of the last whole event among the bytes."""
        events = self._new()
        raw, self._held = self._held[:end], self._held[end:]
        if raw:
            text = raw.decode("utf-8", "surrogateescape")
            masked = self._mask(text)
            raw = raw if masked is text else masked.encode("utf-8", "surrogateescape")
        if raw or events:
            await self._watch.relay(raw, events)


def without_keys(piece: Any, mask: Callable[[str], str]) -> Any:
    """A part or an event without keys, as far as one event holds a whole one."""
    if isinstance(piece, str):
        return mask(piece)
    name = "arguments" if isinstance(piece, CallDelta | ToolCall) else "text"
    value = getattr(piece, name, "")
    masked = mask(value)
    if masked is value:
        return piece
    change = replace if is_dataclass(piece) else type(piece)._replace
    return change(piece, **{name: masked})


def _holds_answer(event: StreamEvent) -> bool:
    """Whether an event shows that the upstream answers."""
    if isinstance(event, str):
        return not event.isspace()
    return isinstance(event, CallStart) or (isinstance(event, ReasoningDelta) and bool(event.text))


def tools_of(request: ModelRequest) -> tuple[ToolSpec, ...]:
    """The tools of a turn."""
    return request.turn.request.tools if request.turn else ()


def prompt_of(request: ModelRequest) -> str:
    """All text that the model was sent."""
    return "\n".join((request.system, *(message.text for message in request.messages)))
