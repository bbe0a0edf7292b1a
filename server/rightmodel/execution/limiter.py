"""`max_concurrency` of a provider: so many requests at once, further ones wait in line, fairly."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault, Scope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from rightmodel.manifest.catalog import Provider


class Gate:
    """One semaphore (first come, first served) for each provider that has a limit."""

    def __init__(self) -> None:
        self._places: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def place(self, provider: Provider, until: float) -> AsyncIterator[None]:
        """Holds a place while the request runs; free at once where there is no limit.

        `until`: on the event loop's clock; raises `ProviderError` when no place is free by then.
        """
        if not provider.max_concurrency:
            yield
            return
        places = self._places.setdefault(provider.name, asyncio.Semaphore(provider.max_concurrency))
        try:
            async with asyncio.timeout_at(until):
                await places.acquire()
        except TimeoutError:
            raise ProviderError(
                Fault.TIMEOUT,
                f"all {provider.max_concurrency} places of {provider.name} stayed taken",
                provider=provider.name,
                scope=Scope.REQUEST,
            ) from None
        try:
            yield
        finally:
            places.release()
