"""The ledger as the rest of the house sees it: awaited on the event loop, done on its own thread.

What is awaited is safe from a killed process when the wait is over, and where budgets are set from
a power cut, too. What is only noted follows within `LINGER_S`. Trouble with the disk never fails a
call: it is told, see `writer.py`.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rightmodel.ledger.budget import Limits, reserve, settled, standings, warnings
from rightmodel.ledger.owner import this_process
from rightmodel.ledger.records import (
    AttemptRecord,
    CallRecord,
    Cooldown,
    OutcomeRecord,
    Texts,
    day_of,
    new_id,
)
from rightmodel.ledger.sqlite import SqliteStore
from rightmodel.ledger.writer import Job, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from decimal import Decimal

    from rightmodel.core.errors import LedgerError
    from rightmodel.ledger.budget import Ask, Standing
    from rightmodel.ledger.records import Hold
    from rightmodel.ledger.store import Key, Store
    from rightmodel.ledger.writer import OpenStore

    _Other = CallRecord | OutcomeRecord | Texts | Cooldown
    Row = AttemptRecord | _Other

_T = TypeVar("_T")

LINGER_S: Final = 0.05
"""How long a noted record may wait for others to share its transaction."""
_BARE: Final[dict[str, Any]] = {
    "served": "", "input": None, "cached": None, "cache_writes": None, "output": None,
    "reasoning": None, "cost_usd": None, "cost_kind": "unknown",
}  # fmt: skip
CLOSE_S: Final = 1.5
"""How long closing waits for the disk: a server whose client is gone ends within two seconds."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a caller should hear. `trouble`: nothing was written yet. `lines`: warnings, notices."""

    trouble: LedgerError | None = None
    lines: tuple[str, ...] = ()

    @property
    def flags(self) -> tuple[str, ...]:
        """Ready for a receipt."""
        return ((self.trouble.flag,) if self.trouble else ()) + self.lines


