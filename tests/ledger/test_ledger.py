from __future__ import annotations

import asyncio
import sqlite3
import threading
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from ledger.books import PER_DAY, run
from ledger.rows import DAY, NOON, attempt, call, outcome
from rightmodel.core.errors import BudgetError, LedgerError, LedgerFault
from rightmodel.ledger import writer
from rightmodel.ledger.budget import Ask, Limits
from rightmodel.ledger.ledger import Ledger
from rightmodel.ledger.records import Texts
from rightmodel.ledger.recovery import SqliteOpener
from rightmodel.ledger.sqlite import SqliteStore
from rightmodel.ledger.store import Key

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.ledger.records import Hold


def ask(worst: str = "0.40") -> Ask:
    return Ask("p/m", "code", Decimal(worst))


async def held(ledger: Ledger, worst: str = "0.40") -> Hold:
    hold = await ledger.reserve(ask(worst))
    assert hold is not None
    return hold


def test_a_call_with_its_attempts_is_written_and_settled(file: Path) -> None:
    async def test(ledger: Ledger) -> None:
        hold = await held(ledger, "1.00")
        with pytest.raises(BudgetError):
            await ledger.reserve(ask("0.01"))
        told = await ledger.record(attempt("0.10"), call(), hold=hold)
        assert told.flags == ()
        await held(ledger, "0.90")

    store = run(file, test)
    assert len(list(store.attempts(DAY, DAY))) == 1
    assert len(list(store.calls(DAY, DAY))) == 1


def test_what_is_noted_is_written_without_waiting_and_at_the_latest_when_closed(file: Path) -> None:
    async def test(ledger: Ledger) -> None:
        for _ in range(100):
            ledger.note(attempt("0.001"), call())

    store = run(file, test)
    assert store.charged(Key(DAY)) == Decimal("0.1")
    assert len(list(store.calls(DAY, DAY))) == 100


def test_without_budgets_nothing_is_reserved(file: Path) -> None:
    async def test(ledger: Ledger) -> None:
        assert await ledger.reserve(ask("1000")) is None

    run(file, test, limits=Limits())


def test_a_warning_is_told_with_the_record(file: Path) -> None:
    async def test(ledger: Ledger) -> None:
        told = await ledger.record(attempt("0.85"))
        assert told.flags == ("budget per_day_usd: 85% of $1.00 spent, resets in 12 h",)

    run(file, test)


def test_released_room_is_free(file: Path) -> None:
    async def test(ledger: Ledger) -> None:
        ledger.release(await held(ledger, "1.00"))
        await held(ledger, "1.00")

    run(file, test)


def test_one_that_stops_waiting_for_room_leaves_none_reserved(file: Path) -> None:
    async def test(ledger: Ledger) -> None:
        await ledger.standings()
        waiting = asyncio.create_task(ledger.reserve(ask("1.00")))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await held(ledger, "1.00")

    run(file, test)


def test_one_that_stops_waiting_for_a_record_loses_nothing(file: Path) -> None:
    async def test(ledger: Ledger) -> None:
        waiting = asyncio.create_task(ledger.record(attempt("0.10")))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})

    assert run(file, test).charged(Key(DAY)) == Decimal("0.10")


def test_200_at_once_are_all_written(file: Path) -> None:
    async def one(ledger: Ledger) -> None:
        hold = await held(ledger, "0.005")
        await ledger.record(attempt("0.004"), call(), hold=hold)

    async def test(ledger: Ledger) -> None:
        await asyncio.gather(*(one(ledger) for _ in range(200)))
        (standing,) = await ledger.standings()
        assert standing.spent_usd == Decimal("0.8")
        assert standing.held_usd == 0

    assert len(list(run(file, test).calls(DAY, DAY))) == 200


def test_text_is_kept_only_where_it_may_be(file: Path) -> None:
    async def test(ledger: Ledger) -> None:
        await ledger.record(call(), Texts(1, "my secret plan", "yes"), outcome(note="secret"))

    store = run(file, test)
    assert store._db.execute("SELECT count(*) FROM texts").fetchone() == (0,)
    assert store.outcomes()[0].note == ""
    store.close()
    assert b"secret" not in file.read_bytes()
    store = run(file, test, store_text=True)
    assert store._db.execute("SELECT prompt FROM texts").fetchone() == ("my secret plan",)


def test_a_ref_is_found_again(file: Path) -> None:
    async def test(ledger: Ledger) -> None:
        await ledger.record(call(ref="abcd"))
        found = await ledger.find_call("abcd")
        assert found is not None
        assert found.ref == "abcd"
        assert await ledger.find_call("efgh") is None

    run(file, test)


def test_the_event_loop_never_waits_for_the_disk(file: Path) -> None:
    async def test(ledger: Ledger) -> None:
        await ledger.standings()
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

    run(file, test)


