"""The second store against a real PostgreSQL: the contract, a crowd, and what can go wrong."""

from __future__ import annotations

import json
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

from e2e.postgres_server import PASSWORD
from ledger.contract import StoreContract
from ledger.rows import DAY, NOON, attempt
from rightmodel.core.errors import BudgetError, LedgerError, LedgerFault
from rightmodel.ledger.budget import Limit, Limits
from rightmodel.ledger.call_rows import settled
from rightmodel.ledger.postgres import PostgresStore
from rightmodel.ledger.postgres_opener import open_postgres
from rightmodel.ledger.records import HoldRequest, Origin, Owner, Settled
from rightmodel.ledger.reservations import charge_interrupted, reserve, this_process, write
from rightmodel.ledger.sums import Key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.postgres_server import PostgresServer
    from rightmodel.ledger.store import Store

pytestmark = pytest.mark.e2e

WITHIN_S: Final = 50


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
            write(store, [Settled(hold.id, hold.usd), settled(late, hold)])
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
