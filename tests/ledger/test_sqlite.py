from __future__ import annotations

import sqlite3
import stat
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from ledger.contract import StoreContract
from ledger.rows import DAY, NOON, attempt, call, outcome
from rightmodel.core.errors import LedgerError, LedgerFault
from rightmodel.ledger.paths import ledger_file
from rightmodel.ledger.records import Cooldown
from rightmodel.ledger.recovery import SqliteOpener
from rightmodel.ledger.schema import MIGRATIONS
from rightmodel.ledger.sqlite import SqliteStore
from rightmodel.ledger.sums import Key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def opened(self, file: Path) -> Iterator[Callable[[], SqliteStore]]:
        stores: list[SqliteStore] = []

        def open_one() -> SqliteStore:
            stores.append(SqliteStore(file))
            return stores[-1]

        yield open_one
        for store in stores:
            store.close()


def filled(file: Path, count: int = 3) -> None:
    store = SqliteStore(file)
    with store.transaction():
        for _ in range(count):
            store.add(attempt("0.1"))
            store.add(call())
            store.add(outcome())
    store.close()


def opener(file: Path) -> SqliteOpener:
    return SqliteOpener(file, lambda: NOON)


def test_only_its_owner_may_read_it(file: Path) -> None:
    store = SqliteStore(file)
    with store.transaction():
        store.add(attempt())
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in file.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert len(modes) == 3
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    store.close()
    assert [p.name for p in file.parent.iterdir()] == ["ledger.sqlite3"]
    file.chmod(0o644)
    SqliteStore(file).close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_state_directory_is_the_users_or_the_platforms(tmp_path: Path) -> None:
    named = ledger_file({"RIGHTMODEL_STATE_DIR": str(tmp_path), "XDG_STATE_HOME": "/elsewhere"})
    assert named == tmp_path / "ledger.sqlite3"
    unfilled = {"RIGHTMODEL_STATE_DIR": "${STATE}", "XDG_STATE_HOME": str(tmp_path)}
    assert ledger_file(unfilled) == tmp_path / "rightmodel" / "ledger.sqlite3"


def test_committed_rows_survive_a_killed_process_without_an_fsync_for_each(file: Path) -> None:
    store = SqliteStore(file)
    assert store._db.execute("PRAGMA synchronous").fetchone() == (1,)  # NORMAL
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_writing_outside_a_transaction_is_a_mistake(file: Path) -> None:
    store = SqliteStore(file)
    with pytest.raises(RuntimeError, match="inside a transaction"):
        store.add(attempt())
    store.close()


def test_each_migration_runs_once_and_keeps_what_is_there(file: Path) -> None:
    filled(file)
    newer = (*MIGRATIONS, ("ALTER TABLE calls ADD COLUMN team TEXT NOT NULL DEFAULT ''",))
    for _ in range(2):
        store = SqliteStore(file, migrations=newer)
        assert store._db.execute("PRAGMA user_version").fetchone() == (len(newer),)
        assert store._db.execute("SELECT count(*), max(team) FROM calls").fetchone() == (3, "")
        assert len(list(store.calls(DAY, DAY))) == 3
        store.close()


def test_a_failed_migration_changes_nothing(file: Path) -> None:
    filled(file)
    broken = (*MIGRATIONS, ("ALTER TABLE calls ADD COLUMN team TEXT", "CREATE TABLE calls (id)"))
    with pytest.raises(LedgerError):
        SqliteStore(file, migrations=broken)
    store = SqliteStore(file)
    assert len(list(store.calls(DAY, DAY))) == 3
    store.close()


def test_a_newer_schema_is_left_alone(file: Path) -> None:
    filled(file)
    SqliteStore(file, migrations=(*MIGRATIONS, ("CREATE TABLE later (id)",))).close()
    before = file.read_bytes()
    with pytest.raises(LedgerError, match=r"newer rightmodel.*upgrade") as caught:
        opener(file)()
    assert caught.value.fault is LedgerFault.NEWER
    assert not caught.value.retryable
    assert file.read_bytes() == before


def test_a_file_that_is_no_database_is_moved_aside(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"my diary\n" * 1000)
    store = opener(file)()
    assert "moved to ledger.sqlite3.damaged-20261120T120000Z" in store.notice
    aside = file.with_name("ledger.sqlite3.damaged-20261120T120000Z")
    assert aside.read_bytes() == b"my diary\n" * 1000
    with store.transaction():
        store.add(attempt())
    store.close()
    again = opener(file)()
    assert again.notice == ""
    again.close()


