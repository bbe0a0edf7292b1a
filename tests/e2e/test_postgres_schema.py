"""Migrations of the ledger in PostgreSQL, and what its users may do there."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from e2e.postgres_server import PASSWORD
from ledger.rows import DAY, NOON, attempt, call, outcome
from rightmodel.core.errors import LedgerError, LedgerFault
from rightmodel.ledger.postgres import PostgresStore
from rightmodel.ledger.postgres_opener import open_postgres
from rightmodel.ledger.reservations import charge_interrupted
from rightmodel.ledger.schema import POSTGRES
from rightmodel.ledger.sums import Key

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from e2e.postgres_server import PostgresServer
    from rightmodel.ledger.schema import Migration
    from rightmodel.ledger.store import Store

pytestmark = pytest.mark.e2e

ROOT: Final = Path(__file__).parents[2]
SCHEMA_0_1_0: Final = Path(__file__).parents[1] / "ledger" / "schema_0_1_0.postgres.sql"
FORMER_INSERT: Final = (
    "INSERT INTO rightmodel.attempts (call, number, at, day, role, provider, model, name, skill, "
    "served, fault, status, input, cached, cache_writes, output, reasoning, cost_usd, cost_kind, "
    "charged_usd, time_s, first_token_s, expected_output, client) VALUES (11, 1, "
    f"{NOON}, '{DAY}', 'answer', 'p', 'p/m', 'm', 'code', '', '', 200, 1, 0, 0, 1, 0, 0.4, "
    "'billed', 0.4, 1, 1, 1, 'mcp')"
)
FORMER_COLUMNS: Final = (
    "id, owner, pid, started, expires, day, model, skill, usd, call, number, name, client",
    "id, ref, at, day, task, skills, difficulty, source, confidence, tier, rule, reason, model",
)
"""What the version with two migrations writes and reads."""
MEMBER: Final = re.compile(r"^    (GRANT .*);$", re.MULTILINE)
"""What docs/team.md grants."""


def test_a_ledger_of_0_1_0_is_migrated_with_its_rows(server: PostgresServer) -> None:
    server.ask("DROP SCHEMA IF EXISTS rightmodel CASCADE")
    with psycopg.connect(server.url, autocommit=True) as db:
        db.execute(SCHEMA_0_1_0.read_text(encoding="utf-8").encode())
    server.ask(
        "INSERT INTO rightmodel.attempts (call, number, at, day, role, provider, model, name, "
        "skill, served, fault, status, cost_usd, cost_kind, charged_usd, time_s) VALUES "
        f"(11, 1, {NOON}, '{DAY}', 'answer', 'p', 'p/m', 'm', 'code', '', '', 200, 0.02, 'billed', "
        "0.02, 1.5)"
    )
    server.ask(
        f"INSERT INTO rightmodel.holds VALUES (5, 'elsewhere', 7, '', {NOON - 60}, '{DAY}', "
        "'p/m', 'code', 0.40)"
    )
    store = open_postgres(server.url)()
    with store.transaction():
        store.add(attempt("0.10", client="alice"))
        assert charge_interrupted(store, now=NOON) == 1
    assert store.charged(Key(DAY)) == Decimal("0.52")
    assert [row.client for row in store.attempts(DAY, DAY)] == ["", "alice", ""]
    store.close()


def test_a_server_of_the_former_version_goes_on_writing_and_reading(server: PostgresServer) -> None:
    PostgresStore(conninfo_to_dict(server.url), "here", migrations=POSTGRES[:2]).close()
    with psycopg.connect(server.url, autocommit=True) as former:
        new = open_postgres(server.url)()
        with new.transaction():
            new.add(attempt("0.20", client="alice", session="5e55"))
        former.execute(FORMER_INSERT)
        for table, columns in zip(("holds", "calls"), FORMER_COLUMNS, strict=True):
            former.execute(f"SELECT {columns} FROM rightmodel.{table}".encode()).fetchall()
        with new.transaction():
            assert new.charged(Key(DAY)) == Decimal("0.60")
            assert new.charged(Key(DAY, client="alice")) == Decimal("0.20")
        rows = list(new.attempts(DAY, DAY))
        assert [(row.client, row.session) for row in rows] == [("alice", "5e55"), ("mcp", "")]
        new.close()


def later(*statements: str) -> tuple[Migration, ...]:
    return (*POSTGRES, statements)


def migrated(server: PostgresServer, migrations: Sequence[Migration]) -> PostgresStore:
    return PostgresStore(conninfo_to_dict(server.url), "here", migrations=migrations)


def test_each_migration_runs_once_and_keeps_what_is_there(
    server: PostgresServer, store: Store
) -> None:
    with store.transaction():
        store.add(call())
    for _ in range(2):
        newer = migrated(server, later("ALTER TABLE rightmodel.calls ADD COLUMN team TEXT"))
        assert len(list(newer.calls(DAY, DAY))) == 1
        newer.close()
    assert server.ask("SELECT number FROM rightmodel.version") == [
        (number,) for number in range(1, len(POSTGRES) + 2)
    ]


def test_a_failed_migration_changes_nothing(server: PostgresServer, store: Store) -> None:
    add = "ALTER TABLE rightmodel.calls ADD COLUMN team TEXT"
    with pytest.raises(LedgerError):
        migrated(server, later(add, "CREATE TABLE rightmodel.calls (id BIGINT)"))
    assert server.ask("SELECT max(number) FROM rightmodel.version") == [(len(POSTGRES),)]
    migrated(server, later(add)).close()


def test_a_newer_schema_is_left_alone(
    server: PostgresServer, store: Store, opened: Callable[[], Store]
) -> None:
    migrated(server, later("CREATE TABLE rightmodel.later (id BIGINT)")).close()
    with pytest.raises(LedgerError, match=r"newer rightmodel.*upgrade") as caught:
        opened()
    assert caught.value.fault is LedgerFault.NEWER


def test_a_user_who_may_only_write_rows_can_use_what_another_made(
    server: PostgresServer, store: Store
) -> None:
    server.ask("DROP ROLE IF EXISTS member")
    server.ask("CREATE ROLE member LOGIN PASSWORD 'm'")
    url = server.url.replace(f"team:{PASSWORD}", "member:m")
    with pytest.raises(LedgerError, match=r"may not be written.*permission denied") as caught:
        open_postgres(url)()
    assert caught.value.fault is LedgerFault.READ_ONLY
    for statement in MEMBER.findall((ROOT / "docs" / "team.md").read_text()):
        server.ask(statement)
    member = open_postgres(url)()
    with member.transaction():
        member.add(attempt("0.5"))
        member.add(outcome())
        member.drop_hold(1)
    assert store.charged(Key(DAY)) == Decimal("0.5")
    member.close()
    server.ask("DROP OWNED BY member")


def test_a_database_that_may_only_be_read_is_reported(
    server: PostgresServer, store: Store, opened: Callable[[], Store]
) -> None:
    server.ask("ALTER DATABASE postgres SET default_transaction_read_only = on")
    try:
        reader = opened()
    finally:
        with psycopg.connect(server.url, options="-c default_transaction_read_only=off") as db:
            db.execute("ALTER DATABASE postgres RESET default_transaction_read_only")
    with pytest.raises(LedgerError) as caught, reader.transaction():
        reader.add(attempt())
    assert caught.value.fault is LedgerFault.READ_ONLY
    assert list(reader.attempts(DAY, DAY)) == []
