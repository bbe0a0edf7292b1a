"""The ledger in one SQLite file, shared by every server of this user on this machine.

Write-ahead logging with `synchronous=NORMAL`: readers never wait for the writer, and a committed
transaction survives SIGKILL. A power cut or a crash of the kernel may lose the transactions that
the kernel had not written back (usually the last half minute), but never damages the file. An fsync
for each transaction would prevent that and cost every call some milliseconds.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rightmodel.core.errors import LedgerError, LedgerFault
from rightmodel.ledger.paths import make_private
from rightmodel.ledger.rows import Table, encodable
from rightmodel.ledger.schema import MIGRATIONS, Migration
from rightmodel.ledger.store import Reader, Store, ledger_error, newer_schema

if TYPE_CHECKING:
    from decimal import Decimal
    from pathlib import Path

    from rightmodel.ledger.sums import Key

_T = TypeVar("_T")
_R = TypeVar("_R", bound=tuple[Any, ...])

BUSY_S: Final = 5.0
"""How long to wait for another process that writes, before it counts as locked."""
CHECKPOINT_PAGES: Final = 1000
"""Size of the log from which a transaction ends with a checkpoint: SQLite's default."""
CHECKED_BYTES: Final = 32_000_000
"""A ledger up to this size is checked whenever it is opened (about 0.1 s); a larger one is not."""

_FAULTS: Final[Mapping[int, LedgerFault]] = {
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
    sqlite3.SQLITE_ERROR: LedgerFault.UNREACHABLE,  # no such table: another program's file
}
_CHARGED: Final = "SELECT day, model, skill, client, charged_usd FROM attempts WHERE "


