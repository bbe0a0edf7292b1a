"""The usage page, live."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from rightmodel.ledger.call_rows import day_of
from rightmodel.surfaces.http.asgi import Reply
from rightmodel.surfaces.usage_view.page import page
from rightmodel.surfaces.usage_view.report import Span, day_after, read_report

if TYPE_CHECKING:
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.manifest.settings import Settings

DAYS: Final = 30
REFRESH_S: Final = 10
"""How often a browser asks anew; a page is not made more often, however many look at it."""


class Dashboard:
    """Makes the page from the ledger, in a thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = asyncio.Lock()
        self._page = b""
        self._made = float("-inf")

    async def reply(self, catalog: Catalog) -> Reply:
        """The page. Raises `LedgerError`."""
        async with self._lock:
            if time.monotonic() - self._made >= REFRESH_S / 2:
                self._page = await asyncio.to_thread(self._make, catalog)
                self._made = time.monotonic()
        headers = (
            (b"refresh", str(REFRESH_S).encode()),
            (b"cache-control", b"no-store"),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"no-referrer"),
        )
        return Reply(200, self._page, b"text/html; charset=utf-8", headers)

    def _make(self, catalog: Catalog) -> bytes:
        now = time.time()
        today = day_of(now)
        span = Span(f"last {DAYS} days", day_after(today, 1 - DAYS), today)
        return page(read_report(catalog, self._settings, span, now)).encode()
