"""What each day and month was charged, and what is reserved, kept up to date as rows come."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from rightmodel.ledger.rows import amount_of

if TYPE_CHECKING:
    from rightmodel.ledger.records import Hold

EXACT: Final = Context(prec=60)
"""Sums of money are exact: the default of 28 digits would be enough for most, and this for all."""

MOST_MONTHS: Final = 3
logger = logging.getLogger("rightmodel.ledger")

_ZERO: Final = Decimal(0)


class Key(NamedTuple):
    """What a sum covers: a UTC day ("2026-11-20") or month ("2026-11").

    Of one model, one skill or one client; "" for all of them. At most one of these is given.
    """

    period: str
    model: str = ""
    skill: str = ""
    client: str = ""


class Sums:
    """Of some months. `last`: the id of the last attempt that is counted."""

    def __init__(self) -> None:
        self.last = 0
        self._months: dict[str, dict[Key, Decimal]] = {}
        self._marked: int | None = None
        self._begun: list[str] = []
        self._added: list[tuple[Key, Decimal]] = []

    def has(self, month: str) -> bool:
        """Whether the month is summed up."""
        return month in self._months

    def begin(self, month: str) -> None:
        """From now on the month counts, too; the oldest one is dropped where there are many."""
        self._months[month] = {}
        if self._marked is not None:
            self._begun.append(month)
        if len(self._months) > MOST_MONTHS:
            del self._months[min(m for m in self._months if m != month)]

    def add(self, rows: Iterable[tuple[str, str, str, str, str | None]]) -> None:
        """Add rows (day, model, skill, client, charged); only those of months that count."""
        together: dict[tuple[str, str, str, str], Decimal] = {}
        for day, model, skill, client, charged in rows:
            if charged is not None and day[:7] in self._months:
                kind = day, model, skill, client
                together[kind] = EXACT.add(together.get(kind, _ZERO), _counted(charged))
        for (day, model, skill, client), amount in together.items():
            month = day[:7]
            sums = self._months[month]
            noted = self._marked is not None and month not in self._begun
            for key in (
                Key(day),
                Key(month),
                Key(day, model),
                Key(month, model),
                Key(day, "", skill),
                Key(month, "", skill),
                *((Key(day, "", "", client), Key(month, "", "", client)) if client else ()),
            ):
                sums[key] = EXACT.add(sums.get(key, _ZERO), amount)
                if noted:
                    self._added.append((key, amount))

    def get(self, key: Key) -> Decimal:
        """The sum; zero where nothing was charged."""
        return self._months.get(key.period[:7], {}).get(key, _ZERO)

    def mark(self) -> None:
        """A transaction begins: what is added from now on may have to be taken back."""
        self._marked = self.last
        self._begun.clear()
        self._added.clear()

    def keep(self) -> None:
        """It was committed."""
        self._marked = None

    def take_back(self) -> None:
        """It was rolled back: as at the mark, for what was read may never have been written."""
        self.last = self._marked or 0
        for month in self._begun:
            self._months.pop(month, None)
        for key, amount in self._added:
            sums = self._months.get(key.period[:7])
            if sums is not None:
                sums[key] = EXACT.subtract(sums[key], amount)
        self.keep()

    def everything(self) -> Mapping[Key, Decimal]:
        """A copy of every sum."""
        return {key: amount for sums in self._months.values() for key, amount in sums.items()}


class Reserved(NamedTuple):
    """What the reservations of a day for one model, skill and client add up to."""

    day: str
    model: str
    skill: str
    client: str
    usd: Decimal


class Holds:
    """Reservations, and what they add up to: there may be one for each of 500 streams."""

    def __init__(self, holds: Iterable[Hold]) -> None:
        self._holds: dict[int, Hold] = {}
        self._sums: dict[tuple[str, str, str, str], Decimal] = {}
        for hold in holds:
            self.add(hold)

    def add(self, hold: Hold) -> None:
        """Add one; one that is there already stays."""
        if self._holds.setdefault(hold.id, hold) is hold:
            self._count(hold, hold.usd)

    def drop(self, number: int) -> bool:
        """Take out the one with that id; whether it was there."""
        hold = self._holds.pop(number, None)
        if hold is not None:
            self._count(hold, hold.usd.copy_negate())  # exact, as "-" is not
        return hold is not None

    def every(self) -> list[Hold]:
        """All of them."""
        return list(self._holds.values())

    def reserved(self) -> Sequence[Reserved]:
        """Their sums."""
        return [Reserved(*key, usd) for key, usd in self._sums.items()]

    def _count(self, hold: Hold, usd: Decimal) -> None:
        key = (hold.day, hold.model, hold.skill, hold.client)
        self._sums[key] = usd = EXACT.add(self._sums.get(key, _ZERO), usd)
        if not usd:
            del self._sums[key]


def _counted(charged: str) -> Decimal:
    """An invalid amount counts as zero, with a warning."""
    try:
        return amount_of(charged)
    except (ArithmeticError, TypeError, ValueError):
        logger.warning("invalid amount in the ledger: %.40r counts as 0", charged)
        return _ZERO
