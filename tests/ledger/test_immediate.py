"""What the event loop's thread writes itself, and what it leaves to the ledger's."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from ledger.harness import ask, held, ledger_at, left_at
from ledger.rows import DAY, attempt, call
from rightmodel.core.errors import BudgetError
from rightmodel.ledger import ledger as ledger_module
from rightmodel.ledger import writer
from rightmodel.ledger.budget import Limit, Limits
from rightmodel.ledger.sqlite import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_reservation_waits_only_for_another_process_that_writes(file: Path) -> None:
    async with ledger_at(file) as ledger:
        await held(ledger, "0.10")
        free = asyncio.create_task(held(ledger, "0.10"))
        await asyncio.sleep(0)
        assert free.done()
        other = SqliteStore(file)
        with other.transaction():
            waiting = asyncio.create_task(held(ledger, "0.10"))
            await asyncio.sleep(0.01)
            assert not waiting.done()
            other.add(attempt("0.65"))
        assert await waiting
        other.close()
        with pytest.raises(BudgetError):
            await ledger.reserve(ask("0.06"))
    assert len(left_at(file).holds()) == 3


async def test_a_reservation_takes_along_what_waits_to_be_written(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "LINGER_S", 1000.0)
    monkeypatch.setattr(ledger_module, "THREAD_S", 1000.0)
    async with ledger_at(file) as ledger:
        await ledger.flush()  # the thread has just had its turn: what is noted now lingers
        for _ in range(50):
            ledger.note(call())
        await held(ledger)
        assert len(list(left_at(file).calls(DAY, DAY))) == 50


async def test_what_is_settled_never_overtakes_its_reservation(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "THREAD_S", 1000.0)
    going = threading.Event()
    going.set()
    taken = writer.Writer._next

    def slowly(self: writer.Writer) -> tuple[list[writer.Job], bool]:
        jobs = taken(self)
        going.wait(10)
        return jobs

    monkeypatch.setattr(writer.Writer, "_next", slowly)
    of_another = Limits(limits=(Limit("p/x per_day_usd", Decimal("1.00"), model="p/x"),))
    async with ledger_at(file, limits=of_another) as ledger:
        await ledger.flush()
        going.clear()
        hold = await ledger.reserve(ask("0.40"))
        ledger._flush()
        ledger.settle(hold, attempt("0.10"))
        for _ in range(50):
            ledger.note(call())
        await ledger.reserve(ask("0.40")._replace(model="p/x"))
        going.set()
        await ledger.flush()
        assert [one.model for one in await ledger.read(lambda store: store.holds())] == ["p/x"]


async def test_the_loop_waits_little_for_a_thread_that_waits_for_another_process(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    class Taken:
        def acquire(self, *, timeout: float) -> bool:
            waits.append(timeout)
            return False

    async with ledger_at(file) as ledger:
        await ledger.flush()
        free = ledger._writer._lock
        monkeypatch.setattr(ledger._writer, "_lock", Taken())
        done = [ledger._writer.run_now([writer.Job(do=lambda _: None)]) for _ in range(100)]
        monkeypatch.setattr(ledger._writer, "_lock", free)
    assert done == [False] * 100
    assert sum(waits) < 2 * writer.SLOW_S


async def test_a_busy_loop_lets_the_ledger_s_thread_end_its_transaction(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_WAIT_S", 10.0)
    async with ledger_at(file) as ledger:
        await ledger.flush()
        lock = ledger._writer._lock
        lock.acquire()
        threading.Timer(0.01, lock.release).start()
        assert ledger._writer.run_now([writer.Job(do=lambda _: None)])