def test_rows_before_and_behind_the_damage_are_carried_over(file: Path) -> None:
    filled(file, 400)
    whole = file.read_bytes()
    database = sqlite3.connect(file)
    pages = (
        [
            row[0]
            for row in database.execute("SELECT pageno FROM dbstat WHERE name = 'attempts'")
            if row[0] > 2
        ]
        if _has_dbstat(database)
        else [20]
    )
    database.close()
    page = pages[len(pages) // 2]
    size = int.from_bytes(whole[16:18], "big")
    file.write_bytes(whole[: (page - 1) * size] + b"\xff" * size + whole[page * size :])
    store = opener(file)()
    assert "rows that could still be read" in store.notice
    kept = list(store.attempts(DAY, DAY))
    assert 300 < len(kept) < 400
    assert store.charged(Key(DAY)) == Decimal("0.1") * len(kept)
    assert len(store.outcomes()) == 400
    store.close()


def _has_dbstat(database: sqlite3.Connection) -> bool:
    options = {row[0] for row in database.execute("PRAGMA compile_options")}
    return "ENABLE_DBSTAT_VTAB" in options


def test_a_torn_file_is_moved_aside(file: Path) -> None:
    filled(file, 400)
    file.write_bytes(file.read_bytes()[: 9 * 4096 + 100])
    store = opener(file)()
    assert "damaged" in store.notice
    store.close()


def test_a_torn_log_loses_only_what_was_not_committed(file: Path) -> None:
    store = SqliteStore(file)
    for _ in range(3):
        with store.transaction():
            store.add(attempt())
    log = file.with_name(file.name + "-wal").read_bytes()
    main = file.read_bytes()
    store.close()
    file.write_bytes(main)
    file.with_name(file.name + "-wal").write_bytes(log[:-2000])
    store = opener(file)()
    assert store.notice == ""
    assert len(list(store.attempts(DAY, DAY))) == 2
    store.close()


def test_a_lock_that_cannot_be_acquired_is_reported(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"no database" * 1000)
    file.with_name(f"{file.name}.lock").mkdir()
    with pytest.raises(LedgerError, match="cannot be moved aside"):
        SqliteOpener(file, lambda: NOON)()


@pytest.mark.parametrize("what", ["fcntl.flock", "pathlib.Path.rename"])
def test_damage_in_a_read_only_directory_is_reported(
    file: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    file.parent.mkdir()
    file.write_bytes(b"no database" * 1000)

    def refused(*_: object) -> None:
        raise PermissionError("not yours")

    monkeypatch.setattr(what, refused)
    with pytest.raises(LedgerError, match="cannot be moved aside: not yours") as caught:
        opener(file)()
    assert caught.value.fault is LedgerFault.DAMAGED


@pytest.mark.parametrize(
    "spoil",
    [
        "UPDATE attempts SET time_s = 'soon'",
        "UPDATE attempts SET output = 'many'",
        "UPDATE outcomes SET difficulty = 'hard'",
        "UPDATE outcomes SET skills = '[1]'",
        """UPDATE outcomes SET skills = '{"code": 1e200}'""",
        "UPDATE cooldowns SET until = 'later'",
    ],
)
def test_a_row_with_an_invalid_cell_is_skipped(file: Path, spoil: str) -> None:
    store = SqliteStore(file)
    rows = (attempt(number=1, output=5), attempt(number=2, output=5))
    outcomes, keys = (outcome(model="p/1"), outcome(model="p/2")), ("1", "2")
    with store.transaction():
        for row, said, key in zip(rows, outcomes, keys, strict=True):
            store.add(row)
            store.add(said)
            store.add(Cooldown(key, NOON + 60, "auth_failed"))
        table = spoil.split()[1]
        store._flush()
        store._db.execute(f"{spoil} WHERE rowid = 1")
    found = {
        "attempts": [str(a.number) for a in store.recent_attempts(9)],
        "outcomes": [o.model.removeprefix("p/") for o in store.outcomes()],
        "cooldowns": [c.key for c in store.cooldowns(NOON)],
    }
    store.close()
    assert found.pop(table) == ["2"]
    assert set(map(tuple, found.values())) == {("1", "2")}


def test_an_existing_directory_keeps_its_mode(file: Path) -> None:
    file.mkdir(parents=True)
    file.chmod(0o755)
    with pytest.raises(LedgerError):
        SqliteStore(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o755


def test_two_that_find_the_damage_move_it_once(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"\0" * 16 + b"x" * 5000)
    first, second = opener(file)(), opener(file)(LedgerError(LedgerFault.DAMAGED, ""))
    assert first.notice
    assert not second.notice
    assert len([p for p in file.parent.iterdir() if "damaged" in p.name]) == 1
    first.close()
    second.close()


def test_a_file_that_was_replaced_is_noticed(file: Path) -> None:
    store = SqliteStore(file)
    file.rename(file.with_name("elsewhere"))
    with pytest.raises(LedgerError), store.transaction():
        store.add(attempt())
    SqliteStore(file).close()
    with pytest.raises(LedgerError, match="moved or replaced"), store.transaction():
        store.add(attempt())
    store.close()


def test_a_directory_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file in the place of the directory")
    with pytest.raises(LedgerError, match="cannot be reached or opened") as caught:
        opener(tmp_path / "state" / "ledger.sqlite3")()
    assert caught.value.fault is LedgerFault.UNREACHABLE


def test_a_full_disk_is_reported_and_leaves_what_was_there(file: Path) -> None:
    filled(file)
    store = SqliteStore(file)
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count={pages}")

    def fill() -> None:
        with store.transaction():
            for _ in range(1000):
                store.add(attempt())

    with pytest.raises(LedgerError) as caught:
        fill()
    assert caught.value.fault is LedgerFault.FULL
    assert caught.value.flag == "ledger=disk_full"
    assert len(list(store.attempts(DAY, DAY))) == 3
    store.close()


def test_a_writer_that_takes_too_long_is_reported(file: Path) -> None:
    store = SqliteStore(file, busy_s=0.05)
    other = SqliteStore(file)
    with other.transaction(), pytest.raises(LedgerError) as caught, store.transaction():
        raise AssertionError
    assert caught.value.fault is LedgerFault.LOCKED
    with store.transaction():
        store.add(attempt())
    store.close()
    other.close()


def test_text_of_money_has_no_exponent(file: Path) -> None:
    store = SqliteStore(file)
    with store.transaction():
        store.add(attempt("1E-9"))
    assert store._db.execute("SELECT cost_usd FROM attempts").fetchone() == ("0.000000001",)
    store.close()
