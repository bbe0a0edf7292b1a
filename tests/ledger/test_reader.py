from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from ledger.rows import DAY, attempt, call, outcome
from rightmodel.core.errors import LedgerError, LedgerFault
from rightmodel.ledger.sqlite import SqliteStore, reading

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.ledger.store import Reader


def write_ledger(file: Path, *, keep_open: bool = False) -> SqliteStore:
    store = SqliteStore(file)
    with store.transaction():
        store.add(attempt("0.01", call=7, number=1))
        store.add(call(id=7, cost_usd=Decimal("0.01")))
        store.add(outcome(call=7))
    if not keep_open:
        store.close()
    return store


def everything(reader: Reader) -> tuple[int, int, int, int]:
    return (
        len(list(reader.calls(DAY, DAY))),
        len(list(reader.attempts(DAY, DAY))),
        len(list(reader.outcomes())),
        len(reader.holds()),
    )


def file_states(folder: Path) -> dict[str, tuple[int, int]]:
    return {p.name: (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.iterdir()}


def test_a_ledger_that_is_closed_is_read_and_nothing_beside_it_is_made(tmp_path: Path) -> None:
    file = tmp_path / "ledger?#%41.sqlite3"
    write_ledger(file)
    before = file_states(tmp_path)
    assert reading(file, everything) == (1, 1, 1, 0)
    assert file_states(tmp_path) == before
    assert [*before] == [file.name]


def test_a_ledger_that_is_open_is_read_with_what_is_only_in_its_log(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    store = write_ledger(file, keep_open=True)
    before = file_states(tmp_path)
    assert reading(file, everything) == (1, 1, 1, 0)
    assert {*file_states(tmp_path)} == {*before}
    store.close()


def test_a_ledger_whose_process_died_is_read_and_left_as_it_is(tmp_path: Path) -> None:
    living, dead = tmp_path / "living", tmp_path / "dead"
    living.mkdir()
    store = write_ledger(living / "ledger.sqlite3", keep_open=True)
    shutil.copytree(living, dead)
    store.close()
    file = dead / "ledger.sqlite3"
    log = file.with_name(file.name + "-wal").read_bytes()
    assert log
    assert reading(file, everything) == (1, 1, 1, 0)
    assert file.with_name(file.name + "-wal").read_bytes() == log


def test_while_it_is_read_another_may_write(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    store = write_ledger(file, keep_open=True)

    def question(reader: Reader) -> tuple[int, int]:
        before = everything(reader)[1]
        with store.transaction():
            store.add(attempt("0.02"))
        return before, everything(reader)[1]

    assert reading(file, question) == (1, 1)
    assert reading(file, everything) == (1, 2, 1, 0)
    store.close()


def test_what_is_opened_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    write_ledger(file)
    found: list[int] = []

    def question(reader: Reader) -> int:
        found.append(everything(reader)[1])
        if len(found) == 1:
            store = SqliteStore(file)
            with store.transaction():
                store.add(attempt("0.02"))
            store.close()  # the file itself has changed
        return found[-1]

    assert reading(file, question) == 2
    assert found == [1, 2]


@pytest.mark.parametrize("begun", [False, True])
def test_no_ledger_is_no_error_and_none_is_made(tmp_path: Path, begun: bool) -> None:
    file = tmp_path / "state" / "ledger.sqlite3"
    if begun:  # as another process leaves it for a moment when it makes one
        file.parent.mkdir()
        file.touch()
    assert reading(file, everything) is None
    assert file.exists() is begun


def reading_error(file: Path) -> LedgerError:
    with pytest.raises(LedgerError) as caught:
        reading(file, everything, busy_s=0.01)
    assert str(file) in str(caught.value)
    return caught.value


def test_damage_is_reported_and_left_to_the_server_to_repair(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    write_ledger(file)
    whole = file.read_bytes()
    file.write_bytes(b"this is no database at all" * 100)
    assert reading_error(file).fault is LedgerFault.DAMAGED
    torn = bytearray(whole)
    torn[5000:9000] = b"\xa5" * 4000
    file.write_bytes(torn)
    found = reading_error(file)
    assert found.fault is LedgerFault.DAMAGED
    assert "moves it aside" in str(found)
    assert [p.name for p in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize(
    ("column", "value"), [("cost_usd", "a lot"), ("saved_usd", "NaN"), ("saved_usd", "")]
)
def test_an_invalid_amount_is_unknown(tmp_path: Path, column: str, value: str) -> None:
    file = tmp_path / "ledger.sqlite3"
    write_ledger(file)
    before = reading(file, lambda reader: len(list(reader.calls("0000", "9999"))))
    with closing(sqlite3.connect(file)) as db, db:
        db.execute(f"UPDATE calls SET {column} = ?", (value,))
    calls = reading(file, lambda reader: list(reader.calls("0000", "9999")))
    assert calls is not None
    assert len(calls) == before
    assert {getattr(call, column) for call in calls} == {None}


def test_a_row_that_cannot_be_read_is_skipped_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "ledger.sqlite3"
    write_ledger(file)
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("UPDATE calls SET skills = '{'")
    assert reading(file, lambda reader: list(reader.calls("0000", "9999"))) == []
    assert "skipped an invalid row" in caplog.text


def test_another_schema_is_not_guessed_at(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    write_ledger(file)
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("PRAGMA user_version=999")
    found = reading_error(file)
    assert found.fault is LedgerFault.NEWER
    assert "upgrade" in str(found)


def test_what_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite3").mkdir()
    assert reading_error(tmp_path / "ledger.sqlite3").fault is LedgerFault.UNREACHABLE
    (tmp_path / "file").write_text("x")
    assert reading_error(tmp_path / "file" / "ledger.sqlite3").fault is LedgerFault.UNREACHABLE


def test_a_ledger_locked_for_long_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    write_ledger(file)
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        db.execute("DELETE FROM calls")
        assert reading_error(file).fault is LedgerFault.LOCKED


def test_the_ends_of_the_ledger(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    store = SqliteStore(file)
    assert reading(file, lambda reader: reader.days()) is None
    with store.transaction():
        store.add(attempt(day="2026-11-19"))
        store.add(call())
    store.close()
    assert reading(file, lambda reader: reader.days()) == ("2026-11-19", DAY)
