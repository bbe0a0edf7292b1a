"""Concurrency limits: a provider receives so many requests at once, further ones wait in order.

The limit is `max_concurrency` of the manifest, and an adaptive one below it once the provider
proved to be busy: halved where a request timed out in the provider's own queue, raised by one
for each full round of answers (additive increase, multiplicative decrease, as in TCP).
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rightmodel.manifest.catalog import Provider

UNLIMITED: Final = 64.0
"""An adaptive limit that has grown to so many requests is lifted."""


@dataclass(slots=True)
class _Slots:
    """The requests of one provider. `limit`: at once, adaptive; `most`: the manifest's.

    `halved`: since the last answer.
    """

    most: float
    limit: float
    halved: bool = False
    held: int = 0
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    async def acquire(self) -> None:
        if self.held + 1 <= self.limit and not self.waiting:
            self.held += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # the slot came at the same moment
                self.release()
            raise

    def release(self) -> None:
        self.held -= 1
        self.admit()

    def admit(self) -> None:
        while self.waiting and self.held + 1 <= self.limit:
            turn = self.waiting.popleft()
            if not turn.done():
                self.held += 1
                turn.set_result(None)


class Limiter:
    """The slots of every provider."""

    def __init__(self) -> None:
        self._slots: dict[str, _Slots] = {}

    @asynccontextmanager
    async def slot(self, provider: Provider, until: float) -> AsyncIterator[None]:
        """Holds a slot while the request runs.

        `until`: on the event loop's clock; raises `ProviderError` where no slot is free by then.
        """
        slots = self._of(provider)
        try:
            async with asyncio.timeout_at(until):
                await slots.acquire()
        except TimeoutError:
            raise ProviderError(
                Fault.BUSY,
                f"{provider.name} was busy: {slots.held} requests were under way all the time",
                provider=provider.name,
            ) from None
        try:
            yield
        finally:
            slots.release()

    def busy(self, provider: Provider) -> None:
        """A request timed out while others were answered: send fewer at once."""
        slots = self._of(provider)
        if not slots.halved:
            slots.halved = True
            slots.limit = max(1.0, min(slots.limit, float(slots.held)) / 2)

    def answered(self, provider: Provider) -> None:
        """A request was answered: one more at once for each full round of them."""
        slots = self._of(provider)
        slots.halved = False
        if slots.limit < slots.most:
            grown = min(slots.most, slots.limit + 1 / slots.limit)
            slots.limit = slots.most if grown > UNLIMITED else grown
            slots.admit()

    def _of(self, provider: Provider) -> _Slots:
        slots = self._slots.get(provider.name)
        if slots is None:
            most = float(provider.max_concurrency) or math.inf
            slots = self._slots[provider.name] = _Slots(most, most)
        return slots
