"""The second store against a real PostgreSQL: the contract, a crowd, and what can go wrong."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import traceback
from collections import deque
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from e2e.postgres_server import PASSWORD, postgres
from ledger.contract import StoreContract
from ledger.rows import DAY, NOON, attempt, call, outcome
from rightmodel.core.errors import BudgetError, LedgerError, LedgerFault
from rightmodel.ledger.budget import Limit, Limits
from rightmodel.ledger.postgres import PostgresStore
from rightmodel.ledger.postgres_opener import open_postgres
from rightmodel.ledger.records import HoldRequest, Origin, Owner, settling
from rightmodel.ledger.reservations import charge_interrupted, reserve, this_process, write
from rightmodel.ledger.schema import POSTGRES
from rightmodel.ledger.sums import Key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from e2e.postgres_server import PostgresServer
    from rightmodel.ledger.schema import Migration
    from rightmodel.ledger.store import Store

pytestmark = pytest.mark.e2e

ROOT: Final = Path(__file__).parents[2]
WITHIN_S: Final = 50
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


@pytest.fixture(scope="module")
def running() -> Iterator[PostgresServer]:
    with postgres() as server:
        yield server


@pytest.fixture
def server(running: PostgresServer) -> PostgresServer:
    """With nothing in its database."""
    running.ask("DROP SCHEMA IF EXISTS rightmodel CASCADE")
    return running


@pytest.fixture
def opened(server: PostgresServer) -> Iterator[Callable[[], Store]]:
    opener, stores = open_postgres(server.url), []

    def open_one() -> Store:
        stores.append(opener())
        return stores[-1]

    yield open_one
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[[], Store]) -> Store:
    return opened()


class TestPostgresStore(StoreContract):
    schema = "rightmodel."

    @pytest.fixture
    def opened(self, opened: Callable[[], Store]) -> Callable[[], Store]:
        return opened


class Client(subprocess.Popen[str]):
    """`postgres_client.py`, and what it said. What is not heard holds it up: a pipe is short."""

    def __init__(self, url: str, count: int, limit: str, seed: int) -> None:
        script = str(Path(__file__).with_name("postgres_client.py"))
        command = [sys.executable, script, url, str(count), limit, str(seed)]
        super().__init__(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said: list[dict[str, Any]] = []

    def lines(self) -> Iterator[dict[str, Any]]:
        """What it says, to its end; a line that a kill cut off is none."""
        assert self.stdout is not None
        for line in self.stdout:
            if line.endswith("\n"):
                self.said.append(json.loads(line))
                yield self.said[-1]

    def wait_for(self, count: int, *, safe: bool = True) -> None:
        """Until it has said of so many more calls that they are safe, or that they are not yet."""
        wanted = (line for line in self.lines() if line.get("safe") is safe)
        assert len(list(islice(wanted, count))) == count

    def end(self) -> int:
        """End it and read the rest; returns its exit code."""
        assert self.stdin is not None
        assert self.stdout is not None
        self.stdin.close()
        with self.stdout:
            deque(self.lines(), maxlen=0)
        return self.wait(WITHIN_S)


def spent(said: list[dict[str, Any]], *, safe: bool = True) -> dict[int, Decimal]:
    return {
        line["call"]: Decimal(line["spent"])
        for line in said
        if "call" in line and (line["safe"] or not safe)
    }


def written(store: Store) -> dict[int, Decimal]:
    return {row.call: row.charged_usd or Decimal(0) for row in store.attempts(DAY, DAY)}


@pytest.mark.parametrize("limit", ["4.00", "1000"])
def test_eight_processes_spend_one_budget_to_its_end_and_no_further(
    server: PostgresServer, opened: Callable[[], Store], limit: str
) -> None:
    clients = [Client(server.url, 500, limit, seed) for seed in range(8)]
    for client in clients:
        deque(client.lines(), maxlen=0)
    assert [client.end() for client in clients] == [0] * 8
    said = [line for client in clients for line in client.said]
    assert [line["troubles"] for line in said if "troubles" in line] == [0] * 8
    store = opened()
    charged = store.charged(Key(DAY))
    assert written(store) == spent(said)
    assert charged == sum(spent(said).values())
    assert charged <= Decimal(limit)
    assert store.holds() == []
    refused = [line for line in said if "refused" in line]
    assert len(refused) + len(spent(said)) == 8 * 500
    assert all(Decimal(line["refused"]) > Decimal(line["left"]) for line in refused)
    assert bool(refused) == (limit != "1000")
    if refused:  # to less than the dearest call
        assert charged > Decimal(limit) - Decimal("0.01")


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_restart_in_the_middle_loses_nothing(
    server: PostgresServer, opened: Callable[[], Store], mode: str
) -> None:
    clients = [Client(server.url, 100_000, "1000", seed) for seed in range(3)]
    for client in clients:
        client.wait_for(100)
    server.stop(mode=mode)
    for client in clients:
        client.wait_for(100, safe=False)
    server.start()
    for client in clients:
        client.wait_for(100)
    assert [client.end() for client in clients] == [0] * 3
    said = [line for client in clients for line in client.said]
    assert not any("refused" in line for line in said)
    store = opened()
    assert written(store) == spent(said, safe=False)
    assert store.charged(Key(DAY)) == sum(written(store).values())
    assert store.holds() == []


def test_a_killed_client_loses_nothing_that_was_safe_and_holds_nothing_back(
    server: PostgresServer, opened: Callable[[], Store]
) -> None:
    safe: dict[int, Decimal] = {}
    for lines in (1, 40, 150):
        clients = [Client(server.url, 100_000, "1000", seed) for seed in range(2)]
        for client in clients:
            client.wait_for(lines)
            client.kill()
            assert client.end() == -signal.SIGKILL
            safe |= spent(client.said)
    store = opened()
    assert safe.items() <= written(store).items()
    assert store.charged(Key(DAY)) == sum(written(store).values())
    with store.transaction():
        charge_interrupted(store, now=NOON)
    assert store.holds() == []


def test_a_killed_clients_reservations_are_charged_and_its_actual_cost_corrects_them(
    store: Store,
) -> None:
    limits, me = Limits((Limit("per_day_usd", Decimal(1)),)), this_process()
    request = HoldRequest("p/m", "code", Decimal("0.6"), call=7, number=1, origin=Origin("alice"))
    dead = Owner(me.machine, 2**22 + 1, "1")
    with store.transaction():
        hold, _ = reserve(store, limits, request, now=NOON, owner=dead)
    with store.transaction():
        assert charge_interrupted(store, now=NOON) == 1
        assert charge_interrupted(store, now=NOON) == 0
    (row,) = store.attempts(DAY, DAY)
    assert (row.cost_kind, row.charged_usd, row.client) == ("estimated", Decimal("0.6"), "alice")
    late = attempt("0.1", call=7, number=1)
    for _ in range(2):
        with store.transaction():
            write(store, settling([late], hold))
        assert store.charged(Key(DAY)) == Decimal("0.1")


@pytest.mark.parametrize("spoilt", ["'NaN'", "'Infinity'", "1e200", "-1e200"])
def test_one_invalid_amount_does_not_spoil_the_sum_of_its_group(
    store: Store, opened: Callable[[], Store], spoilt: str
) -> None:
    assert isinstance(store, PostgresStore)
    with store.transaction():
        store.add(attempt("0.25", number=1))
        store.add(attempt("0.50", number=2))
    store._db.execute(f"UPDATE rightmodel.attempts SET charged_usd = {spoilt} WHERE number = 1")
    assert opened().charged(Key(DAY)) == Decimal("0.50")
    assert [row.number for row in store.attempts(DAY, DAY)] == [1, 2]


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


def test_what_another_machine_reserved_stays_until_it_expires(store: Store) -> None:
    limits = Limits((Limit("per_day_usd", Decimal(1)),))
    ask, me = HoldRequest("p/m", "code", Decimal("0.6")), this_process()
    elsewhere = Owner("another boot", me.pid, me.started)
    with store.transaction():
        reserve(store, limits, ask, now=NOON, owner=elsewhere)
    with pytest.raises(BudgetError), store.transaction():
        reserve(store, limits, ask, now=NOON + ask.lasts_s - 1, owner=me)
    with store.transaction():
        charge_interrupted(store, now=NOON + ask.lasts_s + 1)
    assert store.holds() == []
    assert store.charged(Key(DAY)) == Decimal("0.6")


def test_one_that_falls_silent_in_a_transaction_loses_it(opened: Callable[[], Store]) -> None:
    silent, other = opened(), opened()

    def fall_silent() -> None:
        with silent.transaction():
            silent.add(attempt())
            silent.holds()  # its row is sent, and from now on nothing is heard of it
            with other.transaction():  # waits until the server lets go of it
                other.add(attempt("0.5"))

    with pytest.raises(LedgerError) as caught:
        fall_silent()
    assert caught.value.fault is LedgerFault.UNREACHABLE
    assert other.charged(Key(DAY)) == Decimal("0.5")


def test_a_server_that_freezes_is_let_go(server: PostgresServer) -> None:
    store = open_postgres(server.url, busy_s=0.1)()
    server.signal(signal.SIGSTOP)
    try:
        with pytest.raises(LedgerError) as caught, store.transaction():
            raise AssertionError
        assert caught.value.fault is LedgerFault.UNREACHABLE
        store.close()
    finally:
        server.signal(signal.SIGCONT)


def test_a_writer_that_takes_too_long_is_reported(
    server: PostgresServer, opened: Callable[[], Store]
) -> None:
    store = open_postgres(server.url, busy_s=0.1)()
    with opened().transaction():
        with pytest.raises(LedgerError) as caught, store.transaction():
            raise AssertionError
        assert caught.value.fault is LedgerFault.LOCKED
    with store.transaction():
        store.add(attempt())
    store.close()


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


def test_a_row_that_the_database_refuses_is_no_trouble_with_it(store: Store) -> None:
    with pytest.raises(psycopg.DataError), store.transaction():
        store.add(attempt(input=1 << 70))
    with store.transaction():
        store.add(attempt())
    assert len(list(store.attempts(DAY, DAY))) == 1


def test_many_rows_are_read_by_and_by(store: Store) -> None:
    with store.transaction():
        for _ in range(2500):
            store.add(attempt("0.001"))
    reading = store.attempts(DAY, DAY)
    next(reading)
    assert store.charged(Key(DAY)) == Decimal("2.5")
    assert len(list(reading)) == 2499


@pytest.mark.parametrize("wrong", ["wrong-p%40ss", "s3cret-p%40ss&host=127.0.0.2"])
def test_no_message_holds_a_password(
    server: PostgresServer, caplog: pytest.LogCaptureFixture, wrong: str
) -> None:
    host, _, options = wrong.partition("&")
    url = server.url.replace(PASSWORD, host) + (f"?{options}&connect_timeout=1" if options else "")
    with pytest.raises(LedgerError) as caught:
        open_postgres(url)()
    everything = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert caught.value.fault is LedgerFault.UNREACHABLE
    assert f"postgresql://127.0.0.1:{server.port}/postgres" in everything
    assert "p@ss" not in everything
    assert "p%40ss" not in everything
