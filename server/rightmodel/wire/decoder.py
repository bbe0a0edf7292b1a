"""Decoding a response as it comes in: one subclass per wire format, one object per response."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Final

from rightmodel.wire.response import (
    CallDelta,
    CallStart,
    ChatResponse,
    ReasoningDelta,
    StreamEvent,
    parts_of,
)
from rightmodel.wire.usage import cost_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from rightmodel.core.call import Usage

FINISHES: Final = frozenset({"stop", "length", "refused", "tool_calls"})
"""How a response may end: with any other word it may be unfinished."""


class InBandError(Exception):
    """An error object inside a successful response. `body`: the object that holds `error`."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        super().__init__("error inside a successful response")
        self.body = body


class NoResponseError(Exception):
    """A body that is JSON, but no response of its wire format."""


class ResponseDecoder(ABC):
    """Takes a response apart.

    `events`: what came so far. `finish`: as in `ChatResponse`, "" until known. `done`: the upstream
    said that nothing follows. `started`: something came that can hold an answer. `called`: the
    model called a tool. `counts`: the upstream's usage fields, merged.
    """

    __slots__ = ("called", "counts", "done", "events", "finish", "id", "served", "started")

    def __init__(self) -> None:
        self.events: list[StreamEvent] = []
        self.counts: dict[str, Any] = {}
        self.finish = ""
        self.served = ""
        self.id = ""
        self.done = False
        self.started = False
        self.called = False

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

    @property
    def cost_usd(self) -> Decimal | None:
        """What the upstream says that it billed so far, `None` where it says nothing."""
        return cost_of(self.counts)

    def response(self) -> ChatResponse:
        """What came so far, as a whole."""
        return ChatResponse(
            parts_of(self.events),
            self.finish,
            self.served,
            self.usage,
            self.cost_usd,
            self.id,
        )

    def text(self, piece: Any) -> None:
        """A piece of the answer."""
        if piece and isinstance(piece, str):
            self.events.append(piece)

    def reasoning(self, piece: Any, signature: Any = "", name: Any = "") -> None:
        """A piece of the model's reasoning."""
        text, signature, name = (
            value if isinstance(value, str) else "" for value in (piece, signature, name)
        )
        if text or signature or name:
            self.events.append(ReasoningDelta(text, signature, name))

    def call(self, index: int, name: str, call_id: str, signature: str = "") -> None:
        """The beginning of a tool call."""
        self.called = True
        self.events.append(CallStart(index, call_id, name, signature))

    def arguments(self, index: int, piece: Any) -> None:
        """A piece of a tool call's arguments."""
        if piece and isinstance(piece, str):
            self.events.append(CallDelta(index, piece))

    def end(self, finish: str) -> None:
        """How the response ended. A refusal stands; a stop after a tool call is that call."""
        if self.finish != "refused":
            self.finish = "tool_calls" if finish == "stop" and self.called else finish
