"""The ledger in one SQLite file, shared by every server of this user on this machine.

Write-ahead logging with `synchronous=NORMAL`: readers never wait for the writer, and a committed
transaction survives SIGKILL. A power cut or a crash of the kernel may lose the transactions that
the kernel had not written back (usually the last half minute), but never damages the file. An fsync
for each transaction would prevent that and cost every call some milliseconds.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager, suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rightmodel.core.errors import LedgerError, LedgerFault
from rightmodel.ledger.paths import make_private
from rightmodel.ledger.records import (
    AttemptRecord,
    CallRecord,
    Cooldown,
    Hold,
    OutcomeRecord,
    Texts,
)
from rightmodel.ledger.rows import Table
from rightmodel.ledger.schema import MIGRATIONS
from rightmodel.ledger.sums import EXACT, Sums

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rightmodel.ledger.schema import Migration
    from rightmodel.ledger.store import Key

_R = TypeVar("_R", bound=tuple[Any, ...])
_ZERO: Final = Decimal(0)

BUSY_S: Final = 5.0
"""How long to wait for another process that writes, before it counts as locked."""
CHECKED_BYTES: Final = 32_000_000
"""A ledger up to this size is checked whenever it is opened (about 0.1 s); a larger one is not."""

_ATTEMPTS: Final = Table("attempts", AttemptRecord)
_CALLS: Final = Table("calls", CallRecord)
_OUTCOMES: Final = Table("outcomes", OutcomeRecord, unique="REPLACE", numbered=True)
_HOLDS: Final = Table("holds", Hold)
_TEXTS: Final = Table("texts", Texts)
_COOLDOWNS: Final = Table("cooldowns", Cooldown)

_KINDS: Final[Mapping[int, LedgerFault]] = {
    sqlite3.SQLITE_BUSY: LedgerFault.LOCKED,
    sqlite3.SQLITE_LOCKED: LedgerFault.LOCKED,
    sqlite3.SQLITE_PROTOCOL: LedgerFault.LOCKED,
    sqlite3.SQLITE_FULL: LedgerFault.FULL,
    sqlite3.SQLITE_READONLY: LedgerFault.READ_ONLY,
    sqlite3.SQLITE_CORRUPT: LedgerFault.DAMAGED,
    sqlite3.SQLITE_NOTADB: LedgerFault.DAMAGED,
    sqlite3.SQLITE_CANTOPEN: LedgerFault.UNREACHABLE,
    sqlite3.SQLITE_PERM: LedgerFault.UNREACHABLE,
    sqlite3.SQLITE_IOERR: LedgerFault.UNREACHABLE,
    sqlite3.SQLITE_AUTH: LedgerFault.UNREACHABLE,
    sqlite3.SQLITE_ERROR: LedgerFault.UNREACHABLE,  # no such table: it is someone else's file
}
_ADVICE: Final[Mapping[LedgerFault, str]] = {
    LedgerFault.LOCKED: "another process has been writing to it for too long",
    LedgerFault.FULL: "the disk is full",
    LedgerFault.READ_ONLY: "it may not be written",
    LedgerFault.DAMAGED: "the file is damaged",
    LedgerFault.UNREACHABLE: "it cannot be opened, read or written",
}


class SqliteStore:
    """`file`: `None` for one in memory. `careful`: check every page and index before using it.

    Raises `LedgerError` when it cannot be opened.
    """

    def __init__(
        self,
        file: Path | None,
        *,
        busy_s: float = BUSY_S,
        migrations: Sequence[Migration] = MIGRATIONS,
        careful: bool = False,
    ) -> None:
        self.file = file
        self.location = str(file) if file else "memory"
        self.notice = ""
        self._inside = False
        self._waiting: dict[Table[Any], list[Any]] = {}
        self._fresh = False
        self._sums = Sums()
        self._base: dict[Key, Decimal] = {}
        self._stamp = (0, 0)
        with self._as_ledger_error():
            if file:
                make_private(file)
                self._stamp = _stamp(file)
            self._db = sqlite3.connect(
                file or ":memory:", timeout=busy_s, isolation_level=None, check_same_thread=False
            )
        try:
            self._set_up(migrations, busy_s, careful=careful)
        except BaseException:
            self._db.close()
            raise

    def _set_up(self, migrations: Sequence[Migration], busy_s: float, *, careful: bool) -> None:
        with self._as_ledger_error():
            _write_ahead(self._db, busy_s)
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("PRAGMA journal_size_limit=8000000")
            if self.file and (careful or 0 < self.file.stat().st_size <= CHECKED_BYTES):
                check = "integrity_check" if careful else "quick_check"
                (found,) = self._db.execute(f"PRAGMA {check}(1)").fetchone()
                if found != "ok":
                    raise self._error(LedgerFault.DAMAGED, found)
        if self._version() != len(migrations):
            self._migrate(migrations)

    def _version(self) -> int:
        with self._as_ledger_error():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            return int(version)

    def _migrate(self, migrations: Sequence[Migration]) -> None:
        with self.transaction():
            version = self._version()  # another process may have been first
            if version > len(migrations):
                raise LedgerError(
                    LedgerFault.NEWER,
                    f"a newer rightmodel wrote the ledger {self.location} "
                    f"(schema {version}, this one knows {len(migrations)}): upgrade rightmodel, or "
                    "point RIGHTMODEL_STATE_DIR at another directory",
                    location=self.location,
                )
            for statements in migrations[version:]:
                for statement in statements:
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version={len(migrations)}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Store`. Raises `LedgerError` if the file was moved or replaced: open it anew."""
        if self._inside:
            yield
            return
        with self._as_ledger_error():
            if self.file and _stamp(self.file) != self._stamp:
                raise self._error(LedgerFault.UNREACHABLE, "it was moved or replaced")
            self._db.execute("BEGIN IMMEDIATE")
            self._inside = True
            self._fresh = False
            self._sums.mark()
            try:
                yield
                self._flush()
                self._db.execute("COMMIT")
                self._sums.keep()
            except BaseException:
                self._waiting.clear()
                self._sums.take_back()
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
            finally:
                self._inside = False

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

    def drop_hold(self, number: int) -> bool:
        """See `Store`."""
        waiting = self._waiting.get(_HOLDS, [])
        for hold in waiting:
            if hold.id == number:
                waiting.remove(hold)
                return True
        return self._db.execute("DELETE FROM holds WHERE id = ?", (number,)).rowcount > 0

    def holds(self) -> list[Hold]:
        """See `Store`."""
        return list(self._each(_HOLDS, "", ()))

    def add_cooldown(self, row: Cooldown) -> None:
        """See `Store`."""
        self._db.execute(
            "INSERT INTO cooldowns VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE "
            "SET until = excluded.until, fault = excluded.fault WHERE excluded.until > until",
            row,
        )

    def drop_cooldown(self, key: str) -> None:
        """See `Store`."""
        self._db.execute("DELETE FROM cooldowns WHERE key = ?", (key,))

    def cooldowns(self, now: float) -> list[Cooldown]:
        """See `Store`."""
        return list(self._each(_COOLDOWNS, "WHERE until > ?", (now,)))

    def charged(self, key: Key) -> Decimal:
        """See `Store`. Only what was added since the last time is read."""
        self._refresh(key.period[:7])
        return EXACT.add(self._sums.get(key), self._base.get(key, _ZERO))

    def sums(self) -> Mapping[Key, Decimal]:
        """See `Store`."""
        with suppress(LedgerError, sqlite3.Error):
            self._refresh("")
        return self._sums.everything()

    def presume(self, sums: Mapping[Key, Decimal]) -> None:
        """Count these as charged, too: a store in memory goes on from them."""
        self._base = dict(sums)

    def find_call(self, ref: str) -> CallRecord | None:
        """See `Store`."""
        return next(self._each(_CALLS, "WHERE ref = ? ORDER BY at DESC LIMIT 1", (ref,)), None)

    def find_attempt(self, call: int, number: int) -> AttemptRecord | None:
        """See `Store`."""
        return next(self._each(_ATTEMPTS, "WHERE call = ? AND number = ?", (call, number)), None)

    def find_texts(self, call: int) -> Texts | None:
        """See `Store`."""
        return next(self._each(_TEXTS, "WHERE call = ?", (call,)), None)

    def calls(self, since: str, until: str) -> Iterator[CallRecord]:
        """See `Store`."""
        return self._each(_CALLS, "WHERE day BETWEEN ? AND ? ORDER BY at, id", (since, until))

    def attempts(self, since: str, until: str) -> Iterator[AttemptRecord]:
        """See `Store`."""
        return self._each(_ATTEMPTS, "WHERE day BETWEEN ? AND ? ORDER BY rowid", (since, until))

    def recent_attempts(self, limit: int) -> list[AttemptRecord]:
        """See `Store`."""
        return list(self._each(_ATTEMPTS, "ORDER BY id DESC LIMIT ?", (limit,)))[::-1]

    def outcomes(self, after: int = 0) -> list[OutcomeRecord]:
        """See `Store`."""
        return list(self._each(_OUTCOMES, "WHERE id > ? ORDER BY id", (after,)))

    def adopt(self, table: str, rows: Iterable[tuple[tuple[str, ...], tuple[object, ...]]]) -> int:
        """Take over rows (columns, values) of another ledger; those that are here stay. How many.

        Columns that this schema does not know are left out.
        """
        with self._as_ledger_error():
            known = {row[1] for row in self._db.execute(f"PRAGMA table_info({table})")}
        count = 0
        with self.transaction():
            for columns, values in rows:
                kept = [(c, v) for c, v in zip(columns, values, strict=True) if c in known]
                names, holes = ", ".join(c for c, _ in kept), ", ".join("?" * len(kept))
                count += self._db.execute(
                    f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({holes})",  # noqa: S608
                    [v for _, v in kept],
                ).rowcount
        return count

    def close(self) -> None:
        """See `Store`. The last process to close it leaves one file and nothing beside it."""
        with suppress(sqlite3.Error):
            self._db.close()

    def _each(self, table: Table[_R], where: str, values: Sequence[object]) -> Iterator[_R]:
        with self._as_ledger_error():
            self._flush()
            yield from table.records(self._db.execute(table.select + where, values))

    def _add(self, table: Table[_R], row: _R) -> None:
        """Defer it: rows of a transaction are written together, before anything is read."""
        if not self._inside:
            raise RuntimeError("writing to the ledger happens inside a transaction only")
        self._waiting.setdefault(table, []).append(row)

    def _flush(self) -> None:
        if self._waiting:
            for table, rows in self._waiting.items():
                for statement, values in table.inserts(rows):
                    self._db.execute(statement, values)
            self._waiting.clear()

    def _refresh(self, month: str) -> None:
        sums = self._sums
        if self._inside and self._fresh and sums.has(month):
            return  # no other process can have written since
        what = "SELECT day, model, skill, charged_usd FROM attempts "
        with self._as_ledger_error():
            self._flush()
            (last,) = self._db.execute("SELECT max(id) FROM attempts").fetchone()
            if last and last > sums.last:
                sums.add(self._db.execute(f"{what} WHERE id > ? AND id <= ?", (sums.last, last)))
                sums.last = last
            self._fresh = True
            if month and not sums.has(month):
                sums.begin(month)
                between = (f"{month}-00", f"{month}-99", sums.last)
                sums.add(self._db.execute(f"{what} WHERE day BETWEEN ? AND ? AND id <= ?", between))

    @contextmanager
    def _as_ledger_error(self) -> Iterator[None]:
        """Raise the database's and the system's errors as `LedgerError`."""
        try:
            yield
        except sqlite3.Error as error:
            kind = _KINDS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
            if kind is None:
                raise
            raise self._error(kind, str(error)) from error
        except OSError as error:
            raise self._error(LedgerFault.UNREACHABLE, str(error)) from error

    def _error(self, kind: LedgerFault, words: str) -> LedgerError:
        return LedgerError(
            kind, f"the ledger {self.location}: {_ADVICE[kind]} ({words})", location=self.location
        )


def _write_ahead(db: sqlite3.Connection, busy_s: float) -> None:
    """Switch the log on. That step does not wait for other processes by itself, so it is repeated.

    Where the file system cannot share memory the old journal stays, which is slower and as safe.
    """
    end = time.monotonic() + busy_s
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


def _stamp(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_dev, found.st_ino
