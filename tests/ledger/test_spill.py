"""Records that cannot be written before the process ends are in a file until the next start."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from ledger.harness import GONE, ledger_at, left_at
from ledger.rows import DAY, NOON, attempt, call, outcome
from rightmodel.ledger import ledger as ledgers
from rightmodel.ledger.call_rows import hold_of
from rightmodel.ledger.ledger import Ledger
from rightmodel.ledger.records import Cooldown, Hold, HoldRequest, Restored, Settled, Texts
from rightmodel.ledger.recovery import SqliteOpener
from rightmodel.ledger.reservations import charge_interrupted
from rightmodel.ledger.spill import Spill
from rightmodel.ledger.sqlite import SqliteStore
from rightmodel.ledger.sums import Key

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.ledger.records import Row


async def taken_up(file: Path) -> SqliteStore:
    """What the next ledger makes of it."""
    async with ledger_at(file) as ledger:
        await ledger.flush()
    return left_at(file)


def test_every_kind_of_record_survives_the_file(file: Path) -> None:
    rows: list[Row] = [
        attempt("0.000000001", served="m\ud83d", cost_kind="billed"),
        call(cost_usd=Decimal("0.02"), client="alice"),
        outcome(note="ünïcode"),
        Texts(1, "prompt\n", "answer"),
        Hold(1, "here", 2, "3", NOON, DAY, "p/m", "code", Decimal("0.5"), 7, 1, "p", "m", "cli"),
        Settled(1, Decimal("0.5")),
        Cooldown("abc", NOON, "auth_failed"),
        Restored("abc"),
    ]
    saved = Spill(file).save([rows, []])
    assert Spill(file).files() == [saved]
    assert list(Spill.load(saved)) == [rows, []]
    assert saved.stat().st_mode & 0o077 == 0


def test_lines_that_cannot_be_read_cost_no_other(file: Path) -> None:
    first, second = attempt("0.10"), attempt("0.20")
    saved = Spill(file).save([[first], [second]])
    lines = saved.read_text().splitlines()
    saved.write_text("\n".join([lines[0], "{", '[["Unheard", {}]]', lines[1]]))
    assert list(Spill.load(saved)) == [[first], [second]]
    assert list(Spill.load(file.with_name("gone"))) == []


@pytest.mark.parametrize("count", [1, 5000])
async def test_a_ledger_locked_while_it_closes_loses_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(ledgers, "CLOSE_S", 0.1)
    locked, go = threading.Event(), threading.Event()

    def keep() -> None:
        store = SqliteStore(file)
        with store.transaction():
            locked.set()
            go.wait(20)
        store.close()

    ledger = Ledger(SqliteOpener(file, lambda: NOON), clock=lambda: NOON, spill=Spill(file))
    await ledger.flush()
    thread = threading.Thread(target=keep)
    thread.start()
    await asyncio.to_thread(locked.wait, 10)
    for _ in range(count):
        ledger.note(attempt("0.0001"), call())
    await ledger.close()
    assert len(Spill(file).files()) == 1
    go.set()
    await asyncio.to_thread(thread.join)
    await asyncio.to_thread(ledger._writer.join, 20)  # it goes on, and writes them, too
    store = await taken_up(file)
    assert len(list(store.calls(DAY, DAY))) == count
    assert store.charged(Key(DAY)) == Decimal("0.0001") * count
    assert Spill(file).files() == []


async def test_what_a_faulty_ledger_never_took_is_in_the_file(file: Path) -> None:
    file.mkdir(parents=True)
    async with ledger_at(file) as ledger:
        ledger.settle(await ledger.reserve(HoldRequest("p/m", "code", Decimal("0.3"))), attempt())
    file.rmdir()
    assert (await taken_up(file)).charged(Key(DAY)) == Decimal("0.01")


async def test_without_room_for_the_file_the_log_says_how_many_are_lost(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.parent.write_text("a file instead of the directory")

    ledger = Ledger(SqliteOpener(file, lambda: NOON), clock=lambda: NOON, spill=Spill(file))
    ledger.note(attempt())
    ledger.note(call())
    await ledger.close()
    assert "2 ledger records are lost" in caplog.text


async def test_a_recovered_attempt_corrects_the_estimate_that_was_charged_meanwhile(
    file: Path,
) -> None:
    row = attempt("0.05", call=77, number=1)
    hold = hold_of(
        HoldRequest("p/m", "code", None, call=77, number=1),
        Decimal("0.60"),
        id=5,
        now=NOON,
        owner=GONE,
    )
    store = SqliteStore(file)
    with store.transaction():
        store.add(hold)
        charge_interrupted(store, now=NOON)
    store.close()
    Spill(file).save([[Settled(5, Decimal("0.60")), row]])
    store = await taken_up(file)
    assert store.charged(Key(DAY)) == Decimal("0.05")
    assert [a.cost_kind for a in store.attempts(DAY, DAY)] == ["estimated", "corrected"]
