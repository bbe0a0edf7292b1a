"""The ledger in a PostgreSQL database, shared by every server of a team.

A store blocks on the ledger's own thread, so the blocking side of psycopg is used, not its event
loop's. A transaction is alone by an advisory lock: what runs inside cannot be run again, which
SERIALIZABLE would ask for, and under contention retries cost more than waiting. All is qualified
and set for one transaction at most, so that a pooler may stand in between.

Every commit waits for the database's disk unless the database's settings say otherwise.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.types.string import StrDumperUnknown

from rightmodel.core.errors import LedgerError, LedgerFault
from rightmodel.ledger.postgres_faults import error_of
from rightmodel.ledger.records import (
    AttemptRecord,
    CallRecord,
    Cooldown,
    Hold,
    OutcomeRecord,
    Texts,
)
from rightmodel.ledger.rows import Table
from rightmodel.ledger.schema import POSTGRES
from rightmodel.ledger.sums import Sums

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from decimal import Decimal

    from psycopg.abc import PQGen

    from rightmodel.ledger.schema import Migration
    from rightmodel.ledger.store import Key

_T = TypeVar("_T")
_R = TypeVar("_R", bound=tuple[Any, ...])

BUSY_S: Final = 10.0
"""How long to wait for another server that writes, before it counts as locked."""
SILENT_S: Final = 5.0
"""After which one that fell silent inside a transaction loses it, and a mute database is let go."""

_LOCK: Final = int.from_bytes(b"ledger")
_SUMMED: Final = """
    SELECT day, model, skill, sum(charged_usd) FILTER (WHERE abs(charged_usd) < 1e15)::text,
    max(id) FROM rightmodel.attempts WHERE {} GROUP BY day, model, skill"""
"""An amount that no rightmodel writes, such as NaN, which is above all, must not spoil the sum."""
_ADDED: Final = _SUMMED.format("id > %s")
_OF_A_MONTH: Final = _SUMMED.format("day BETWEEN %s AND %s AND id <= %s")

_FIND: Final = "SELECT count(*) FROM"
"""Whether a thing is there is asked of the catalogue's tables: casts to `reg…` would answer by a
cache that may be as old as the wait for the lock."""


class _Table(Table[_R]):
    """Written one statement a row, all of which travel together."""

    def __init__(self, name: str, record: type[_R], *, known: str, numbered: bool = False) -> None:
        super().__init__(f"rightmodel.{name}", record, numbered=numbered)
        names: tuple[str, ...] = record._fields  # type: ignore[attr-defined]
        written = names[:-1] if numbered else names
        self.insert = (
            f"INSERT INTO rightmodel.{name} ({', '.join(written)}) "  # noqa: S608 - our own names
            f"VALUES ({', '.join(['%s'] * len(written))}) ON CONFLICT {known}"
        )


_ANEW: Final = ", ".join(f"{name} = excluded.{name}" for name in OutcomeRecord._fields)
_ATTEMPTS: Final = _Table("attempts", AttemptRecord, known="DO NOTHING")
_CALLS: Final = _Table("calls", CallRecord, known="DO NOTHING")
_OUTCOMES: Final = _Table(
    "outcomes", OutcomeRecord, known=f"(call, kind, model) DO UPDATE SET {_ANEW}", numbered=True
)
_HOLDS: Final = _Table("holds", Hold, known="DO NOTHING")
_TEXTS: Final = _Table("texts", Texts, known="DO NOTHING")


class _Text(StrDumperUnknown):
    """PostgreSQL takes no NUL and no half of a surrogate pair; neither may cost the row."""

    def dump(self, obj: str) -> bytes:
        return obj.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace")


class _Connection(psycopg.Connection[tuple[Any, ...]]):
    """Waits for an answer for `patience_s` at most: a frozen server does not hang up by itself."""

    patience_s = SILENT_S

    def wait(self, gen: PQGen[_T], interval: float = 0.1, timeout: float | None = None) -> _T:
        return super().wait(gen, interval, timeout or self.patience_s)


class PostgresStore:
    """`settings`: in libpq's names. `location`: for messages, without a password.

    Raises `LedgerError` when it cannot be opened.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        location: str,
        *,
        busy_s: float = BUSY_S,
        migrations: Sequence[Migration] = POSTGRES,
    ) -> None:
        self.location = location
        self.notice = ""
        self._alone = (
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;"
            f"SET LOCAL idle_in_transaction_session_timeout = '{SILENT_S}s';"
            f"SET LOCAL lock_timeout = '{busy_s}s'; SELECT pg_advisory_xact_lock({_LOCK})"
        )
        self._inside = False
        self._fresh = False
        self._new: dict[_Table[Any], list[Any]] = {}
        self._dropped: set[int] = set()
        self._held: dict[int, Hold] | None = None
        self._sums = Sums()
        with self._as_ledger_error():
            self._db = _Connection.connect(
                **settings, autocommit=True, prepare_threshold=None, client_encoding="utf8"
            )
        self._db.patience_s = busy_s + SILENT_S
        self._db.adapters.register_dumper(str, _Text)
        try:
            self._migrate(migrations)
            with self._as_ledger_error():
                self._sums.last = self._one("SELECT coalesce(max(id), 0) FROM rightmodel.attempts")
        except BaseException:
            self._db.close()
            raise

    def _migrate(self, migrations: Sequence[Migration]) -> None:
        if self._version() == len(migrations):
            return
        with self._as_ledger_error(), self._db.transaction():
            self._db.execute(self._alone)
            version = self._version()  # another server may have been first
            if version > len(migrations):
                raise LedgerError(
                    LedgerFault.NEWER,
                    f"a newer rightmodel wrote the ledger {self.location} "
                    f"(schema {version}, this one knows {len(migrations)}): upgrade rightmodel, or "
                    "keep a ledger of your own",
                    location=self.location,
                )
            if not self._one(f"{_FIND} pg_namespace WHERE nspname = 'rightmodel'"):
                self._db.execute("CREATE SCHEMA rightmodel")
            for number, statements in enumerate(migrations[version:], version + 1):
                for statement in statements:
                    self._db.execute(statement)
                self._db.execute("INSERT INTO rightmodel.version VALUES (%s)", (number,))

    def _version(self) -> int:
        with self._as_ledger_error():
            named = "schemaname = 'rightmodel' AND tablename = 'version'"
            if not self._one(f"{_FIND} pg_tables WHERE {named}"):
                return 0
            return int(self._one("SELECT max(number) FROM rightmodel.version"))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Store`."""
        if self._inside:
            yield
            return
        with self._as_ledger_error():
            self._inside = True
            self._sums.mark()
            try:
                self._enter()
                yield
                with self._db.pipeline():
                    self._flush()
                    self._db.execute("COMMIT")
                self._sums.keep()
            except BaseException:
                self._sums.take_back()
                self._roll_back()
                raise
            finally:
                self._inside = self._fresh = False
                self._new.clear()
                self._dropped.clear()
                self._held = None

    def _enter(self) -> None:
        """One trip for the lock and for what budgets ask first: the others wait meanwhile.

        No pipeline: behind one, the server's timer for idle transactions does not run.
        """
        statements = ["BEGIN", self._alone, _HOLDS.select, _ADDED % self._sums.last]
        every = self._db.execute(";".join(statements)).results()
        *_, held, added = [found.fetchall() if found.description else [] for found in every]
        self._held = {hold.id: hold for hold in _HOLDS.records(held)}
        self._take_in(added)

    def add_attempt(self, row: AttemptRecord) -> None:
        """See `Store`."""
        self._fresh = False
        self._add(_ATTEMPTS, row)

    def add_call(self, row: CallRecord) -> None:
        """See `Store`."""
        self._add(_CALLS, row)

    def add_texts(self, row: Texts) -> None:
        """See `Store`."""
        self._add(_TEXTS, row)

    def add_outcome(self, row: OutcomeRecord) -> None:
        """See `Store`."""
        self._add(_OUTCOMES, row)

    def add_hold(self, hold: Hold) -> None:
        """See `Store`."""
        self._add(_HOLDS, hold)
        if self._held is not None:
            self._held.setdefault(hold.id, hold)

    def drop_hold(self, number: int) -> bool:
        """See `Store`. Deleted together with others; one that is not written yet never is."""
        waiting = self._new.get(_HOLDS, [])
        self._new[_HOLDS] = [hold for hold in waiting if hold.id != number]
        self._dropped.add(number)
        return self._held is not None and self._held.pop(number, None) is not None

    def holds(self) -> list[Hold]:
        """See `Store`. In a transaction no other process changes them."""
        return self._all(_HOLDS, "") if self._held is None else list(self._held.values())

    def add_cooldown(self, row: Cooldown) -> None:
        """See `Store`."""
        self._db.execute(
            "INSERT INTO rightmodel.cooldowns AS c VALUES (%s, %s, %s) ON CONFLICT (key) DO UPDATE "
            "SET until = excluded.until, fault = excluded.fault WHERE excluded.until > c.until",
            row,
        )

    def drop_cooldown(self, key: str) -> None:
        """See `Store`."""
        self._db.execute("DELETE FROM rightmodel.cooldowns WHERE key = %s", (key,))

    def cooldowns(self, now: float) -> list[Cooldown]:
        """See `Store`."""
        query = "SELECT key, until, fault FROM rightmodel.cooldowns WHERE until > %s"
        with self._as_ledger_error():
            return [Cooldown(*row) for row in self._db.execute(query, (now,))]

    def charged(self, key: Key) -> Decimal:
        """See `Store`. Only what was added since the last time is read, summed up by the server."""
        month = key.period[:7]
        with self._as_ledger_error():
            if not self._sums.has(month):
                self._begin_month(month)
            if not self._fresh:
                self._take_in(self._ask(_ADDED, self._sums.last))
        return self._sums.get(key)

    def sums(self) -> Mapping[Key, Decimal]:
        """See `Store`."""
        return self._sums.everything()

    def find_call(self, ref: str) -> CallRecord | None:
        """See `Store`."""
        return next(iter(self._all(_CALLS, "WHERE ref = %s ORDER BY at DESC LIMIT 1", ref)), None)

    def find_attempt(self, call: int, number: int) -> AttemptRecord | None:
        """See `Store`."""
        where = "WHERE call = %s AND number = %s"
        return next(iter(self._all(_ATTEMPTS, where, call, number)), None)

    def find_texts(self, call: int) -> Texts | None:
        """See `Store`."""
        return next(iter(self._all(_TEXTS, "WHERE call = %s", call)), None)

    def calls(self, since: str, until: str) -> Iterator[CallRecord]:
        """See `Store`."""
        return self._each(_CALLS, "WHERE day BETWEEN %s AND %s ORDER BY at, id", since, until)

    def attempts(self, since: str, until: str) -> Iterator[AttemptRecord]:
        """See `Store`."""
        return self._each(_ATTEMPTS, "WHERE day BETWEEN %s AND %s ORDER BY id", since, until)

    def recent_attempts(self, limit: int) -> list[AttemptRecord]:
        """See `Store`."""
        return self._all(_ATTEMPTS, "ORDER BY id DESC LIMIT %s", limit)[::-1]

    def outcomes(self, after: int = 0) -> list[OutcomeRecord]:
        """See `Store`."""
        return self._all(_OUTCOMES, "WHERE id > %s ORDER BY id", after)

    def close(self) -> None:
        """See `Store`."""
        self._db.close()

    def _one(self, query: str) -> Any:
        return (self._db.execute(query).fetchone() or (None,))[0]

    def _all(self, table: _Table[_R], where: str, *values: object) -> list[_R]:
        with self._as_ledger_error():
            return list(table.records(self._ask(table.select + where, *values)))

    def _each(self, table: _Table[_R], where: str, *values: object) -> Iterator[_R]:
        """The same by and by, for what may not fit into memory; one such reading at a time."""
        with self._as_ledger_error():
            self._flush()
            with self._db.transaction(), self._db.cursor("rows") as cursor:
                cursor.itersize = 1000
                yield from table.records(cursor.execute(table.select + where, values))

    def _add(self, table: _Table[_R], row: _R) -> None:
        """Defer it: rows of a transaction are written together, before anything is read."""
        if not self._inside:
            raise RuntimeError("writing to the ledger happens inside a transaction only")
        self._new.setdefault(table, []).append(row)

    def _ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        if self._new or self._dropped:
            with self._db.pipeline():
                self._flush()
        return self._db.execute(query, values).fetchall()

    def _flush(self) -> None:
        if self._dropped:  # before the new ones: one that was given back may be reserved again
            gone = list(self._dropped)
            self._db.execute("DELETE FROM rightmodel.holds WHERE id = ANY(%s)", (gone,))
            self._dropped.clear()
        for table, rows in self._new.items():
            self._db.cursor().executemany(table.insert, [table.row(row) for row in rows])
        self._new.clear()

    def _roll_back(self) -> None:
        """Where the connection still answers; a transaction ends with a lost one by itself."""
        status = self._db.info.transaction_status
        if status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}:
            with suppress(psycopg.Error):
                self._db.execute("ROLLBACK")

    def _begin_month(self, month: str) -> None:
        rows = self._ask(_OF_A_MONTH, f"{month}-00", f"{month}-99", self._sums.last)
        self._sums.begin(month)
        self._sums.add(row[:4] for row in rows)

    def _take_in(self, added: Sequence[tuple[Any, ...]]) -> None:
        """Ids rise in the order of commits, because those who write are alone."""
        self._sums.add(row[:4] for row in added)
        self._sums.last = max([self._sums.last, *(row[4] for row in added)])
        self._fresh = self._inside

    @contextmanager
    def _as_ledger_error(self) -> Iterator[None]:
        """Raise the database's errors as `LedgerError`."""
        try:
            yield
        except psycopg.Error as error:
            trouble = error_of(error, self.location)
            if trouble is None:
                raise
            raise trouble from error
