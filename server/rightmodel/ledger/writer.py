"""The thread that owns the store: jobs that arrive together share a transaction.

A fault of the store never fails a call. Rows are kept in memory, in order and bounded, and written
once the store works again; meanwhile everything runs on a spare store in memory, which begins with
the last known sums.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from rightmodel.core.errors import BudgetError, LedgerError, LedgerFault
from rightmodel.ledger.records import Choice, Hold, Row
from rightmodel.ledger.reservations import charge_interrupted, reduced, write

if TYPE_CHECKING:
    import asyncio
    from decimal import Decimal

    from rightmodel.ledger.spill import Spill
    from rightmodel.ledger.store import Store
    from rightmodel.ledger.sums import Key

logger = logging.getLogger("rightmodel.ledger")

RETRY_S: Final = 5.0
"""How long the store is not used after a fault."""
MOST_KEPT: Final = 10_000
"""Jobs kept in memory while the store is faulty; beyond that the oldest are lost."""
MOST_KEPT_CHARS: Final = 50_000_000
"""Of prompts and answers, which are kept apart: new ones are lost beyond that."""
MOST_AT_ONCE: Final = 500
SLOW_S: Final = 0.05
"""After a transaction on the caller's thread that took longer, there is none for `RETRY_S`."""
MOST_WAIT_S: Final = 0.005
"""How long the caller's thread waits for the ledger's, which has the interpreter meanwhile. A busy
event loop lets it in once in 5 ms, for one statement; by itself it ends its transaction in that."""
_REOPENED: Final = {LedgerFault.DAMAGED, LedgerFault.UNREACHABLE}
"""Faults that opening the store anew may end at once: the file was moved aside, or replaced."""


class OpenStore(Protocol):
    """Opens the store, for the first time or `after` an error. Raises `LedgerError`."""

    def __call__(self, after: LedgerError | None = None) -> Store:
        """A store that works."""
        ...


@dataclass(slots=True, eq=False)
class Job:
    """Rows to write, or (`do`) a function to run on the store, and its result.

    `size`: characters of text in the rows. `reads`: outside any transaction, and refused while the
    store is faulty. `waits`: resolved when it is done. `outage`: the store was faulty; rows are
    written later.
    """

    rows: Sequence[Row] = ()
    do: Callable[[Store], Any] | None = None
    size: int = 0
    reads: bool = False
    waits: asyncio.Future[Any] | None = None
    value: Any = None
    error: Exception | None = None
    outage: LedgerError | None = None

    def run(self, store: Store) -> None:
        """Do it. Errors are the store's, or the job's own."""
        self.error = None
        if self.do is None:
            write(store, self.rows)
        else:
            self.value = self.do(store)


