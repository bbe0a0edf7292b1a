"""Where the response to an agent's turn goes while it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rightmodel.core.decision import Decision
    from rightmodel.wire.response import StreamEvent


class ResponseStart(NamedTuple):
    """What is known when the first event of a response arrives.

    `model`: its id; `name`: on the wire; `provider`: where. `ref`: of the call. `is_raw`: the
    events follow as bytes in the client's own API, else in the neutral form.
    """

    model: str
    name: str
    provider: str
    ref: str
    decision: Decision
    is_raw: bool


class Relay(Protocol):
    """Takes the response to a turn while it arrives.

    No other attempt follows once it has opened. To await is back-pressure: the upstream is read no
    faster than the client takes it. A client that has left raises `asyncio.CancelledError`.
    """

    @property
    def opened(self) -> bool:
        """Whether the client has received a part of a response."""
        ...

    async def open(self, start: ResponseStart) -> None:
        """The first event is there."""
        ...

    async def raw(self, data: bytes) -> None:
        """Whole server-sent events, as received."""
        ...

    async def events(self, events: Sequence[StreamEvent]) -> None:
        """More of the response."""
        ...
