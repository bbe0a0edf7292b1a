from __future__ import annotations

import os
import random
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from ledger.rows import DAY, NOON, attempt, call
from rightmodel.core.call import Attempt, Receipt, Usage
from rightmodel.core.decision import Assessment, Decision, Requirements
from rightmodel.core.fault import Fault
from rightmodel.core.task import Attachment, Task
from rightmodel.ledger.call_rows import attempt_record, call_record, new_id, settled, task_hash
from rightmodel.ledger.reports import Spread, summed
from rightmodel.ledger.sqlite import SqliteStore
from rightmodel.ledger.sums import Key
from rightmodel.manifest.price import Price

MILLION = 10**6
PRICES = {  # USD per million tokens: input, output, cache read, cache write
    "a": ("0.1", "0.4", "0.025", None),
    "b": ("3", "15", "0.30", "3.75"),
    "c": ("0.0375", "0.15", None, None),
}


def price(model: str) -> Price:
    return Price(*(None if p is None else Decimal(p) / MILLION for p in PRICES[model]))


def by_hand(model: str, used: Usage) -> Fraction:
    paid = [None if p is None else Fraction(p) / MILLION for p in PRICES[model]]
    inp, out, read, write = paid
    assert inp is not None
    assert out is not None
    plain = used.input - used.cache_read - used.cache_write
    read, write = (inp if p is None else p for p in (read, write))
    return plain * inp + used.cache_read * read + used.cache_write * write + used.output * out


def test_a_day_of_5000_calls_adds_up_exactly() -> None:
    chance = random.Random(5)
    store = SqliteStore(None)
    total, by_model = Fraction(0), dict.fromkeys(PRICES, Fraction(0))
    with store.transaction():
        for number in range(5000):
            model = chance.choice(list(PRICES))
            size, said = chance.randint(1, 200_000), chance.randint(0, 20_000)
            read = chance.randint(0, size)
            used = Usage(size, said, read, chance.randint(0, size - read), chance.randint(0, said))
            billed = chance.random() < 0.2
            hand = by_hand(model, used)
            cost = price(model).cost(used)
            if billed:  # as an upstream names it: a float's shortest digits
                cost = Decimal(repr(round(float(hand), 8)))
                hand = Fraction(str(cost))
            tried = Attempt(model, "p", model, usage=used, cost_usd=cost, billed=billed)
            if chance.random() < 0.1:
                tried = replace(tried, fault=Fault.SCHEMA)
            row = attempt_record(tried, call=number, number=1, at=NOON, skill="code")
            store.add(settled(row, None))
            total += hand
            by_model[model] += hand
    (found,) = summed(store.calls(DAY, DAY), store.attempts(DAY, DAY), (DAY, DAY))
    assert Fraction(str(found.total.spent_usd)) == total
    assert abs(float(found.total.spent_usd) - float(total)) < 1e-9
    assert {r.key: Fraction(str(r.spent_usd)) for r in found.rows("model")} == by_model
    assert Fraction(str(store.charged(Key(DAY)))) == total
    assert found.total.billed_usd + found.total.computed_usd == found.total.spent_usd
    assert found.total.billed_usd > 0
    store.close()


