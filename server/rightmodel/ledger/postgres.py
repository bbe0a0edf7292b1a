"""The ledger in a PostgreSQL database, shared by every server of a team.

A store blocks on the ledger's own thread, so the blocking side of psycopg is used, not its event
loop's. An advisory lock makes a transaction exclusive: SERIALIZABLE would run it again, and under
contention retries cost more than waiting. Every name is qualified, and settings last for one
transaction at most, so that a connection pooler may stand in between.

Every commit waits for the database's disk unless the database's settings say otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.types.string import StrDumperUnknown

from rightmodel.core.errors import LedgerFault
from rightmodel.ledger.rows import HOLDS, Table
from rightmodel.ledger.schema import POSTGRES, Migration
from rightmodel.ledger.store import Store, newer_schema
from rightmodel.ledger.sums import Holds

if TYPE_CHECKING:
    from psycopg.abc import PQGen


_T = TypeVar("_T")
_R = TypeVar("_R", bound=tuple[Any, ...])

BUSY_S: Final = 10.0
"""How long to wait for another server that writes, before it counts as locked."""
SILENT_S: Final = 5.0
"""How long a server may be silent inside a transaction, or the database in an answer."""

_LOCK: Final = int.from_bytes(b"ledger")
_SUMMED: Final = """
    SELECT day, model, skill, client,
    sum(charged_usd) FILTER (WHERE abs(charged_usd) < 1e15)::text,
    max(id) FROM rightmodel.attempts WHERE {} GROUP BY day, model, skill, client"""
"""An invalid amount, such as NaN, which compares above all others, must not spoil the sum."""
_ADDED: Final = _SUMMED.format("id > %s")
_OF_A_MONTH: Final = _SUMMED.format("day BETWEEN %s AND %s AND id <= %s")

_FIND: Final = "SELECT count(*) FROM"
"""Existence is read from the catalogue's tables: casts to `reg…` are answered from a cache that
may be as old as the wait for the lock."""
_TABLE: Final = re.compile(
    r"\b(FROM|INTO) (?=(?:calls|attempts|outcomes|holds|texts|cooldowns|choices|alerts"
    r"|sessions)\b)"
)
_FAULTS: Final[Mapping[str, LedgerFault]] = {
    "53100": LedgerFault.FULL,
    "25006": LedgerFault.READ_ONLY,
    "42501": LedgerFault.READ_ONLY,
    "55P03": LedgerFault.LOCKED,
    "57014": LedgerFault.LOCKED,
    "XX001": LedgerFault.DAMAGED,
    "XX002": LedgerFault.DAMAGED,
}
_OF_A_VALUE: Final = ("21", "22", "23")
"""Classes of errors that are about a value, not about the database."""


@lru_cache(64)
def _translated(sql: str) -> str:
    """A statement of `store.py` with qualified names and PostgreSQL's placeholders."""
    return _TABLE.sub(r"\1 rightmodel.", sql).replace("?", "%s")


class _Text(StrDumperUnknown):
    """PostgreSQL takes no NUL and no half of a surrogate pair; neither may cost the row."""

    def dump(self, obj: str) -> bytes:
        return obj.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace")


class _Connection(psycopg.Connection[tuple[Any, ...]]):
    """Waits for an answer for `patience_s` at most: a frozen server does not hang up by itself."""

    patience_s = SILENT_S

    def wait(self, gen: PQGen[_T], interval: float = 0.1, timeout: float | None = None) -> _T:
        return super().wait(gen, interval, timeout or self.patience_s)


class PostgresStore(Store):
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
        super().__init__(location)
        self._exclusive = (
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED;"
            f"SET LOCAL idle_in_transaction_session_timeout = '{SILENT_S}s';"
            f"SET LOCAL lock_timeout = '{busy_s}s'; SELECT pg_advisory_xact_lock({_LOCK})"
        )
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
            self._db.execute(self._exclusive)
            version, known = self._version(), len(migrations)  # another server may be faster
            if version > known:
                raise newer_schema(self.location, version, known, ", or keep a ledger of your own")
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

    def close(self) -> None:
        """See `Store`."""
        self._db.close()

    def _begin(self, *, wait: bool) -> None:  # noqa: ARG002 - always waits, never on the event loop
        """One round trip for the lock and for what budgets read first: the others wait meanwhile.

        No pipeline: behind one, the server's timer for idle transactions does not run.
        """
        statements = ["BEGIN", self._exclusive, _translated(HOLDS.select), _ADDED % self._sums.last]
        every = self._db.execute(";".join(statements)).results()
        *_, held, added = [found.fetchall() if found.description else [] for found in every]
        self._held = Holds(HOLDS.records(held))
        self._count(added)

    def _commit(self) -> None:
        with self._db.pipeline():
            self._flush()
            self._db.execute("COMMIT")
        self._fresh, self._held = False, None

    def _roll_back(self) -> None:
        """Where the connection still answers; a transaction ends with a lost one by itself."""
        status = self._db.info.transaction_status
        if status in {TransactionStatus.INTRANS, TransactionStatus.INERROR}:
            with suppress(psycopg.Error):
                self._db.execute("ROLLBACK")

    def _query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._as_ledger_error():
            if self._new or self._dropped:
                with self._db.pipeline():
                    self._flush()
            return self._db.execute(_translated(sql), values).fetchall()

    def _many(self, table: Table[_R], where: str, *values: object) -> Iterator[_R]:
        """See `Reader`; one such reading at a time."""
        with self._as_ledger_error():
            self._flush()
            with self._db.transaction(), self._db.cursor("rows") as cursor:
                cursor.itersize = 1000
                sql = _translated(table.select + where)
                yield from table.records(cursor.execute(sql, values))

    def _run(self, sql: str, *values: object) -> int:
        return self._db.execute(_translated(sql), values).rowcount

    def _one(self, query: str) -> Any:
        return (self._db.execute(query).fetchone() or (None,))[0]

    def _insert(self, table: Table[_R], rows: Sequence[_R]) -> None:
        self._db.cursor().executemany(_translated(table.insert()), map(table.row, rows))

    def _refresh(self, month: str) -> None:
        """The server adds up what was added since the last time."""
        if not self._sums.has(month):
            rows = self._query(_OF_A_MONTH, f"{month}-00", f"{month}-99", self._sums.last)
            self._sums.begin(month)
            self._sums.add(row[:5] for row in rows)
        if not self._fresh:
            self._count(self._query(_ADDED, self._sums.last))

    def _count(self, added: Sequence[tuple[Any, ...]]) -> None:
        """Ids rise in the order of commits, because transactions are exclusive."""
        self._sums.add(row[:5] for row in added)
        self._sums.last = max([self._sums.last, *(row[5] for row in added)])
        self._fresh = self._inside

    def _fault_of(self, error: Exception) -> LedgerFault | None:
        if not isinstance(error, psycopg.Error):
            return None
        state = error.sqlstate
        if state is None:  # from the client's side: the connection, or a mistake of ours
            lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
            return LedgerFault.UNREACHABLE if lost else None
        if state.startswith(_OF_A_VALUE):
            return None
        return _FAULTS.get(state, LedgerFault.UNREACHABLE)
