from __future__ import annotations

import asyncio
import sqlite3
import threading
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from ledger.harness import GONE, PER_DAY, ask, held, ledger_at, left_at, state
from ledger.rows import DAY, NOON, attempt, call, outcome
from rightmodel.core.errors import BudgetError, ClosedError, LedgerError, LedgerFault
from rightmodel.ledger import writer
from rightmodel.ledger.budget import Limits
from rightmodel.ledger.call_rows import hold_of
from rightmodel.ledger.ledger import Ledger
from rightmodel.ledger.records import Texts
from rightmodel.ledger.recovery import SqliteOpener
from rightmodel.ledger.sqlite import SqliteStore
from rightmodel.ledger.sums import Key

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.ledger.budget import Alert


async def test_a_call_with_its_attempts_is_written_and_settled(file: Path) -> None:
    async with ledger_at(file) as ledger:
        hold = await held(ledger, "1.00")
        with pytest.raises(BudgetError):
            await ledger.reserve(ask("0.01"))
        assert ledger.settle(hold, attempt("0.10"), call()) == ()
        await held(ledger, "0.90")
    store = left_at(file)
    assert len(list(store.attempts(DAY, DAY))) == 1
    assert len(list(store.calls(DAY, DAY))) == 1


async def test_what_is_noted_is_written_without_waiting_and_at_the_latest_when_closed(
    file: Path,
) -> None:
    async with ledger_at(file) as ledger:
        for _ in range(100):
            ledger.note(attempt("0.001"), call())
    store = left_at(file)
    assert store.charged(Key(DAY)) == Decimal("0.1")
    assert len(list(store.calls(DAY, DAY))) == 100


async def test_without_budgets_a_running_attempt_is_on_record_with_its_expected_cost(
    file: Path,
) -> None:
    async with ledger_at(file, limits=Limits()) as ledger:
        hold = await ledger.reserve(ask("1000")._replace(expected_usd=Decimal("0.02"), call=7))
        assert hold is not None
        await ledger.flush()
        assert await ledger.read(lambda store: store.holds()) == [hold]
        ledger.settle(hold, attempt("0.01", call=7))
        short = await ledger.reserve(ask("1000"))
        ledger.settle(short, attempt("0.01"))
        assert await ledger.reserve(ask()._replace(worst_usd=None)) is None
    store = left_at(file)
    assert store.holds() == []
    assert [a.cost_usd for a in store.attempts(DAY, DAY)] == [Decimal("0.01")] * 2


async def test_settling_warns_of_a_limit_that_is_nearly_used_up(file: Path) -> None:
    async with ledger_at(file) as ledger:
        assert ledger.settle(await held(ledger, "0.90"), attempt("0.75")) == ()
        flags = ledger.settle(await held(ledger, "0.20"), attempt("0.10"))
        assert flags == ("budget per_day_usd: 85% of $1.00 spent, resets in 12 h",)


async def test_a_refused_call_tells_what_parallel_calls_have_spent(file: Path) -> None:
    """Each of the two was far from the limit by all that it knew: the other was not settled yet."""
    told: list[str] = []

    class People:
        def tell(self, alert: Alert) -> None:
            told.append(alert.mark.threshold)

        async def close(self) -> None:
            return

    ledgers = [
        Ledger(
            SqliteOpener(file, lambda: NOON), limits=PER_DAY, alerts=People(), clock=lambda: NOON
        )
        for _ in range(2)
    ]
    holds = [await held(ledger, "0.45") for ledger in ledgers]
    for ledger, hold in reversed([*zip(ledgers, holds, strict=True)]):
        ledger.settle(hold, attempt("0.45"))
        await ledger.flush()
    assert told == []
    with pytest.raises(BudgetError):
        await ledgers[0].reserve(ask("0.40")._replace(number=1))
    for ledger in ledgers:
        await ledger.close()
    assert told == ["warning of 1.00", "wall of 1.00"]


async def test_the_next_server_charges_what_a_killed_one_had_reserved(file: Path) -> None:
    store = SqliteStore(file)
    with store.transaction():
        store.add(hold_of(ask("0.70"), Decimal("0.70"), id=5, now=NOON, owner=GONE))
    store.close()

    async with ledger_at(file) as ledger:
        (standing,) = await state(ledger)
        assert (standing.spent_usd, standing.held_usd) == (Decimal("0.70"), Decimal(0))
        with pytest.raises(BudgetError):
            await ledger.reserve(ask("0.40"))
    assert [a.cost_kind for a in left_at(file).attempts(DAY, DAY)] == ["estimated"]