class Writer:
    """`spare`: makes the store in memory, given the last known sums. `held`: reservations in force.

    `clock`: seconds since 1970. `notify`: called on the thread with a notice for people. `spill`:
    rows that former processes could not write.
    """

    def __init__(
        self,
        open_store: OpenStore,
        spare: Callable[[Mapping[Key, Decimal]], Store],
        *,
        held: Callable[[], Iterable[Hold]],
        clock: Callable[[], float],
        notify: Callable[[str], None],
        spill: Spill | None = None,
    ) -> None:
        self._open = open_store
        self._make_spare = spare
        self._held = held
        self._clock = clock
        self._notify = notify
        self._spill = spill
        self._queue: queue.SimpleQueue[Sequence[Job] | None] = queue.SimpleQueue()
        self._submitted = self._done = 0
        self._unwritten: dict[Job, None] = {}
        self._kept: deque[Job] = deque()
        self._kept_texts: deque[Job] = deque()
        self._chars = 0
        self._store: Store | None = None
        self._spare: Store | None = None
        self._sums: Mapping[Key, Decimal] = {}
        self._retry_at = 0.0
        self._lost = 0
        self.outage: LedgerError | None = None
        self._lock = threading.Lock()
        self._direct_from = self._waited_s = 0.0
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)

    def submit(self, jobs: Sequence[Job]) -> None:
        """Hand over jobs; they are done in order."""
        if not self._thread.ident:
            self._thread.start()
        self._unwritten.update(dict.fromkeys(job for job in jobs if job.rows))
        self._submitted += len(jobs)
        self._queue.put(jobs)

    @property
    def is_idle(self) -> bool:
        """Whether all jobs are done. While nobody submits another one, it stays so."""
        return self._done == self._submitted

    def run_now(self, jobs: Sequence[Job]) -> bool:
        """Do jobs on the caller's thread, in one transaction; waits for nothing but the own thread.

        Returns whether they were done. None was where the database is busy, slow, not open or not
        local, and where one failed: then `submit` them.
        """
        store, began = self._store, time.monotonic()
        if store is None or not store.immediate or began < self._direct_from:
            return False
        wait_s = MOST_WAIT_S if self._waited_s < SLOW_S else 0.0  # it may wait for another process
        if not self._lock.acquire(timeout=wait_s):
            self._waited_s += wait_s
            return False
        self._waited_s = 0.0
        try:
            if store is not self._store:
                return False
            with store.transaction(wait=False):
                for job in jobs:
                    job.run(store)
        except Exception:  # noqa: BLE001 - the ledger's thread runs it again, and reports it
            return False
        finally:
            self._lock.release()
            if time.monotonic() - began > SLOW_S:
                self._direct_from = time.monotonic() + RETRY_S
        return True

    def close(self) -> None:
        """End after what was handed over. Does not wait."""
        if self._thread.ident:
            self._queue.put(None)

    def join(self, timeout_s: float) -> None:
        """Wait for the end, at most so long."""
        if self._thread.ident:
            self._thread.join(timeout_s)

    def unwritten(self) -> list[Sequence[Row]]:
        """The rows of every job that is not known to be written, oldest first."""
        return [job.rows for job in list(self._unwritten)]

    def _work(self) -> None:
        going = True
        while going:
            jobs, going = self._next()
            with self._lock:
                try:
                    self._do(jobs, going=going)
                except Exception as error:  # the thread must not end: others wait for it
                    logger.exception("internal error in the ledger's thread")
                    for job in jobs:
                        job.error = job.error or error
                self._done += len(jobs)
            _deliver(jobs)
        with self._lock:
            self._retry_at = 0.0
            if self._kept or self._kept_texts:
                self._ready()
            if self._store:
                self._store.close()
                self._store = None

    def _do(self, jobs: Sequence[Job], *, going: bool) -> None:
        self._run([job for job in jobs if not job.reads])
        for job in jobs:
            if job.reads:
                self._read(job)
        if going and not jobs:
            self._ready()

    def _next(self) -> tuple[list[Job], bool]:
        """All jobs that wait, and whether to go on; none when it is time to retry the store."""
        jobs: list[Job] = []
        kept = self._kept or self._kept_texts
        try:
            part = self._queue.get(timeout=RETRY_S if kept else None)
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
            except LedgerError as error:
                self._failed(error, again=error.fault in _REOPENED)
            else:
                self._written(jobs)
                return
        self._run_on_spare(jobs)

    def _read(self, job: Job) -> None:
        for _ in range(2):  # a connection that was idle for long may be gone
            store = self._ready()
            if store is None:
                job.error = self.outage
                return
            try:
                job.run(store)
            except LedgerError as error:
                self._failed(error, again=error.fault in _REOPENED)
                job.error = error
            except Exception as error:  # noqa: BLE001 - it belongs to the job's owner
                job.error = error
                return
            else:
                return

    def _ready(self) -> Store | None:
        """The store, with every kept row in it; `None` while it is faulty."""
        if self._store or time.monotonic() < self._retry_at:
            return self._store
        try:
            store = self._open(self.outage)
        except LedgerError as error:
            self._failed(error)
            return None
        kept = [*self._kept, *self._kept_texts]
        try:
            if self._spill and (count := recover(self._spill, store)):
                logger.warning("wrote %d ledger records that a former process could not", count)
            if kept:
                _apply(store, kept)
            with store.transaction():
                charge_interrupted(store, now=self._clock())
                for hold in self._held():
                    store.add(hold)
        except LedgerError as error:
            store.close()
            self._failed(error)
            return None
        self._written(kept)
        self._store = store
        self._works_again(store, len(kept))
        return store

    def _works_again(self, store: Store, kept: int) -> None:
        if store.notice:
            logger.warning("%s", store.notice)
            self._notify(store.notice)
        if kept:
            logger.warning("the ledger works again: %d kept records were written", kept)
        self._kept.clear()
        self._kept_texts.clear()
        self._chars = 0
        self.outage = None
        if self._spare:
            self._spare.close()
            self._spare = None

    def _failed(self, error: LedgerError, *, again: bool = False) -> None:
        self._retry_at = 0.0 if again else time.monotonic() + RETRY_S
        if self.outage is None or self.outage.fault is not error.fault:
            logger.warning("%s; calls go on, records are kept in memory", error)
        self.outage = error
        if self._store:
            self._sums = self._store.sums()
            self._store.close()
            self._store = None

    def _run_on_spare(self, jobs: Sequence[Job]) -> None:
        if self._spare is None:
            self._spare = self._make_spare(self._sums)
            with self._spare.transaction():
                for hold in self._held():
                    self._spare.add(hold)
        with suppress(LedgerError):
            _apply(self._spare, jobs)
        for job in jobs:
            job.outage = self.outage
            if job.rows:
                self._keep(job)

    def _keep(self, job: Job) -> None:
        """Texts never displace other records: they are bounded apart. Choices are lost."""
        job.rows = [row for row in job.rows if not isinstance(row, Choice)]
        if job.size:
            if self._chars + job.size > MOST_KEPT_CHARS:
                self._lose(job)
            else:
                self._chars += job.size
                self._kept_texts.append(job)
            return
        self._kept.append(job)
        if len(self._kept) > MOST_KEPT:
            self._lose(self._kept.popleft())

    def _lose(self, job: Job) -> None:
        self._written([job])
        self._lost += 1
        if self._lost & (self._lost - 1) == 0:  # logged at 1, 2, 4, 8 …
            logger.error("%d ledger records are lost: too many to keep", self._lost)

    def _written(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self._unwritten.pop(job, None)


def recover(spill: Spill, store: Store) -> int:
    """Write the rows of every file of a spill, and delete the files. Returns how many rows.

    Raises `LedgerError`, leaving the file that was not written.
    """
    count = 0
    for file in spill.files():
        groups = list(spill.load(file))
        _apply(store, [Job(rows) for rows in groups])
        count += sum(map(len, groups))
        with suppress(OSError):  # another process was faster, or it is written again
            file.unlink()
    return count


def _apply(store: Store, jobs: Sequence[Job]) -> None:
    """All in one transaction; one by one where a job fails by a fault of its own."""
    try:
        with store.transaction():
            for job in jobs:
                try:
                    job.run(store)
                except BudgetError as error:  # raised before anything is written
                    job.error = error
    except LedgerError:
        raise
    except Exception as error:
        if len(jobs) == 1:
            job = jobs[0]
            logger.exception("a ledger record could not be written")
            fewer = reduced(job.rows)
            if not fewer or fewer == job.rows:
                job.error, job.rows = error, ()
                return
            job.rows = fewer
        for job in jobs:
            _apply(store, [job])


def _deliver(jobs: Sequence[Job]) -> None:
    """Resolve what is waited for, with one wake-up of each event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        if job.waits is not None:
            loops.setdefault(job.waits.get_loop(), []).append(job)
    for loop, waiting in loops.items():
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(_wake, waiting)


def _wake(jobs: Sequence[Job]) -> None:
    for job in jobs:
        if job.waits is not None and not job.waits.done():
            job.waits.set_result(job)