def test_each_figure_is_where_it_belongs() -> None:
    calls = [
        call(
            model="cheap",
            cost_usd=Decimal("0.03"),
            baseline="big",
            baseline_usd=Decimal("0.10"),
            saved_usd=Decimal("0.07"),
            judge="tiny",
            time_s=2.0,
        ),
        call(model="", outcome="all_attempts_failed", time_s=40.0, skills=(("math", 1.0),)),
        call(model="cheap", at=NOON + 86_400, time_s=4.0, saved_usd=None),
        call(model="big", baseline_usd=Decimal("0.10"), saved_usd=Decimal("-0.20"), time_s=3.0),
    ]
    attempts = [
        attempt("0.001", model="tiny", role="judge"),
        attempt("0.009", model="cheap", input=100, cached=60, output=20, reasoning=5),
        attempt("0.02", model="big", cost_kind="billed", skill="math"),
        attempt(None, model="big", fault="timeout", provider="q"),
        attempt("0", model="big", fault="timeout", provider="q"),
        attempt("0.5", model="cheap", at=NOON + 86_400),
    ]
    (found,) = summed(calls, attempts, (DAY, "2026-11-21"))
    total = found.total
    assert (total.calls, total.answered, total.failed, total.slow, total.judged) == (4, 3, 1, 1, 1)
    assert (total.attempts, total.faults, total.unpriced) == (6, 2, 1)
    assert total.spent_usd == Decimal("0.530")
    assert (total.billed_usd, total.computed_usd) == (Decimal("0.02"), Decimal("0.510"))
    assert (total.baseline_usd, total.saved_usd) == (Decimal("0.20"), Decimal("-0.13"))
    assert total.compared == 2
    assert (total.input, total.cached, total.output, total.reasoning) == (100, 60, 20, 5)
    assert total.call_s == Spread(4.0, 40.0, 40.0)
    assert [row.key for row in found.rows("day")] == [DAY, "2026-11-21"]
    assert found.rows("day")[1].saved_usd is None
    assert [row.key for row in found.rows("model")] == ["cheap", "big", "tiny", ""]
    assert [row.key for row in found.rows("skill")] == ["code", "math"]
    assert found.faults == {("q", "timeout"): 2}
    assert found.latest == {("p", ""): NOON + 86_400, ("q", "timeout"): NOON}


@pytest.mark.parametrize("outcome", ["no_candidate", "budget_exhausted"])
def test_a_call_that_was_never_sent_has_no_part_in_the_times(outcome: str) -> None:
    calls = [call(time_s=2.0), *(call(model="", outcome=outcome, time_s=0.001) for _ in range(3))]
    (found,) = summed(calls, [], (DAY, DAY))
    assert found.total.call_s == Spread(2.0, 2.0, 2.0)
    assert (found.total.calls, found.total.failed) == (4, 3)


def test_nothing_used_is_no_error() -> None:
    store = SqliteStore(None)
    (found,) = summed(store.calls(DAY, DAY), store.attempts(DAY, DAY), (DAY, DAY))
    assert found.total.calls == 0
    assert found.total.saved_usd is None
    assert found.total.call_s is None
    assert found.rows("day") == ()
    store.close()


@pytest.mark.parametrize("known", [True, False])
def test_rows_are_built_from_a_completed_call(known: bool) -> None:
    cost = Decimal("0.01") if known else None
    tried = Attempt(
        "p/m", "p", "m", Fault.SCHEMA, "the prompt was: secret", 200, 0.5, 2.0, 0.1, None, cost
    )
    row = attempt_record(tried, call=1, number=2, at=NOON, skill="code", role="judge")
    assert row.cost_kind == ("computed" if known else "unknown")
    assert (row.fault, row.status, row.day, row.input) == ("schema_mismatch", 200, DAY, None)
    assert "secret" not in str(row)
    decision = Decision(
        (), (), Assessment((("code", 1.0),), 5.0, "rule"), Requirements(1, 1), "best", 0.1, "why"
    )
    receipt = Receipt("p/m", decision, (tried,), 2.5, cost, saved_usd=cost)
    done = call_record(decision, id=new_id(), ref="r", at=NOON, task="t", receipt=receipt)
    assert (done.model, done.outcome, done.cost_usd, done.time_s) == ("p/m", "answered", cost, 2.5)
    failed = call_record(
        decision, id=1, ref="r", at=NOON, task="t", outcome="timeout", cost_usd=cost, time_s=9.0
    )
    assert (failed.model, failed.outcome, failed.cost_usd, failed.time_s) == (
        "",
        "timeout",
        cost,
        9.0,
    )


def test_a_task_is_known_again_by_all_that_was_sent_and_nothing_else() -> None:
    task = Task("do it", system="well")
    assert task_hash(task) == task_hash(replace(task, tier="best"))
    others = [
        replace(task, prompt="do it!"),
        replace(task, system=""),
        replace(task, files=(Attachment("a", "text/plain", b"x"),)),
        Task("welldo it"),
    ]
    assert len({task_hash(t) for t in (task, *others)}) == 5


def test_ids_are_apart_even_from_a_forked_process(monkeypatch: pytest.MonkeyPatch) -> None:
    first = [new_id() for _ in range(1000)]
    monkeypatch.setattr(os, "getpid", lambda: 1)
    second = [new_id() for _ in range(1000)]
    assert len({*first, *second}) == 2000
    assert abs(second[0] - first[-1]) > 1000
