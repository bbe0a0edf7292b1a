"""What is kept in memory while the ledger is faulty, and records that no database takes."""

from __future__ import annotations

import contextlib
import gc
import weakref
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from ledger.harness import ledger_at, left_at
from ledger.rows import DAY, attempt, outcome
from rightmodel.core.errors import LedgerError
from rightmodel.ledger import writer
from rightmodel.ledger.records import HoldRequest, Texts
from rightmodel.ledger.sums import Key

if TYPE_CHECKING:
    from pathlib import Path


async def test_what_is_kept_is_bounded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MOST_KEPT", 10)
    file.parent.write_text("in the way")

    async with ledger_at(file, store_text=True) as ledger:
        for number in range(25):
            ledger.note(attempt("0.01", number=number), Texts(number, "p", "a"))
            with contextlib.suppress(LedgerError):
                await ledger.flush()
        file.parent.unlink()
    left = left_at(file)
    assert [a.number for a in left.attempts(DAY, DAY)] == list(range(15, 25))


async def test_a_row_that_cannot_be_written_does_not_hold_up_the_others(file: Path) -> None:
    async with ledger_at(file) as ledger:
        hold = await ledger.reserve(HoldRequest("p/m", "code", Decimal("0.30")))
        broken = attempt("0.10", served=object())
        ledger.settle(hold, broken)
        await ledger.record(attempt("0.20"))
        assert await ledger.read(lambda store: store.holds()) == []
    assert left_at(file).charged(Key(DAY)) == Decimal("0.50")


async def test_counts_and_costs_beyond_measure_are_charged_with_what_was_reserved(
    file: Path,
) -> None:
    async with ledger_at(file) as ledger:
        hold = await ledger.reserve(HoldRequest("p/m", "code", Decimal("0.30")))
        assert ledger.settle(hold, attempt("0.10", input=10**30)) == ()
        ledger.note(attempt("1e7000000"))
        await ledger.record(attempt("0.20"))
    left = left_at(file)
    assert left.holds() == []
    assert left.charged(Key(DAY)) == Decimal("0.50")
    assert [a.input for a in left.attempts(DAY, DAY)] == [None, None, None]


async def test_an_outcome_that_cannot_be_written_is_not_taken_for_kept(file: Path) -> None:
    async with ledger_at(file) as ledger:
        with pytest.raises(Exception, match="object"):
            await ledger.record(outcome(difficulty=object()))
    assert left_at(file).outcomes() == []


class Watched(str):
    """A text that can be weakly referenced."""

    __slots__ = ("__weakref__",)


async def test_text_that_may_not_be_kept_is_not_held_in_memory_either(file: Path) -> None:
    file.parent.write_text("in the way")

    async with ledger_at(file) as ledger:
        prompt, note = Watched("p" * 100), Watched("n" * 100)
        refs = weakref.ref(prompt), weakref.ref(note)
        ledger.note(attempt(), outcome(note=note), Texts(1, prompt, "a"))
        with contextlib.suppress(LedgerError):
            await ledger.flush()
        del prompt, note
        gc.collect()
        assert [ref() for ref in refs] == [None, None]
        file.parent.unlink()
    left = left_at(file)
    assert (len(list(left.attempts(DAY, DAY))), len(left.outcomes())) == (1, 1)


async def test_text_that_is_too_long_to_keep_costs_no_attempt(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MOST_KEPT_CHARS", 100)
    file.parent.write_text("in the way")

    async with ledger_at(file, store_text=True) as ledger:
        for number in range(5):
            with pytest.raises(LedgerError):
                await ledger.record(attempt("0.01", number=number), Texts(number, "p" * 60, "a"))
        spare = ledger._writer._spare
        assert spare is not None
        assert spare.find_texts(0) is None
        file.parent.unlink()
    left = left_at(file)
    assert [a.number for a in left.attempts(DAY, DAY)] == list(range(5))
    assert [number for number in range(5) if left.find_texts(number)] == [0]
