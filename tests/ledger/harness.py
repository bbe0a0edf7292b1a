"""A ledger for a test, and what it leaves."""

from __future__ import annotations

from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

from ledger.rows import NOON
from rightmodel.ledger.budget import Limit, Limits, LimitState, limit_states
from rightmodel.ledger.ledger import Ledger
from rightmodel.ledger.records import HoldRequest, Owner
from rightmodel.ledger.recovery import SqliteOpener
from rightmodel.ledger.reservations import this_process
from rightmodel.ledger.spill import Spill
from rightmodel.ledger.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rightmodel.ledger.records import Hold

PER_DAY = Limits(limits=(Limit("per_day_usd", Decimal("1.00")),))
GONE = Owner(this_process().machine, 2**22 + 1, "1")
"""A process that has ended."""
LEFT: list[SqliteStore] = []


async def state(ledger: Ledger) -> list[LimitState]:
    """The limits as they are now."""
    await ledger.flush()
    return await ledger.read(
        lambda s: limit_states(ledger.limits.limits, s.charged, s.holds(), now=NOON)
    )


def ask(worst: str = "0.40") -> HoldRequest:
    """An attempt that costs at most so much."""
    return HoldRequest("p/m", "code", Decimal(worst))


async def held(ledger: Ledger, worst: str = "0.40") -> Hold:
    """What such an attempt reserves."""
    hold = await ledger.reserve(ask(worst))
    assert hold is not None
    return hold


@asynccontextmanager
async def ledger_at(
    file: Path, *, limits: Limits = PER_DAY, store_text: bool = False
) -> AsyncIterator[Ledger]:
    """A ledger, closed in the end."""
    ledger = Ledger(
        SqliteOpener(file, lambda: NOON, busy_s=0.2),
        limits=limits,
        store_text=store_text,
        clock=lambda: NOON,
        spill=Spill(file),
    )
    try:
        yield ledger
    finally:
        await ledger.close()


def left_at(file: Path) -> SqliteStore:
    """What a ledger has left, open until the test is over."""
    LEFT.append(SqliteStore(file))
    return LEFT[-1]