class Ledger:
    """`open_store`: called on the ledger's thread. `clock`: seconds since 1970.

    `store_text`: whether prompts, answers and notes may be kept; without it they are dropped here.
    """

    def __init__(
        self,
        open_store: OpenStore,
        *,
        limits: Limits | None = None,
        store_text: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.limits = limits or Limits()
        self._store_text = store_text
        self._clock = clock
        self._owner = this_process()
        self._held: dict[int, Hold] = {}
        self._notices: deque[str] = deque(maxlen=10)
        self._pending: list[Job] = []
        self._flush_at: asyncio.Handle | None = None
        self._soon = False
        self._flushed = float("-inf")
        self._closed = False
        self._writer = Writer(
            open_store,
            _spare,
            held=lambda: list(self._held.values()),
            clock=clock,
            told=self._notices.append,
        )

    @property
    def trouble(self) -> LedgerError | None:
        """What is wrong now, for records that are noted."""
        return self._writer.trouble

    async def reserve(self, ask: Ask) -> Hold | None:
        """Room for an attempt's worst case, to be handed to `record` or `release` without fail.

        `None` where no budget is set. Raises `BudgetError` where there is no room.
        """
        if not self.limits.any:
            return None
        number = new_id()  # the same however often this has to be done

        def do(store: Store) -> Hold:
            if self._held.pop(number, None):  # the connection was lost once it was written
                store.drop_holds([number])
            hold = reserve(store, self.limits, ask, now=self._clock(), owner=self._owner, id=number)
            self._held[number] = hold
            return hold

        job = Job(do, kept=False)
        try:
            done = await self._wait(job)
        except asyncio.CancelledError:
            self._submit(Job(lambda store: self._give_back(store, number)), soon=True)
            raise
        hold: Hold = _value(done)
        return hold

    async def record(self, *rows: Row, hold: Hold | None = None) -> Told:
        """Write rows down and settle what was reserved, all in one; safe once awaited.

        Of the rows the attempts are charged. A caller that is cancelled meanwhile loses nothing:
        the rows are written all the same.
        """
        self._keep_texts(rows)
        done = await self._wait(self._recording(rows, hold, durable=self.limits.any))
        lines = [*_value(done), *self._notices]
        self._notices.clear()
        return Told(done.trouble, tuple(lines))

    def note(self, *rows: Row, hold: Hold | None = None) -> None:
        """The same without waiting, where nothing depends on it."""
        self._keep_texts(rows)
        self._submit(self._recording(rows, hold, durable=False), soon=False)

    def release(self, hold: Hold) -> None:
        """Give back what was reserved for an attempt that was not made."""
        self._held.pop(hold.id, None)
        self._submit(Job(lambda store: store.drop_holds([hold.id])), soon=True)

    def lift(self, key: str) -> None:
        """A key that was out of order works again. `key`: its hash."""
        self._submit(Job(lambda store: store.drop_cooldown(key)), soon=False)

    async def read(self, question: Callable[[Store], _T]) -> _T:
        """Ask the store on its thread. Raises `LedgerError` while it is in trouble."""
        value: _T = _value(await self._wait(Job(question, kept=False, reads=True)))
        return value

    async def find_call(self, ref: str) -> CallRecord | None:
        """The latest call of that ref."""
        return await self.read(lambda store: store.find_call(ref))

    async def standings(self) -> list[Standing]:
        """How every limit stands now."""
        now = self._clock()
        limits = self.limits.limits
        return await self.read(
            lambda store: standings(store, limits, now=now, day=day_of(now)),
        )

    async def close(self) -> None:
        """Write what is left, and let go of the store; gives up after `CLOSE_S`."""
        self._flush()
        self._closed = True
        self._writer.close()
        await asyncio.to_thread(self._writer.join, CLOSE_S)

    def _recording(self, rows: Sequence[Row], hold: Hold | None, *, durable: bool) -> Job:
        if hold is not None:
            self._held.pop(hold.id, None)
        attempts = [settled(row, hold) for row in rows if isinstance(row, AttemptRecord)]
        others = [self._allowed(r) for r in rows if not isinstance(r, AttemptRecord | Texts)]
        covering = [
            limit
            for limit in self.limits.limits
            if any(limit.covers(row.model, row.skill) for row in attempts)
        ]

        def do(store: Store) -> list[str]:
            for row in attempts:
                store.add_attempt(row)
            for other in others:
                _add(store, other)
            if hold is not None:
                store.drop_holds([hold.id])
            if not covering:
                return []
            now = self._clock()
            found = standings(store, covering, now=now, day=day_of(now))
            return warnings(found, self.limits.warn_at)

        def least(store: Store) -> list[str]:
            """What is left of a record that no database takes: that it was, what it may cost."""
            charged = hold.usd if hold else None
            for row in attempts:
                store.add_attempt(row._replace(**_BARE, charged_usd=charged))
            if hold is not None:
                store.drop_holds([hold.id])
            return []

        return Job(do, least=least if attempts or hold else None, durable=durable)

    def _keep_texts(self, rows: Sequence[Row]) -> None:
        """By jobs of their own: what is too long to be kept in memory must not cost the rest.

        Where none may be kept none may lie in memory either.
        """
        for row in rows if self._store_text else ():
            if isinstance(row, Texts):
                size = len(row.prompt) + len(row.answer) + len(row.history)
                self._submit(Job(partial(_add, row=row), size=size), soon=False)

    def _allowed(self, row: CallRecord | OutcomeRecord | Cooldown) -> _Other:
        if isinstance(row, OutcomeRecord) and not self._store_text:
            return row._replace(note="")
        return row

    def _give_back(self, store: Store, number: int) -> None:
        self._held.pop(number, None)
        store.drop_holds([number])

    async def _wait(self, job: Job) -> Job:
        job.waits = asyncio.get_running_loop().create_future()
        self._submit(job, soon=True)
        done: Job = await job.waits
        return done

    def _submit(self, job: Job, *, soon: bool) -> None:
        """Hand it over with what else comes up now; noted ones at most once in `LINGER_S`."""
        if self._closed:
            raise RuntimeError("the ledger is closed")
        self._pending.append(job)
        if self._flush_at is not None and (self._soon or not soon):
            return
        if self._flush_at is not None:
            self._flush_at.cancel()
        loop = asyncio.get_running_loop()
        self._soon = soon or loop.time() >= self._flushed + LINGER_S
        self._flush_at = (
            loop.call_soon(self._flush)
            if self._soon
            else loop.call_at(self._flushed + LINGER_S, self._flush)
        )

    def _flush(self) -> None:
        if self._flush_at is not None:
            self._flush_at.cancel()
            self._flush_at = None
        if self._pending:
            self._flushed = time.monotonic()
            self._writer.submit(self._pending)
            self._pending = []


def _add(store: Store, row: _Other) -> None:
    if isinstance(row, CallRecord):
        store.add_call(row)
    elif isinstance(row, OutcomeRecord):
        store.add_outcome(row)
    elif isinstance(row, Cooldown):
        store.add_cooldown(row)
    else:
        store.add_texts(row)


class _Spare(SqliteStore):
    """In memory, where only what budgets ask for is of use, and trouble may last for ever."""

    def add_call(self, row: CallRecord) -> None:
        """Nobody reads it."""

    def add_outcome(self, row: OutcomeRecord) -> None:
        """Nobody reads it."""

    def add_texts(self, row: Texts) -> None:
        """Nobody reads it."""


def _spare(known: Mapping[Key, Decimal]) -> Store:
    store = _Spare(None)
    store.presume(known)
    return store


def _value(job: Job) -> Any:
    if job.error is not None:
        raise job.error
    return job.value