async def test_a_cancelled_reservation_leaves_nothing_reserved(file: Path) -> None:
    async with ledger_at(file) as ledger:
        await ledger.flush()
        other = SqliteStore(file)
        with other.transaction():
            waiting = asyncio.create_task(ledger.reserve(ask("1.00")))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        other.close()
        await held(ledger, "1.00")


async def test_what_comes_while_the_ledger_closes_is_written(file: Path) -> None:
    async with ledger_at(file) as ledger:
        await ledger.flush()
        closing = asyncio.create_task(ledger.close())
        await asyncio.sleep(0)
        ledger.note(attempt("0.10"))
        await closing
        assert left_at(file).charged(Key(DAY)) == Decimal("0.10")


async def test_a_cancelled_record_loses_nothing(file: Path) -> None:
    async with ledger_at(file) as ledger:
        waiting = asyncio.create_task(ledger.record(attempt("0.10")))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
    assert left_at(file).charged(Key(DAY)) == Decimal("0.10")


async def test_200_at_once_are_all_written(file: Path) -> None:
    async def one(ledger: Ledger) -> None:
        hold = await held(ledger, "0.005")
        ledger.settle(hold, attempt("0.004"), call())

    async with ledger_at(file) as ledger:
        await asyncio.gather(*(one(ledger) for _ in range(200)))
        (standing,) = await state(ledger)
        assert standing.spent_usd == Decimal("0.8")
        assert standing.held_usd == 0
    assert len(list(left_at(file).calls(DAY, DAY))) == 200


async def test_text_is_kept_only_where_it_may_be(file: Path) -> None:
    rows = call(), Texts(1, "my secret plan", "yes"), outcome(note="secret")
    async with ledger_at(file) as ledger:
        await ledger.record(*rows)
    store = left_at(file)
    assert store._db.execute("SELECT count(*) FROM texts").fetchone() == (0,)
    assert store.outcomes()[0].note == ""
    store.close()
    assert b"secret" not in file.read_bytes()
    async with ledger_at(file, store_text=True) as ledger:
        await ledger.record(*rows)
    store = left_at(file)
    assert store._db.execute("SELECT prompt FROM texts").fetchone() == ("my secret plan",)


async def test_a_ref_is_found_again(file: Path) -> None:
    async with ledger_at(file) as ledger:
        await ledger.record(call(ref="abcd"))
        found = await ledger.find_call("abcd")
        assert found is not None
        assert found.ref == "abcd"
        assert await ledger.find_call("efgh") is None


async def test_the_event_loop_never_waits_for_the_disk(file: Path) -> None:
    async with ledger_at(file) as ledger:
        await ledger.flush()
        other = SqliteStore(file)
        slowest = 0.0
        with other.transaction():
            waiting = asyncio.create_task(ledger.record(attempt()))
            ledger.note(attempt())
            loop = asyncio.get_running_loop()
            before = loop.time()
            for _ in range(10):
                await asyncio.sleep(0.005)
                now = loop.time()
                slowest = max(slowest, now - before)
                before = now
            assert not waiting.done()
        await waiting
        assert slowest < 0.15
        other.close()


async def test_without_write_access_calls_continue_and_budgets_hold(file: Path) -> None:
    file.parent.write_text("a file in the place of the directory")

    async with ledger_at(file) as ledger:
        hold = await held(ledger, "0.90")
        with pytest.raises(BudgetError):
            await ledger.reserve(ask("0.20"))
        flags = ledger.settle(hold, attempt("0.85"), call())
        assert flags[0] == "ledger=unreachable"
        assert "85%" in flags[1]
        with pytest.raises(BudgetError):
            await ledger.reserve(ask("0.20"))
        with pytest.raises(LedgerError):
            await ledger.find_call("k3f9")
        assert ledger.outage is not None
        file.parent.unlink()  # closing tries once more
    assert left_at(file).charged(Key(DAY)) == Decimal("0.85")


