"""Opens the ledger's file even if it is damaged: it is moved aside, and a new one is created.

Every row of the damaged file that can still be read is copied, so that budgets keep what was spent.
The damaged file is never deleted.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import LedgerError, LedgerFault
from rightmodel.ledger.schema import SALVAGED
from rightmodel.ledger.sqlite import BUSY_S, SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

_BESIDE: Final = ("", "-wal", "-shm")
_NUMBERED: Final = ("attempts", "outcomes")
"""Tables whose ids may have been reused in the meantime."""


class SqliteOpener:
    """Opens the store as often as needed. `clock`: seconds since 1970, to name damaged files."""

    def __init__(self, file: Path, clock: Callable[[], float], *, busy_s: float = BUSY_S) -> None:
        self._file = file
        self._clock = clock
        self._busy_s = busy_s

    def __call__(self, after: LedgerError | None = None) -> SqliteStore:
        """A store that works. `after`: the last one's error. Raises `LedgerError`."""
        careful = after is not None and after.fault is LedgerFault.DAMAGED
        try:
            return SqliteStore(self._file, busy_s=self._busy_s, careful=careful)
        except LedgerError as error:
            if error.fault is not LedgerFault.DAMAGED:
                raise
        return self._start_over()

    def _start_over(self) -> SqliteStore:
        with _alone(self._file):
            try:  # another process may have been first
                return SqliteStore(self._file, busy_s=self._busy_s, careful=True)
            except LedgerError as error:
                if error.fault is not LedgerFault.DAMAGED:
                    raise
            aside = self._move_aside()
            store = SqliteStore(self._file, busy_s=self._busy_s)
        count = _salvage(aside, store)
        store.notice = (
            f"the ledger {self._file} was damaged: it was moved to {aside.name} and a new one "
            f"created with the {count:,} rows that could still be read"
        )
        return store

    def _move_aside(self) -> Path:
        now = datetime.fromtimestamp(self._clock(), UTC)
        name = f"{self._file.name}.damaged-{now:%Y%m%dT%H%M%SZ}"
        aside, number = self._file.with_name(name), 1
        while aside.exists():
            number += 1
            aside = self._file.with_name(f"{name}-{number}")
        try:
            for end in _BESIDE:
                with suppress(FileNotFoundError):
                    self._file.with_name(self._file.name + end).rename(f"{aside}{end}")
        except OSError as error:
            raise _not_movable(self._file, error) from error
        return aside


def _not_movable(file: Path, error: OSError) -> LedgerError:
    return LedgerError(
        LedgerFault.DAMAGED,
        f"the ledger {file} is damaged and cannot be moved aside: {error}",
        location=str(file),
    )


def _salvage(aside: Path, store: SqliteStore) -> int:
    """Copy the rows that can be read, from both ends up to the damage; how many."""
    count = 0
    with suppress(sqlite3.Error), closing(sqlite3.connect(aside)) as old:
        for table in SALVAGED:
            count += store.adopt(table, _readable(old, table, "ASC"))
            behind = list(_readable(old, table, "DESC"))
            count += store.adopt(table, reversed(behind))
    return count


def _readable(
    old: sqlite3.Connection, table: str, order: str
) -> Iterator[tuple[tuple[str, ...], tuple[object, ...]]]:
    with suppress(sqlite3.Error):
        cursor = old.execute(f"SELECT * FROM {table} ORDER BY rowid {order}")  # noqa: S608 - our own names
        names = tuple(column[0] for column in cursor.description)
        skip = names.index("id") if table in _NUMBERED else None
        for row in cursor:
            if skip is None:
                yield names, row
            else:
                yield (*names[:skip], *names[skip + 1 :]), (*row[:skip], *row[skip + 1 :])


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """One process at a time moves the file; where there is no `flock`, an open one cannot be."""
    try:
        import fcntl  # noqa: PLC0415 - not on every platform
    except ImportError:
        yield
        return
    with ExitStack() as stack:
        try:
            lock = os.open(file.with_name(f"{file.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
            stack.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            raise _not_movable(file, error) from error
        yield
