"""Reads the ledger without changing it: no file is created, and no server has to wait.

SQLite creates files beside a ledger that it opens, even for reading. So a ledger that no process
has open is read as immutable, and read again if it changed meanwhile; one that is open has those
files already, and under write-ahead logging its readers and its writer never wait for each other.
Only a ledger of an older version is written to: it is migrated first.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rightmodel.core.errors import LedgerError, LedgerFault
from rightmodel.ledger.records import AttemptRecord, CallRecord, Hold, OutcomeRecord
from rightmodel.ledger.rows import Table
from rightmodel.ledger.schema import MIGRATIONS
from rightmodel.ledger.sqlite import BUSY_S, CHECKED_BYTES, SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rightmodel.ledger.store import Store

_R = TypeVar("_R", bound=tuple[Any, ...])
_T = TypeVar("_T")

_ATTEMPTS: Final = Table("attempts", AttemptRecord)
_CALLS: Final = Table("calls", CallRecord)
_OUTCOMES: Final = Table("outcomes", OutcomeRecord)
_HOLDS: Final = Table("holds", Hold)

_BUSY: Final = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_BROKEN: Final = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_ADVICE: Final = {
    LedgerFault.LOCKED: "another process has been writing to it for too long: try again",
    LedgerFault.DAMAGED: "it is damaged. The next server that starts moves it aside, never deletes "
    "it, and begins a new one with the rows that can still be read",
    LedgerFault.UNREACHABLE: "it cannot be opened or read: see whether it is yours to read",
}


class Reader:
    """What a ledger holds at one moment. See `reading`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def calls(self, since: str, until: str) -> Iterator[CallRecord]:
        """Calls of the UTC days from `since` to `until`, both included, by time."""
        return self._each(_CALLS, "WHERE day BETWEEN ? AND ? ORDER BY at, id", since, until)

    def attempts(self, since: str, until: str) -> Iterator[AttemptRecord]:
        """Attempts of the UTC days from `since` to `until`, both included, as written."""
        return self._each(_ATTEMPTS, "WHERE day BETWEEN ? AND ? ORDER BY rowid", since, until)

    def outcomes(self) -> list[OutcomeRecord]:
        """Every outcome, by id."""
        return list(self._each(_OUTCOMES, "ORDER BY id"))

    def holds(self) -> list[Hold]:
        """Everything that is reserved, by processes that have ended, too."""
        return list(self._each(_HOLDS, ""))

    def days(self) -> tuple[str, str] | None:
        """The first and the last UTC day of any attempt or call; `None` for an empty ledger."""
        found = self._db.execute(
            "SELECT min(day), max(day) FROM attempts UNION ALL SELECT min(day), max(day) FROM calls"
        )
        ends = [day for row in found for day in row if day is not None]
        return (min(ends), max(ends)) if ends else None

    def _each(self, table: Table[_R], where: str, *values: str) -> Iterator[_R]:
        return table.records(self._db.execute(table.select + where, values))


class StoreReader:
    """The same over a store, which others go on writing to meanwhile."""

    def __init__(self, store: Store) -> None:
        self.calls = store.calls
        self.attempts = store.attempts
        self.holds = store.holds
        self._store = store

    def outcomes(self) -> list[OutcomeRecord]:
        """Every outcome, by id."""
        return self._store.outcomes()

    def days(self) -> tuple[str, str] | None:
        """The UTC days of the first call and the last attempt; `None` where there are none."""
        first = next(self._store.calls("0000", "9999"), None)
        last = self._store.recent_attempts(1)
        return (first.day, last[0].day) if first and last else None


def reading(file: Path, question: Callable[[Reader], _T], *, busy_s: float = BUSY_S) -> _T | None:
    """The answer to a question, from one state of the ledger; `None` where there is none yet.

    The question has to exhaust its iterators, and may be asked again. Raises `LedgerError`.
    """
    with _as_ledger_error(file):
        try:
            return _read(file, question, busy_s)
        except _OldSchemaError:
            SqliteStore(file, busy_s=busy_s).close()
            return _read(file, question, busy_s)


class _OldSchemaError(Exception):
    """The ledger has to be migrated before it can be read."""


def _read(file: Path, question: Callable[[Reader], _T], busy_s: float) -> _T | None:
    before = _stamp(file)
    if not before:
        return None
    if not _beside(file):
        try:
            value = _asked(file, "immutable=1", question, busy_s)
        except (sqlite3.DatabaseError, LedgerError):
            if _stamp(file) == before and not _beside(file):
                raise
        else:
            if _stamp(file) == before:
                return value
    return _asked(file, "mode=ro", question, busy_s)


def _asked(file: Path, how: str, question: Callable[[Reader], _T], busy_s: float) -> _T | None:
    address = f"{file.absolute().as_uri()}?{how}"
    with closing(sqlite3.connect(address, uri=True, timeout=busy_s, isolation_level=None)) as db:
        db.execute("PRAGMA query_only=1")
        db.execute("BEGIN")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if not version:
            return None  # another process is about to create its tables
        if version > len(MIGRATIONS):
            raise _newer(file, version)
        if version < len(MIGRATIONS):
            raise _OldSchemaError
        if file.stat().st_size <= CHECKED_BYTES:
            (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise _error(file, LedgerFault.DAMAGED, found)
        return question(Reader(db))


def _beside(file: Path) -> bool:
    """Whether a process has the ledger open or died with it open."""
    return any(file.with_name(file.name + end).exists() for end in ("-wal", "-journal"))


def _stamp(file: Path) -> tuple[int, int, int] | None:
    """Tells apart what the file was and is; `None` where there is nothing in it."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if found.st_size else None


@contextmanager
def _as_ledger_error(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        kind = LedgerFault.UNREACHABLE
        if code in _BUSY:
            kind = LedgerFault.LOCKED
        elif code in _BROKEN or isinstance(error, sqlite3.InterfaceError):
            kind = LedgerFault.DAMAGED
        raise _error(file, kind, str(error)) from error
    except OSError as error:
        raise _error(file, LedgerFault.UNREACHABLE, str(error)) from error


def _error(file: Path, kind: LedgerFault, words: str) -> LedgerError:
    return LedgerError(kind, f"the ledger {file}: {_ADVICE[kind]} ({words})", location=str(file))


def _newer(file: Path, version: int) -> LedgerError:
    return LedgerError(
        LedgerFault.NEWER,
        f"a newer rightmodel wrote the ledger {file} (schema {version}, this one knows "
        f"{len(MIGRATIONS)}): upgrade rightmodel",
        location=str(file),
    )
