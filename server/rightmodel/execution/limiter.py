"""Concurrency limits: a provider receives so many requests at once, further ones wait in order.

The limit is `max_concurrency` of the manifest, and an adaptive one below it once the provider
proved to be busy: halved where a request timed out in the provider's own queue, raised by one
for each full round of answers (additive increase, multiplicative decrease, as in TCP). Where the
provider holds one model at a time, requests for another one wait until the running ones have ended.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault

if TYPE_CHECKING:
    from rightmodel.manifest.catalog import Endpoint, Provider

UNLIMITED: Final = 64.0
"""An adaptive limit that has grown to so many requests is lifted."""


@dataclass(slots=True)
class _Slots:
    """The requests of one provider. `limit`: at once, adaptive; `most`: the manifest's.

    `halved`: since the last answer. `holds_one`: model at a time; `model`: of the latest
    request.
    """

    most: float
    limit: float
    holds_one: bool
    model: str = ""
    halved: bool = False
    held: int = 0
    waiting: deque[tuple[asyncio.Future[None], str]] = field(default_factory=deque)

    def acquire_now(self, model: str) -> bool:
        is_free = not self.waiting and self._has_room(model)
        if is_free:
            self._take(model)
        return is_free

    async def acquire(self, model: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append((turn, model))
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
        while self.waiting:
            turn, model = self.waiting[0]
            if turn.done():  # cancelled
                self.waiting.popleft()
            elif self._has_room(model):
                self.waiting.popleft()
                self._take(model)
                turn.set_result(None)
            else:
                return

    def _has_room(self, model: str) -> bool:
        fits = not self.holds_one or not self.held or self.model == model
        return fits and self.held + 1 <= self.limit

    def _take(self, model: str) -> None:
        self.held += 1
        self.model = model


class Slot:
    """A slot while it is held: no timer runs unless it has to be waited for."""

    __slots__ = ("_endpoint", "_slots", "_until")

    def __init__(self, slots: _Slots, endpoint: Endpoint, until: float) -> None:
        self._slots = slots
        self._endpoint = endpoint
        self._until = until

    async def __aenter__(self) -> None:
        """Wait for it. Raises `ProviderError`."""
        slots, endpoint = self._slots, self._endpoint
        if slots.acquire_now(endpoint.name):
            return
        try:
            async with asyncio.timeout_at(self._until):
                await slots.acquire(endpoint.name)
        except TimeoutError:
            name = endpoint.provider.name
            raise ProviderError(
                Fault.BUSY,
                f"{name} was busy: {slots.held} requests were under way all the time",
                provider=name,
            ) from None

    async def __aexit__(self, *_: object) -> None:
        self._slots.release()


class Limiter:
    """The slots of every provider."""

    def __init__(self) -> None:
        self._slots: dict[str, _Slots] = {}

    def slot(self, endpoint: Endpoint, until: float) -> Slot:
        """Holds a slot of the endpoint's provider while the request runs.

        `until`: on the event loop's clock; raises `ProviderError` where no slot is free by then.
        """
        return Slot(self._of(endpoint.provider), endpoint, until)

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
            slots = self._slots[provider.name] = _Slots(most, most, provider.one_model_at_a_time)
        return slots
