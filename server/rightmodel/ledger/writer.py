"""The thread that owns the store: what is asked for at the same time is one transaction.

Trouble with the store never reaches the one who asks as a failure of what was asked. What should
have been written is kept, in order and bounded, and done again once the store works; meanwhile
everything runs on a spare store in memory, which begins with the sums that were last known.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from rightmodel.core.errors import BudgetError, LedgerError, LedgerFault
from rightmodel.ledger.budget import release_dead

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from decimal import Decimal

    from rightmodel.ledger.records import Hold
    from rightmodel.ledger.store import Key, Store

logger = logging.getLogger("rightmodel.ledger")

RETRY_S: Final = 5.0
"""How long the store is left alone after trouble."""
MOST_KEPT: Final = 10_000
"""Records kept in memory while the store is in trouble; the oldest are given up beyond that."""
MOST_KEPT_CHARS: Final = 50_000_000
"""Of text in them; what comes beyond that is given up."""
MOST_AT_ONCE: Final = 500
_REOPENED: Final = {LedgerFault.DAMAGED, LedgerFault.UNREACHABLE}
"""Faults that a fresh look at the file may end at once: it was moved aside, or replaced."""


class OpenStore(Protocol):
    """Opens the store, for the first time or `after` trouble. Raises `LedgerError`."""

    def __call__(self, after: LedgerError | None = None) -> Store:
        """A store that works."""
        ...


@dataclass(slots=True, eq=False)
class Job:
    """Something to do with the store, and what came of it.

    `least`: done in its place where it fails by a fault of its own. `size`: characters of text that
    it holds. `kept`: it is done again when the store works. `reads`: outside any transaction, not
    at all while there is trouble. `waits`: who waits for it. `trouble`: the store was in trouble.
    """

    do: Callable[[Store], Any]
    least: Callable[[Store], Any] | None = None
    size: int = 0
    kept: bool = True
    reads: bool = False
    durable: bool = False
    waits: asyncio.Future[Any] | None = None
    value: Any = None
    error: Exception | None = None
    trouble: LedgerError | None = None


class Writer:
    """`spare`: makes the store in memory, given the sums last known. `held`: what is reserved now.

    `clock`: seconds since 1970. `told`: called on the thread with what people should know.
    """

    def __init__(
        self,
        open_store: OpenStore,
        spare: Callable[[Mapping[Key, Decimal]], Store],
        *,
        held: Callable[[], Iterable[Hold]],
        clock: Callable[[], float],
        told: Callable[[str], None],
    ) -> None:
        self._open = open_store
        self._make_spare = spare
        self._held = held
        self._clock = clock
        self._told = told
        self._queue: queue.SimpleQueue[Sequence[Job] | None] = queue.SimpleQueue()
        self._kept: deque[Job] = deque()
        self._store: Store | None = None
        self._spare: Store | None = None
        self._sums: Mapping[Key, Decimal] = {}
        self._retry_at = 0.0
        self._size = 0
        self._lost = 0
        self.trouble: LedgerError | None = None
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hand over jobs; they are done in order."""
        if not self._thread.ident:
            self._thread.start()
        self._queue.put(jobs)

    def close(self) -> None:
        """Let it end after what was handed over. Does not wait."""
        if self._thread.ident:
            self._queue.put(None)

    def join(self, timeout_s: float) -> bool:
        """Wait for the end; whether it came in time."""
        if self._thread.ident:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _work(self) -> None:
        going = True
        while going:
            jobs, going = self._next()
            try:
                self._do(jobs, going=going)
            except Exception as error:  # the thread must not end: others wait for it
                logger.exception("the ledger failed")
                for job in jobs:
                    job.error = job.error or error
            _deliver(jobs)
        self._retry_at = 0.0
        if self._kept:
            self._ready()
        if self._kept:
            logger.error("%d ledger records could not be written and are lost", len(self._kept))
        if self._store:
            self._store.close()

    def _do(self, jobs: Sequence[Job], *, going: bool) -> None:
        self._run([job for job in jobs if not job.reads])
        for job in jobs:
            if job.reads:
                self._read(job)
        if going and not jobs:
            self._ready()

    def _next(self) -> tuple[list[Job], bool]:
        """All that is waiting, and whether to go on; empty when it is time to try again."""
        jobs: list[Job] = []
        try:
            part = self._queue.get(timeout=RETRY_S if self._kept else None)
            while part is not None:
                jobs += part
                if len(jobs) >= MOST_AT_ONCE:
                    return jobs, True
                part = self._queue.get_nowait()
        except queue.Empty:
            return jobs, True
        return jobs, False

    def _run(self, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        for _ in range(2):
            store = self._ready()
            if store is None:
                break
            try:
                _apply(store, jobs)
            except LedgerError as trouble:
                self._fell(trouble, again=trouble.fault in _REOPENED)
            else:
                return
        self._go_on_without(jobs)

    def _read(self, job: Job) -> None:
        for _ in range(2):  # a connection that was idle for long may be gone
            store = self._ready()
            if store is None:
                job.error = self.trouble
                return
            try:
                job.value, job.error = job.do(store), None
            except LedgerError as trouble:
                self._fell(trouble, again=trouble.fault in _REOPENED)
                job.error = trouble
            except Exception as error:  # noqa: BLE001 - it belongs to the one who asked
                job.error = error
                return
            else:
                return

    def _ready(self) -> Store | None:
        """The store, opened and with everything in it that was kept; `None` while in trouble."""
        if self._store or time.monotonic() < self._retry_at:
            return self._store
        try:
            store = self._open(self.trouble)
        except LedgerError as trouble:
            self._fell(trouble)
            return None
        try:
            if self._kept:
                _apply(store, list(self._kept))
            with store.transaction():
                release_dead(store, now=self._clock())
                for hold in self._held():
                    store.add_hold(hold)
        except LedgerError as trouble:
            store.close()
            self._fell(trouble)
            return None
        self._store = store
        self._works_again(store)
        return store

    def _works_again(self, store: Store) -> None:
        if store.notice:
            logger.warning("%s", store.notice)
            self._told(store.notice)
        if self._kept:
            logger.warning("the ledger works again: %d records caught up", len(self._kept))
        self._kept.clear()
        self._size = 0
        self.trouble = None
        if self._spare:
            self._spare.close()
            self._spare = None

    def _fell(self, trouble: LedgerError, *, again: bool = False) -> None:
        self._retry_at = 0.0 if again else time.monotonic() + RETRY_S
        if self.trouble is None or self.trouble.fault is not trouble.fault:
            logger.warning("%s; calls go on, records are kept in memory", trouble)
        self.trouble = trouble
        if self._store:
            self._sums = self._store.sums()
            self._store.close()
            self._store = None

    def _go_on_without(self, jobs: Sequence[Job]) -> None:
        if self._spare is None:
            self._spare = self._make_spare(self._sums)
            with self._spare.transaction():
                for hold in self._held():
                    self._spare.add_hold(hold)
        with suppress(LedgerError):
            _apply(self._spare, jobs)
        for job in jobs:
            job.trouble = self.trouble
            if job.kept:
                self._keep(job)

    def _keep(self, job: Job) -> None:
        if job.size and self._size + job.size > MOST_KEPT_CHARS:
            self._lose()
            return
        self._kept.append(job)
        self._size += job.size
        if len(self._kept) > MOST_KEPT:
            self._size -= self._kept.popleft().size
            self._lose()

    def _lose(self) -> None:
        self._lost += 1
        if self._lost & (self._lost - 1) == 0:  # told at 1, 2, 4, 8 …
            logger.error("%d ledger records are lost: too many to keep", self._lost)


def _apply(store: Store, jobs: Sequence[Job]) -> None:
    """All in one transaction; one by one where a job fails by a fault of its own."""
    try:
        with store.transaction(durable=any(job.durable for job in jobs)):
            for job in jobs:
                try:
                    job.error = None
                    job.value = job.do(store)
                except BudgetError as error:  # raised before anything is written
                    job.error = error
    except LedgerError:
        raise
    except Exception as error:
        if len(jobs) == 1:
            job = jobs[0]
            logger.exception("a ledger record could not be written")
            if job.least is None:
                job.error, job.kept = error, False
                return
            job.do, job.least = job.least, None
        for job in jobs:
            _apply(store, [job])


def _deliver(jobs: Sequence[Job]) -> None:
    """Tell those who wait, with one wake-up of each event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        if job.waits is not None:
            loops.setdefault(job.waits.get_loop(), []).append(job)
    for loop, waiting in loops.items():
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_wake, waiting)


def _wake(jobs: Sequence[Job]) -> None:
    for job in jobs:
        if job.waits is not None and not job.waits.done():
            job.waits.set_result(job)