class SqliteStore(Store):
    """`file`: `None` for one in memory. `careful`: check every page and index before using it.

    Raises `LedgerError` when it cannot be opened.
    """

    immediate = True

    def __init__(
        self,
        file: Path | None,
        *,
        busy_s: float = BUSY_S,
        migrations: Sequence[Migration] = MIGRATIONS,
        careful: bool = False,
    ) -> None:
        super().__init__(str(file) if file else "memory")
        self.file = file
        self._busy_s = busy_s
        self._waits = True
        self._data_version = 0
        self._identity = (0, 0)
        with self._as_ledger_error():
            if file:
                make_private(file)
                self._identity = _identity(file)
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
                _check(self._db, self.location, "integrity_check" if careful else "quick_check")
        if self._version() != len(migrations):
            self._migrate(migrations)

    def _version(self) -> int:
        with self._as_ledger_error():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            return int(version)

    def _migrate(self, migrations: Sequence[Migration]) -> None:
        with self.transaction():
            version, known = self._version(), len(migrations)  # another process may be faster
            if version > known:
                advice = ", or point RIGHTMODEL_STATE_DIR at another directory"
                raise newer_schema(self.location, version, known, advice)
            for statements in migrations[version:]:
                for statement in statements:
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version={known}")

    def sums(self) -> Mapping[Key, Decimal]:
        """See `Store`."""
        with suppress(LedgerError, sqlite3.Error):
            self._refresh("")
        return super().sums()

    def adopt(self, table: str, rows: Iterable[tuple[tuple[str, ...], tuple[object, ...]]]) -> int:
        """Copy rows (columns, values) of another ledger; those that are here stay. How many.

        Columns that this schema does not know are left out.
        """
        with self._as_ledger_error():
            known = {row[1] for row in self._db.execute(f"PRAGMA table_info({table})")}
        count = 0
        with self.transaction():
            self._fresh = False
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

    def _begin(self, *, wait: bool) -> None:
        """Raises `LedgerError` if the file was moved or replaced: open it anew."""
        if self.file and _identity(self.file) != self._identity:
            detail = "it was moved or replaced"
            raise ledger_error(LedgerFault.UNREACHABLE, self.location, detail)
        if wait != self._waits:  # a checkpoint waits for the disk
            self._waits = wait
            self._db.execute(f"PRAGMA busy_timeout={round(self._busy_s * 1000) if wait else 0}")
            self._db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES if wait else 0}")
        self._db.execute("BEGIN IMMEDIATE")
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if version != self._data_version:  # another process has written since
            self._fresh, self._held, self._data_version = False, None, version

    def _commit(self) -> None:
        self._flush()
        self._db.execute("COMMIT")

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):
            self._db.execute("ROLLBACK")

    def _query(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        with self._as_ledger_error():
            self._flush()
            yield from self._db.execute(sql, values)

    def _run(self, sql: str, *values: object) -> int:
        return self._db.execute(sql, values).rowcount

    def _insert(self, table: Table[_R], rows: Sequence[_R]) -> None:
        for statement, values in table.inserts(rows):
            try:
                self._db.execute(statement, values)
            except UnicodeEncodeError:
                self._db.execute(statement, list(map(encodable, values)))

    def _refresh(self, month: str) -> None:
        sums = self._sums
        self._flush()
        (last,) = self._db.execute("SELECT max(id) FROM attempts").fetchone()
        if last and last > sums.last:
            sums.add(self._db.execute(f"{_CHARGED} id > ? AND id <= ?", (sums.last, last)))
            sums.last = last
        self._fresh = True
        if month and not sums.has(month):
            sums.begin(month)
            between = (f"{month}-00", f"{month}-99", sums.last)
            sums.add(self._db.execute(f"{_CHARGED} day BETWEEN ? AND ? AND id <= ?", between))

    def _fault_of(self, error: Exception) -> LedgerFault | None:
        return fault_of(error)


def fault_of(error: Exception) -> LedgerFault | None:
    """What an error says about the file; `None`: nothing."""
    if isinstance(error, sqlite3.Error):
        return _FAULTS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    return LedgerFault.UNREACHABLE if isinstance(error, OSError) else None


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


def _check(db: sqlite3.Connection, location: str, check: str) -> None:
    (found,) = db.execute(f"PRAGMA {check}(1)").fetchone()
    if found != "ok":
        raise ledger_error(LedgerFault.DAMAGED, location, found)


def _identity(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_dev, found.st_ino


class SqliteReader(Reader):
    """What a ledger holds at one moment. See `reading`."""

    def __init__(self, db: sqlite3.Connection, location: str) -> None:
        self.location = location
        self._db = db

    def _query(self, sql: str, *values: object) -> Iterable[tuple[Any, ...]]:
        return self._db.execute(sql, values)


def reading(
    file: Path, question: Callable[[Reader], _T], *, busy_s: float = BUSY_S, is_checked: bool = True
) -> _T | None:
    """Read the ledger without changing it; `None` where there is none yet.

    No file is created, and no server has to wait: SQLite creates files beside a ledger that it
    opens, even for reading, so a ledger that no process has open is read as immutable, and read
    again if it changed meanwhile; one that is open has those files already. Only a ledger of an
    older version is written to: it is migrated first. The question has to exhaust its iterators,
    and may be asked again. `is_checked`: look for damage first. Raises `LedgerError`.
    """
    with _read_error(file):
        try:
            return _read(file, question, busy_s, is_checked=is_checked)
        except _OldSchemaError:
            SqliteStore(file, busy_s=busy_s).close()
            return _read(file, question, busy_s, is_checked=is_checked)


class _OldSchemaError(Exception):
    """The ledger has to be migrated before it can be read."""


def _read(
    file: Path, question: Callable[[Reader], _T], busy_s: float, *, is_checked: bool
) -> _T | None:
    before = _content(file)
    if not before:
        return None
    if not _in_use(file):
        try:
            value = _read_as(file, "immutable=1", question, busy_s, is_checked=is_checked)
        except (sqlite3.DatabaseError, LedgerError):
            if _content(file) == before and not _in_use(file):
                raise
        else:
            if _content(file) == before:
                return value
    return _read_as(file, "mode=ro", question, busy_s, is_checked=is_checked)


def _read_as(
    file: Path, mode: str, question: Callable[[Reader], _T], busy_s: float, *, is_checked: bool
) -> _T | None:
    address = f"{file.absolute().as_uri()}?{mode}"
    with closing(sqlite3.connect(address, uri=True, timeout=busy_s, isolation_level=None)) as db:
        db.execute("PRAGMA query_only=1")
        db.execute("BEGIN")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if not version:
            return None  # another process is about to create its tables
        if version > len(MIGRATIONS):
            raise newer_schema(str(file), version, len(MIGRATIONS), "")
        if version < len(MIGRATIONS):
            raise _OldSchemaError
        if is_checked and file.stat().st_size <= CHECKED_BYTES:
            _check(db, str(file), "quick_check")
        return question(SqliteReader(db, str(file)))


def _in_use(file: Path) -> bool:
    """Whether a process has the ledger open or died with it open."""
    return any(file.with_name(file.name + end).exists() for end in ("-wal", "-journal"))


def _content(file: Path) -> tuple[int, int, int] | None:
    """Changes with the file; `None` where there is nothing in it."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns) if found.st_size else None


@contextmanager
def _read_error(file: Path) -> Iterator[None]:
    """Raise errors as `LedgerError`; damage is repaired by the next server, not by a reader."""
    damaged = (
        "the next server that starts moves it aside, never deletes it, and begins a new one with "
        "the rows that can still be read"
    )
    try:
        yield
    except LedgerError as error:
        if error.fault is not LedgerFault.DAMAGED:
            raise
        raise ledger_error(LedgerFault.DAMAGED, str(file), damaged) from error
    except (sqlite3.Error, OSError) as error:
        fault = fault_of(error) or LedgerFault.UNREACHABLE
        if isinstance(error, sqlite3.InterfaceError):
            fault = LedgerFault.DAMAGED
        detail = damaged if fault is LedgerFault.DAMAGED else str(error)
        raise ledger_error(fault, str(file), detail) from error
