"""The ledger as the event loop sees it; nearly all work is done on the ledger's own thread.

What is awaited survives SIGKILL once the wait is over; all else follows within `LINGER_S`. Under
budgets every attempt awaits its reservation, and a change of thread costs more than writing it. So
it is written on the event loop's thread where the file is not in use, with what else waits; else
the ledger's thread waits for the file. A fault of the ledger never fails a call: see `writer.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from rightmodel.core.errors import BudgetError, ClosedError, LedgerError
from rightmodel.ledger.budget import Alert, Limits, LimitState, Mark, limit_states, mark_of, warning
from rightmodel.ledger.call_rows import hold_of, new_id, settled
from rightmodel.ledger.records import AttemptRecord, Cooldown, Hold, OutcomeRecord, Settled, Texts
from rightmodel.ledger.reservations import reserve, this_process
from rightmodel.ledger.sqlite import SqliteStore
from rightmodel.ledger.sums import EXACT, Key
from rightmodel.ledger.writer import Job, OpenStore, Writer

if TYPE_CHECKING:
    from rightmodel.ledger.records import CallRecord, HoldRequest, Row
    from rightmodel.ledger.spill import Spill
    from rightmodel.ledger.store import Store, Stored

_T = TypeVar("_T")
_NOTHING: Final = Decimal(0)

logger = logging.getLogger("rightmodel.ledger")

LINGER_S: Final = 0.05
"""How long a record may wait for others to share its transaction."""
SHARED: Final = 16
"""So many jobs that wait are written with the next reservation: while the thread writes them, it
would wait for the thread, some milliseconds. Fewer would cost more, each a statement of its own."""
MOST_SHARED_CHARS: Final = 50_000
"""Of prompts and answers among them."""
THREAD_S: Final = 1.0
"""After so long the thread writes them all the same: its transactions end with a checkpoint."""
CLOSE_S: Final = 1.0
"""How long closing waits for the disk: a server whose client is gone ends within two seconds."""


class AlertSink(Protocol):
    """What tells people of budgets that are nearly spent."""

    def tell(self, alert: Alert) -> None:
        """Send it; does not wait."""
        ...

    async def close(self) -> None:
        """Send what is under way, or give up."""
        ...


class Ledger:
    """`open_store`: called on the ledger's thread. `clock`: seconds since 1970.

    `store_text`: whether prompts, answers and notes may be kept; without it they are dropped here.
    `spill`: where rows go that cannot be written before the process ends; `None`: they are lost.
    `observe`: is given every row that is handed over.
    `alerts`: hears of a limit, period and threshold once, in one of all processes; closed with it.
    """

    def __init__(  # noqa: PLR0913 - all but one are optional and named
        self,
        open_store: OpenStore,
        *,
        limits: Limits | None = None,
        store_text: bool = False,
        clock: Callable[[], float] = time.time,
        spill: Spill | None = None,
        alerts: AlertSink | None = None,
        observe: Callable[[Row], object] | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self._store_text = store_text
        self._clock = clock
        self._spill = spill
        self._alerts = alerts
        self._observe = observe
        self._alerted: set[Mark] = set()
        self._claims: dict[Mark, asyncio.Task[None]] = {}
        self._owner = this_process()
        self._held: dict[int, Hold] = {}
        self._standings: dict[int, list[LimitState]] = {}
        self._announced: dict[int, Job] = {}
        self._notices: deque[str] = deque(maxlen=10)
        self._pending: list[Job] = []
        self._flush_at: asyncio.Handle | None = None
        self._soon = False
        self._flushed = self._handed_over = float("-inf")
        self._closed = False
        self._writer = Writer(
            open_store,
            _spare,
            held=lambda: list(self._held.values()),
            clock=clock,
            notify=self._notices.append,
            spill=spill,
        )

    @property
    def outage(self) -> LedgerError | None:
        """What is wrong now."""
        return self._writer.outage

    async def reserve(self, request: HoldRequest) -> Hold | None:
        """Reserve an attempt's worst case, to be handed to `settle` without fail.

        Where no budget applies nothing is awaited, and what is expected is reserved, so that the
        attempt is on record if this process dies; `None` where not even that is known. Raises
        `BudgetError` where there is no room.
        """
        if not (self.limits.limits and self.limits.covering(request)):
            return self._announce(request)
        number, repeated = new_id(), False

        def do(store: Store) -> tuple[Hold, list[LimitState]]:
            nonlocal repeated
            if repeated:  # the connection was lost, perhaps after the reservation was written
                store.drop_hold(number)
            repeated = True
            now = self._clock()
            return reserve(store, self.limits, request, now=now, owner=self._owner, id=number)

        job = Job(do=do)
        try:
            hold, found = _value(job if self._run_now(job) else await self._wait(job))
        except asyncio.CancelledError:
            self._submit(Job((Settled(number, _NOTHING),)))
            raise
        except BudgetError as error:
            self._refused(request, error)
            raise
        self._held[number] = hold
        self._standings[number] = found
        return hold  # type: ignore[no-any-return]

    def settle(self, hold: Hold | None, *rows: Row) -> tuple[str, ...]:
        """Write rows, and settle what was reserved with them. Returns flags for the receipt."""
        written = self._note(rows, hold)
        flags = [outage.flag] if (outage := self.outage) else []
        if hold is not None and (found := self._standings.pop(hold.id, None)):
            charged = [row.charged_usd for row in written if isinstance(row, AttemptRecord)]
            more = sum((usd for usd in charged if usd is not None), _NOTHING)
            flags += self._warnings(found, more)
        flags += self._notices
        self._notices.clear()
        return tuple(flags)

    def _warnings(self, found: Sequence[LimitState], more: Decimal) -> list[str]:
        """For the receipt. `found`: before the attempt, which cost `more`."""
        near = [s for s in found if s.may_reach(self.limits.warn_at, more)]
        after = [state.after(more) for state in near]
        for state in after:
            self._alert(state)
        return [warning(state) for state in after if state.share >= self.limits.warn_at]

    def _refused(self, request: HoldRequest, error: BudgetError) -> None:
        """An alert, where the call has no other candidate to go on with, and waiting is no help."""
        limit = next((one for one in self.limits.limits if one.name == error.limit), None)
        if limit and request.number and error.resets_s and not (error.cheaper or error.passing):
            left, held = error.left_usd, error.held_usd
            spent = EXACT.subtract(limit.usd, EXACT.add(left, held))
            state = LimitState(limit, spent, held, left, error.resets_s)
            if self.limits.warn_at <= state.share < 1.0:  # by calls of which none knew the others
                self._alert(state)
            self._alert(state, refusal=str(error))

    def _alert(self, state: LimitState, *, refusal: str = "") -> None:
        """Send an alert about a limit that seems to be nearly spent, or refused a call."""
        mark = mark_of(state, now=self._clock(), refused=bool(refusal))
        if self._alerts is None or mark in self._alerted or mark in self._claims:
            return
        claim = asyncio.create_task(self._claim(self._alerts, mark, refusal))
        self._claims[mark] = claim
        claim.add_done_callback(lambda _: self._claims.pop(mark))

    async def _claim(self, alerts: AlertSink, mark: Mark, refusal: str) -> None:
        """Send it once. What running calls will cost is known once it is written."""

        def do(store: Store) -> tuple[Mark, Alert | None] | None:
            now = self._clock()
            (state,) = limit_states([mark.limit], store.charged, store.reserved(), now=now)
            if not refusal and state.share < self.limits.warn_at:
                return None
            reached = mark_of(state, now=now, refused=bool(refusal))
            is_first = store.claim_alert(reached, at=now)
            return reached, Alert(reached, state, refusal or warning(state)) if is_first else None

        done = await self._wait(Job(do=do))
        if done.value is not None:
            reached, alert = done.value
            self._alerted.add(reached)
            if alert is not None:
                alerts.tell(alert)

    def note(self, *rows: Row) -> None:
        """Write rows; does not wait."""
        self._note(rows, None)

    async def record(self, *rows: Row) -> None:
        """Write rows. Raises `LedgerError` where they are only kept in memory for now.

        A caller that is cancelled meanwhile loses nothing: the rows are written all the same.
        """
        done = await self._wait(Job(list(self._allowed(rows, None))))
        _value(done)
        if done.outage is not None:
            raise done.outage

    async def flush(self) -> None:
        """Wait until everything noted is written. Raises `LedgerError` where it is only kept."""
        done = await self._wait(Job(do=lambda _: None))
        if done.outage is not None:
            raise done.outage

    async def read(self, question: Callable[[Store], _T]) -> _T:
        """Run a question on the store's thread. Raises `LedgerError` while the store is faulty."""
        value: _T = _value(await self._wait(Job(do=question, reads=True)))
        return value

    async def find_call(self, ref: str) -> CallRecord | None:
        """The latest call with that ref."""
        return await self.read(lambda store: store.find_call(ref))

    async def close(self) -> None:
        """Write what is left and close the store; what takes longer than `CLOSE_S` is spilled."""
        self._flush()
        if self._claims:
            await asyncio.wait(self._claims.values(), timeout=CLOSE_S)
        await asyncio.gather(self._close(), *([self._alerts.close()] if self._alerts else []))

    async def _close(self) -> None:
        self._flush()  # what came meanwhile
        self._closed = True
        self._writer.close()
        await asyncio.to_thread(self._writer.join, CLOSE_S)
        unwritten = self._writer.unwritten()
        if not unwritten:
            return
        try:
            if self._spill is None:
                raise OSError("no file was named for them")
            file = self._spill.save(unwritten)
        except OSError as error:
            logger.error("%d ledger records are lost: %s", len(unwritten), error)  # noqa: TRY400
        else:
            logger.warning("%d ledger records are in %s until the next start", len(unwritten), file)

    def _announce(self, request: HoldRequest) -> Hold | None:
        usd = request.worst_usd if request.expected_usd is None else request.expected_usd
        if usd is None:
            return None
        hold = hold_of(request, usd, id=new_id(), now=self._clock(), owner=self._owner)
        self._held[hold.id] = hold
        self._announced[hold.id] = job = Job((hold,))
        self._submit(job, lingers=True)
        return hold

    def _note(self, rows: Sequence[Row], hold: Hold | None) -> list[Row]:
        """Returns the rows as they are written."""
        written: list[Row] = []
        if hold is not None:
            self._held.pop(hold.id, None)
            announced = self._announced.pop(hold.id, None)
            if announced is not None:  # never written: nothing to settle
                announced.rows = ()
            else:
                written.append(Settled(hold.id, hold.usd))
        written += self._allowed(rows, hold)
        if written:
            self._submit(Job(written))
        return written

    def _allowed(self, rows: Sequence[Row], hold: Hold | None) -> Iterator[Row]:
        """The rows as they are written. Texts and the notes of outcomes only where they are kept.

        Texts have jobs of their own: those too long for the memory must not displace the rest.
        """
        for row in rows:
            if self._observe is not None:
                self._observe(row)
            if isinstance(row, AttemptRecord):
                yield settled(row, hold)
            elif isinstance(row, Texts):
                if self._store_text:
                    size = len(row.prompt) + len(row.answer) + len(row.history)
                    self._submit(Job((row,), size=size))
            elif isinstance(row, OutcomeRecord) and not self._store_text:
                yield row._replace(note="")
            else:
                yield row

    def _run_now(self, job: Job) -> bool:
        """Run a job here, and with it what waits where that is much; whether it was done.

        Nothing overtakes what the thread has: a reservation is written before it is settled.
        """
        if self._closed:
            return False
        if (
            len(self._pending) < SHARED
            or self._soon
            or not self._writer.is_idle
            or time.monotonic() > self._handed_over + THREAD_S
            or sum(pending.size for pending in self._pending) > MOST_SHARED_CHARS
        ):
            return self._writer.run_now([job])
        if not self._writer.run_now([*self._pending, job]):
            return False
        self._taken()
        return True

    async def _wait(self, job: Job) -> Job:
        job.waits = asyncio.get_running_loop().create_future()
        self._submit(job, waited=True)
        done: Job = await job.waits
        return done

    def _submit(self, job: Job, *, waited: bool = False, lingers: bool = False) -> None:
        """Hand it over with what else comes up now; at most once in `LINGER_S` unless `waited`.

        `lingers`: not before `LINGER_S`: the job may be void by then.
        """
        if self._closed:
            raise ClosedError  # before anything is sent: a call that came as the server ended
        self._pending.append(job)
        if self._flush_at is not None and (self._soon or not waited):
            return
        if self._flush_at is not None:
            self._flush_at.cancel()
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._soon = waited or (not lingers and now >= self._flushed + LINGER_S)
        begins = now if lingers else self._flushed
        self._flush_at = (
            loop.call_soon(self._flush)
            if self._soon
            else loop.call_at(begins + LINGER_S, self._flush)
        )

    def _flush(self) -> None:
        jobs = [job for job in self._taken() if job.rows or job.do]
        if jobs:
            self._handed_over = self._flushed
            self._writer.submit(jobs)

    def _taken(self) -> list[Job]:
        """What waited, which waits no more."""
        if self._flush_at is not None:
            self._flush_at.cancel()
            self._flush_at = None
        self._announced.clear()
        self._flushed, jobs = time.monotonic(), self._pending
        self._pending = []
        return jobs


class _Spare(SqliteStore):
    """In memory, and possibly for long: keeps only what budgets need."""

    def add(self, row: Stored) -> None:
        if isinstance(row, AttemptRecord | Hold | Cooldown):
            super().add(row)


def _spare(known: Mapping[Key, Decimal]) -> Store:
    store = _Spare(None)
    store.presume(known)
    return store


def _value(job: Job) -> Any:
    if job.error is not None:
        raise job.error
    return job.value
