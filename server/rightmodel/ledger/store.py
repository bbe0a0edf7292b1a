"""What the databases of the ledger share: records in, records out, and sums of what was charged.

`sqlite.py` is for one machine, `postgres.py` for teams. Statements are written once, with `?` for
values and unqualified table names; `postgres.py` translates them. Every method blocks: a store
belongs to one thread at a time. Several processes may use one ledger. Errors of the database are
raised as `LedgerError`. The contract is `tests/ledger/contract.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rightmodel.core.errors import LedgerError, LedgerFault
from rightmodel.ledger.rows import (
    ATTEMPTS,
    CALLS,
    CHOICES,
    COOLDOWNS,
    HOLDS,
    OUTCOMES,
    SESSIONS,
    TABLES,
    TEXTS,
    Table,
)
from rightmodel.ledger.sums import EXACT, Holds, Key, Reserved, Sums

if TYPE_CHECKING:
    from rightmodel.ledger.budget import Mark
    from rightmodel.ledger.records import (
        AttemptRecord,
        CallRecord,
        Choice,
        Cooldown,
        Hold,
        OutcomeRecord,
        Session,
        Texts,
    )

    Stored = AttemptRecord | CallRecord | Choice | OutcomeRecord | Texts | Hold | Cooldown | Session

_R = TypeVar("_R", bound=tuple[Any, ...])
_ZERO: Final = Decimal(0)
_ADVICE: Final[Mapping[LedgerFault, str]] = {
    LedgerFault.LOCKED: "another process has been writing to it for too long: try again",
    LedgerFault.FULL: "its disk is full",
    LedgerFault.READ_ONLY: "it may not be written",
    LedgerFault.DAMAGED: "it is damaged",
    LedgerFault.UNREACHABLE: "it cannot be reached or opened",
}


class Reader(ABC):
    """Reads records. `location`: the file or the URL without password, for messages."""

    location = ""

    def calls(self, since: str, until: str) -> Iterator[CallRecord]:
        """Calls of the UTC days from `since` to `until`, both included, by time."""
        return self._many(CALLS, "WHERE day BETWEEN ? AND ? ORDER BY at, id", since, until)

    def latest_calls(self, since: str, until: str) -> Iterator[CallRecord]:
        """The same calls, the latest first."""
        order = "WHERE day BETWEEN ? AND ? ORDER BY day DESC, at DESC, id DESC"
        return self._many(CALLS, order, since, until)

    def attempts(self, since: str, until: str) -> Iterator[AttemptRecord]:
        """Attempts of the UTC days from `since` to `until`, both included, as written."""
        return self._many(ATTEMPTS, "WHERE day BETWEEN ? AND ? ORDER BY id", since, until)

    def attempts_of(self, call: int) -> list[AttemptRecord]:
        """The attempts of one call, as written."""
        return self._all(ATTEMPTS, "WHERE call = ? ORDER BY id", call)

    def recent_attempts(self, limit: int) -> list[AttemptRecord]:
        """The last ones written, oldest first."""
        return self._all(ATTEMPTS, "ORDER BY id DESC LIMIT ?", limit)[::-1]

    def outcomes(self, after: int = 0) -> list[OutcomeRecord]:
        """Outcomes with an id above `after`, by id; a corrected one has a new id."""
        return self._all(OUTCOMES, "WHERE id > ? ORDER BY id", after)

    def holds(self) -> list[Hold]:
        """All reservations, those of processes that ended included."""
        return self._all(HOLDS)

    def cooldowns(self, now: float) -> list[Cooldown]:
        """Those that still last."""
        return self._all(COOLDOWNS, "WHERE until > ?", now)

    def find_call(self, ref: str) -> CallRecord | None:
        """The latest call of that ref."""
        return self._first(CALLS, "WHERE ref = ? ORDER BY at DESC LIMIT 1", ref)

    def find_attempt(self, call: int, number: int) -> AttemptRecord | None:
        """The attempt with that number of the call with that id."""
        return self._first(ATTEMPTS, "WHERE call = ? AND number = ?", call, number)

    def outcomes_of(self, call: int) -> list[OutcomeRecord]:
        """The outcomes of the call with that id."""
        return self._all(OUTCOMES, "WHERE call = ? ORDER BY id", call)

    def find_choice(self, call: int) -> Choice | None:
        """What the call with that id could choose from."""
        return self._first(CHOICES, "WHERE call = ?", call)

    def find_texts(self, call: int) -> Texts | None:
        """Prompt and answer of a call, where they were kept."""
        return self._first(TEXTS, "WHERE call = ?", call)

    def find_session(self, key: str) -> Session | None:
        """The agent's session with that key, as its last turn left it."""
        return self._first(SESSIONS, "WHERE key = ?", key)

    def turns_by_kind(self, since: str) -> list[tuple[str, str, int]]:
        """Client, kind and number of the turns of agents' sessions since that UTC day."""
        sql = (
            "SELECT client, kind, count(*) FROM calls WHERE day >= ? AND session <> '' "
            "GROUP BY client, kind"
        )
        return [(str(who), str(kind), int(count)) for who, kind, count in self._query(sql, since)]

    def days(self) -> tuple[str, str] | None:
        """The first and the last UTC day of any attempt or call; `None` for an empty ledger."""
        found = self._query(
            "SELECT min(day), max(day) FROM attempts UNION ALL SELECT min(day), max(day) FROM calls"
        )
        ends = [day for row in found for day in row if day is not None]
        return (min(ends), max(ends)) if ends else None

    @abstractmethod
    def _query(self, sql: str, *values: object) -> Iterable[tuple[Any, ...]]:
        """The rows that a statement selects."""

    def _many(self, table: Table[_R], where: str, *values: object) -> Iterator[_R]:
        """Records one by one, for what may not fit into memory."""
        return table.records(self._query(table.select + where, *values))

    def _all(self, table: Table[_R], where: str = "", *values: object) -> list[_R]:
        return list(table.records(self._query(table.select + where, *values)))

    def _first(self, table: Table[_R], where: str, *values: object) -> _R | None:
        return next(iter(self._all(table, where, *values)), None)


