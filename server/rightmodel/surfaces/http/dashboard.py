"""The usage page, live."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from rightmodel.core.format import UNKNOWN, duration
from rightmodel.ledger.call_rows import day_of
from rightmodel.surfaces.http.asgi import Reply
from rightmodel.surfaces.http.metrics import endpoint_states
from rightmodel.surfaces.usage_view.page import page
from rightmodel.surfaces.usage_view.report import Span, day_after, read_report
from rightmodel.surfaces.usage_view.sections import Section

if TYPE_CHECKING:
    from rightmodel.execution.engine import Engine
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

    async def reply(self, engine: Engine) -> Reply:
        """The page. Raises `LedgerError`."""
        async with self._lock:
            if time.monotonic() - self._made >= REFRESH_S / 2:
                self._page = await asyncio.to_thread(self._make, engine.catalog, _out_now(engine))
                self._made = time.monotonic()
        headers = (
            (b"refresh", str(REFRESH_S).encode()),
            (b"cache-control", b"no-store"),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"no-referrer"),
        )
        return Reply(200, self._page, b"text/html; charset=utf-8", headers)

    def _make(self, catalog: Catalog, out_now: Section) -> bytes:
        now = time.time()
        today = day_of(now)
        span = Span(f"last {DAYS} days", day_after(today, 1 - DAYS), today)
        return page(read_report(catalog, self._settings, span, now), out_now).encode()


def _out_now(engine: Engine) -> Section:
    """The endpoints that receive no requests, and when they are tried again."""
    rows = [
        (model, provider, state.fault or UNKNOWN, f"in {duration(state.wait_s)}")
        for (provider, model), state in endpoint_states(engine)
        if state.wait_s > 0
    ]
    heads = ("model", "provider", "fault", "tried again")
    note = "" if rows else "This server leaves no endpoint out."
    return Section("Out now", heads, rows, note=note, whole="/metrics")
