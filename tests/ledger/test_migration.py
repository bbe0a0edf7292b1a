"""A ledger that version 0.1.0 wrote is brought up to date and goes on with what was spent."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from ledger.harness import PER_DAY
from ledger.rows import DAY, NOON, attempt, call
from rightmodel.ledger.budget import limit_states
from rightmodel.ledger.records import Texts
from rightmodel.ledger.reservations import charge_interrupted
from rightmodel.ledger.sqlite import SqliteStore, reading

SCHEMA = Path(__file__).with_name("schema_0_1_0.sqlite.sql")
ROWS = f"""
INSERT INTO calls VALUES (11, 'k3f9', {NOON}, '{DAY}', '00ff', '{{"code":1.0}}', 5.5, 'learned',
    0.9, 'balanced', '', 'why', 'p/m', 'answered', '', '0.02', 'p/big', '0.05', '0.03', 2.5);
INSERT INTO attempts VALUES (1, 11, 1, {NOON}, '{DAY}', 'answer', 'p', 'p/m', 'm', 'code', '', '',
    200, 100, 0, 0, 20, 0, '0.02', 'billed', '0.02', 2.0, 0.5, 30);
INSERT INTO outcomes VALUES
    (1, 11, {NOON}, 'p/m', '{{"code":1.0}}', 5.5, 1.0, 'reported', '00ff', '');
INSERT INTO holds VALUES (5, 'elsewhere', 7, '', {NOON - 60}, '{DAY}', 'p/m', 'code', '0.40');
INSERT INTO texts VALUES (11, 'prompt', 'answer', '[]');
"""


def of_0_1_0(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as db:
        db.executescript(SCHEMA.read_text(encoding="utf-8") + ROWS)
    return file


def test_the_schema_of_0_1_0_is_still_the_first_migration(tmp_path: Path) -> None:
    frozen, current = of_0_1_0(tmp_path / "old.sqlite3"), tmp_path / "new.sqlite3"
    SqliteStore(frozen).close()
    SqliteStore(current).close()

    def columns(file: Path) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(file)) as db:
            names = [
                n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            ]
            return [(n, *c) for n in sorted(names) for c in db.execute(f"PRAGMA table_info({n})")]

    assert columns(frozen) == columns(current)


def test_an_old_ledger_keeps_its_rows_and_takes_new_ones(file: Path) -> None:
    store = SqliteStore(of_0_1_0(file))
    (old,) = store.calls(DAY, DAY)
    assert (old.id, old.saved_usd, old.client) == (11, Decimal("0.03"), "")
    assert [a.client for a in store.attempts(DAY, DAY)] == [""]
    assert (old.session, old.kind, old.host, old.user_name) == ("", "", "", "")
    assert [o.good for o in store.outcomes()] == [1.0]
    assert store.find_texts(11) == Texts(11, "prompt", "answer")
    with store.transaction():
        store.add(call(client="alice"))
        store.add(attempt("0.10", client="alice"))
        assert charge_interrupted(store, now=NOON) == 1
    (standing,) = limit_states(PER_DAY.limits, store.charged, store.holds(), now=NOON)
    assert standing.spent_usd == Decimal("0.52")
    assert [a.call for a in store.attempts(DAY, DAY)][-1] == 5  # the reservation's own id
    store.close()


def test_an_old_ledger_is_read_without_starting_a_server(file: Path) -> None:
    rows = reading(of_0_1_0(file), lambda reader: list(reader.attempts(DAY, DAY)))
    assert rows is not None
    assert [row.cost_usd for row in rows] == [Decimal("0.02")]