class Store(Reader):
    """Reads and writes records. Writing happens inside `transaction` only.

    `notice`: for people, about what happened when the store was opened; "" for nothing.
    `immediate`: whether a transaction is short enough for the event loop's thread.
    """

    immediate = False

    def __init__(self, location: str) -> None:
        self.location = location
        self.notice = ""
        self._inside = False
        self._fresh = False
        self._new: dict[Table[Any], list[Any]] = {}
        self._dropped: set[int] = set()
        self._held: Holds | None = None
        self._sums = Sums()
        self._base: dict[Key, Decimal] = {}

    @contextmanager
    def transaction(self, *, wait: bool = True) -> Iterator[None]:
        """Atomic and exclusive: what is read inside stays true until it ends.

        Once it has ended without an error, what was written survives SIGKILL of this process. A
        transaction inside another joins it. `wait`: for another process that writes; where not, and
        where that takes too long, raises `LedgerError` (locked).
        """
        if self._inside:
            yield
            return
        with self._as_ledger_error():
            self._inside = True
            self._sums.mark()
            try:
                self._begin(wait=wait)
                yield
                self._commit()
                self._sums.keep()
            except BaseException:
                self._sums.take_back()
                self._fresh, self._held = False, None
                self._roll_back()
                raise
            finally:
                self._inside = False
                self._new.clear()
                self._dropped.clear()

    def add(self, row: Stored) -> None:
        """Add a record.

        An attempt, a call, texts and a reservation are written once; an outcome replaces a former
        one of its kind for that call and model; of two cooldowns, or two states of a session, the
        later one counts. Records of a transaction are written together, before anything is read.
        """
        if not self._inside:
            raise RuntimeError("writing to the ledger happens inside a transaction only")
        table = TABLES[type(row)]
        if table is ATTEMPTS:
            self._fresh = False
        elif table is HOLDS and self._held is not None:
            self._held.add(row)  # type: ignore[arg-type]
        self._new.setdefault(table, []).append(row)

    def drop_hold(self, number: int) -> bool:
        """Release the reservation with that id; whether it was there."""
        held = self._current_holds()
        if new := self._new.get(HOLDS):
            self._new[HOLDS] = [hold for hold in new if hold.id != number]
        self._dropped.add(number)
        return held.drop(number)

    def holds(self) -> list[Hold]:
        """See `Reader`. In a transaction no other process changes them."""
        return self._current_holds().every() if self._inside else super().holds()

    def reserved(self) -> Sequence[Reserved]:
        """What all reservations add up to; in a transaction only."""
        return self._current_holds().reserved()

    def _current_holds(self) -> Holds:
        if self._held is None:
            self._held = Holds(super().holds())
        return self._held

    def drop_cooldown(self, key: str) -> None:
        """End a cooldown; one that is not there is no error."""
        self._flush()
        self._run("DELETE FROM cooldowns WHERE key = ?", key)

    def drop_sessions(self, before: float) -> None:
        """Forget the sessions whose last turn was before that time."""
        self._flush()
        self._run("DELETE FROM sessions WHERE at < ?", before)

    def claim_alert(self, mark: Mark, *, at: float) -> bool:
        """Whether this is the first process to tell of it."""
        sql = (
            "INSERT INTO alerts (budget, period, threshold, at) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (budget, period, threshold) DO NOTHING"
        )
        self._flush()
        return self._run(sql, mark.limit.name, mark.period, mark.threshold, at) > 0

    def charged(self, key: Key) -> Decimal:
        """The exact sum of `charged_usd`. Only what was added since the last time is read."""
        month = key.period[:7]
        if not (self._inside and self._fresh and self._sums.has(month)):
            with self._as_ledger_error():
                self._refresh(month)
        return EXACT.add(self._sums.get(key), self._base.get(key, _ZERO))

    def sums(self) -> Mapping[Key, Decimal]:
        """The sums that `charged` last read. Never raises."""
        return self._sums.everything()

    def presume(self, sums: Mapping[Key, Decimal]) -> None:
        """Count these as charged, too: a store in memory continues from them."""
        self._base = dict(sums)

    @abstractmethod
    def close(self) -> None:
        """Close it; closing twice is no error."""

    @abstractmethod
    def _begin(self, *, wait: bool) -> None: ...

    @abstractmethod
    def _commit(self) -> None: ...

    @abstractmethod
    def _roll_back(self) -> None: ...

    @abstractmethod
    def _run(self, sql: str, *values: object) -> int:
        """Execute a statement. Returns how many rows it changed."""

    @abstractmethod
    def _insert(self, table: Table[_R], rows: Sequence[_R]) -> None: ...

    def _flush(self) -> None:
        if self._dropped:  # before the new ones: a released reservation may be made again
            over = ", ".join(map(str, self._dropped))
            self._run(f"DELETE FROM holds WHERE id IN ({over})")  # noqa: S608 - numbers
            self._dropped.clear()
        for table, rows in self._new.items():
            self._insert(table, rows)
        self._new.clear()

    @abstractmethod
    def _refresh(self, month: str) -> None:
        """Bring the sums up to date, those of the month among them."""

    @abstractmethod
    def _fault_of(self, error: Exception) -> LedgerFault | None:
        """What an error says about the database; `None`: nothing."""

    @contextmanager
    def _as_ledger_error(self) -> Iterator[None]:
        """Raise the database's errors as `LedgerError`."""
        try:
            yield
        except Exception as error:
            fault = self._fault_of(error)
            if fault is None:
                raise
            raise ledger_error(fault, self.location, str(error)) from error


def ledger_error(fault: LedgerFault, location: str, detail: str) -> LedgerError:
    """The error of a database, with what it means."""
    detail = " ".join(detail.split())
    text = f"the ledger {location}: {_ADVICE[fault]} ({detail})"
    return LedgerError(fault, text, location=location)


def newer_schema(location: str, version: int, known: int, advice: str) -> LedgerError:
    """The error of a ledger that a newer version wrote."""
    return LedgerError(
        LedgerFault.NEWER,
        f"a newer rightmodel wrote the ledger {location} (schema {version}, this one knows "
        f"{known}): upgrade rightmodel{advice}",
        location=location,
    )