def test_in_a_place_that_cannot_be_written_calls_go_on_and_budgets_hold(file: Path) -> None:
    file.parent.write_text("a file in the place of the directory")

    async def test(ledger: Ledger) -> None:
        hold = await held(ledger, "0.90")
        with pytest.raises(BudgetError):
            await ledger.reserve(ask("0.20"))
        told = await ledger.record(attempt("0.85"), call(), hold=hold)
        assert told.trouble is not None
        assert told.flags[0] == "ledger=unreachable"
        assert "85%" in told.flags[1]
        with pytest.raises(BudgetError):
            await ledger.reserve(ask("0.20"))
        with pytest.raises(LedgerError):
            await ledger.find_call("k3f9")
        assert ledger.trouble is not None
        file.parent.unlink()  # closing tries once more

    assert run(file, test).charged(Key(DAY)) == Decimal("0.85")


def test_after_a_full_disk_everything_is_caught_up(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "RETRY_S", 0.05)
    stores: list[SqliteStore] = []

    class Opener(SqliteOpener):
        def __call__(self, after: LedgerError | None = None) -> SqliteStore:
            stores.append(super().__call__(after))
            return stores[-1]

    async def inner() -> None:
        ledger = Ledger(Opener(file, lambda: NOON), limits=PER_DAY, clock=lambda: NOON)
        hold = await held(ledger, "0.10")
        await ledger.record(attempt("0.10"), hold=hold)
        running = await held(ledger, "0.20")

        def no_room(store: object) -> None:
            assert isinstance(store, SqliteStore)
            (pages,) = store._db.execute("PRAGMA page_count").fetchone()
            store._db.execute(f"PRAGMA max_page_count={pages}")

        await ledger.read(no_room)
        troubles = []
        for _ in range(60):
            told = await ledger.record(attempt("0.01"), call(reason="x" * 2000))
            troubles.append(told.trouble)
            if told.trouble:
                break
        assert troubles[-1] is not None
        assert troubles[-1].fault is LedgerFault.FULL
        spent = Decimal("0.10") + Decimal("0.01") * len(troubles)
        # Budgets go on from what was known, with what still runs.
        with pytest.raises(BudgetError) as caught:
            await ledger.reserve(ask("1.00"))
        assert caught.value.left_usd == Decimal("0.80") - spent
        for _ in range(200):
            if ledger.trouble is None:
                break
            await asyncio.sleep(0.01)
        (standing,) = await ledger.standings()
        assert standing.spent_usd == spent
        assert standing.held_usd == Decimal("0.20")
        ledger.release(running)
        await ledger.close()

    asyncio.run(asyncio.wait_for(inner(), 20))
    assert len(stores) == 2


def test_a_ledger_damaged_under_way_is_begun_anew_and_told_once(file: Path) -> None:
    async def test(ledger: Ledger) -> None:
        hold = await held(ledger, "0.50")
        await ledger.record(attempt("0.10"))
        database = sqlite3.connect(file)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        with file.open("r+b") as raw:
            raw.seek(100)
            raw.write(b"\xff" * 8000)
        told = await ledger.record(attempt("0.20"), call(), hold=hold)
        later = await ledger.record(attempt("0.01"))
        notices = [line for line in (*told.flags, *later.flags) if "damaged" in line]
        assert len(notices) == 1
        assert "moved to ledger.sqlite3.damaged-20261120T120000Z" in notices[0]

    store = run(file, test)
    assert [a.cost_usd for a in store.attempts(DAY, DAY)][-2:] == [Decimal("0.20"), Decimal("0.01")]
    assert store.holds() == []


def test_a_removed_file_is_begun_anew(file: Path) -> None:
    async def test(ledger: Ledger) -> None:
        await ledger.record(attempt("0.10"))
        await asyncio.to_thread(file.unlink)
        assert (await ledger.record(attempt("0.20"))).trouble is None

    assert run(file, test).charged(Key(DAY)) == Decimal("0.20")


def test_a_lock_held_too_long_is_told_and_caught_up(
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

    async def test(ledger: Ledger) -> None:
        await ledger.standings()
        thread = threading.Thread(target=keep)
        thread.start()
        await asyncio.to_thread(locked.wait, 10)
        told = await ledger.record(attempt("0.10"))
        assert told.flags == ("ledger=locked",)
        go.set()
        await asyncio.to_thread(thread.join)

    assert run(file, test).charged(Key(DAY)) == Decimal("0.10")


def test_a_closed_ledger_takes_nothing_more(file: Path) -> None:
    async def test(ledger: Ledger) -> None:
        await ledger.close()
        with pytest.raises(RuntimeError, match="closed"):
            await ledger.record(attempt())

    run(file, test)


def test_two_ledgers_share_one_budget(file: Path) -> None:
    async def test(ledger: Ledger) -> None:
        other = Ledger(SqliteOpener(file, lambda: NOON), limits=PER_DAY, clock=lambda: NOON)
        hold = await held(ledger, "0.60")
        with pytest.raises(BudgetError):
            await other.reserve(ask("0.50"))
        await ledger.record(attempt("0.10"), hold=hold)
        await held(other, "0.90")
        await other.close()

    run(file, test)