async def test_after_a_full_disk_everything_is_caught_up(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "RETRY_S", 0.05)
    stores: list[SqliteStore] = []
    has_room = threading.Event()

    class Opener(SqliteOpener):
        def __call__(self, after: LedgerError | None = None) -> SqliteStore:
            if after and not has_room.is_set():
                raise after
            stores.append(super().__call__(after))
            return stores[-1]

    ledger = Ledger(Opener(file, lambda: NOON), limits=PER_DAY, clock=lambda: NOON)
    hold = await held(ledger, "0.10")
    ledger.settle(hold, attempt("0.10"))
    running = await held(ledger, "0.20")

    def no_room(store: object) -> None:
        assert isinstance(store, SqliteStore)
        (pages,) = store._db.execute("PRAGMA page_count").fetchone()
        store._db.execute(f"PRAGMA max_page_count={pages}")

    await ledger.read(no_room)
    spent, fault = Decimal("0.10"), None
    for _ in range(60):
        spent += Decimal("0.01")
        try:
            await ledger.record(attempt("0.01"), call(reason="x" * 2000))
        except LedgerError as error:
            fault = error.fault
            break
    assert fault is LedgerFault.FULL
    # Budgets go on from what was known, with what still runs.
    with pytest.raises(BudgetError) as caught:
        await ledger.reserve(ask("1.00"))
    assert caught.value.left_usd == Decimal("0.80") - spent
    has_room.set()
    while ledger.outage is not None:  # noqa: ASYNC110 - the ledger's thread ends it
        await asyncio.sleep(0.01)
    (standing,) = await state(ledger)
    assert standing.spent_usd == spent
    assert standing.held_usd == Decimal("0.20")
    ledger.settle(running)
    await ledger.close()
    assert len(stores) == 2


async def test_a_ledger_damaged_while_open_is_recreated_and_reported_once(file: Path) -> None:
    async with ledger_at(file) as ledger:
        hold = await held(ledger, "0.50")
        await ledger.record(attempt("0.10"))
        database = sqlite3.connect(file)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        with file.open("r+b") as raw:
            raw.seek(100)
            raw.write(b"\xff" * 8000)
        flags = ledger.settle(hold, attempt("0.20"), call())
        await ledger.flush()
        flags += ledger.settle(None, attempt("0.01")) + ledger.settle(None)
        notices = [line for line in flags if "damaged" in line]
        assert len(notices) == 1
        assert "moved to ledger.sqlite3.damaged-20261120T120000Z" in notices[0]
    store = left_at(file)
    assert [a.cost_usd for a in store.attempts(DAY, DAY)][-2:] == [Decimal("0.20"), Decimal("0.01")]
    assert store.holds() == []


async def test_a_removed_file_is_recreated(file: Path) -> None:
    async with ledger_at(file) as ledger:
        await ledger.record(attempt("0.10"))
        await asyncio.to_thread(file.unlink)
        await ledger.record(attempt("0.20"))
    assert left_at(file).charged(Key(DAY)) == Decimal("0.20")


async def test_a_lock_held_too_long_is_reported_and_caught_up(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "RETRY_S", 0.05)
    locked, go = threading.Event(), threading.Event()

    def keep() -> None:
        store = SqliteStore(file)
        with store.transaction():
            locked.set()
            go.wait(10)
        store.close()

    async with ledger_at(file) as ledger:
        await ledger.flush()
        thread = threading.Thread(target=keep)
        thread.start()
        await asyncio.to_thread(locked.wait, 10)
        with pytest.raises(LedgerError):
            await ledger.record(attempt("0.10"))
        assert ledger.settle(None) == ("ledger=locked",)
        go.set()
        await asyncio.to_thread(thread.join)
    assert left_at(file).charged(Key(DAY)) == Decimal("0.10")


async def test_a_closed_ledger_takes_nothing_more(file: Path) -> None:
    async with ledger_at(file) as ledger:
        await ledger.close()
        with pytest.raises(ClosedError, match="shutting down"):
            await ledger.record(attempt())


async def test_two_ledgers_share_one_budget(file: Path) -> None:
    async with ledger_at(file) as ledger:
        other = Ledger(SqliteOpener(file, lambda: NOON), limits=PER_DAY, clock=lambda: NOON)
        hold = await held(ledger, "0.60")
        with pytest.raises(BudgetError):
            await other.reserve(ask("0.50"))
        ledger.settle(hold, attempt("0.10"))
        await ledger.flush()
        await held(other, "0.90")
        await other.close()
