"""Rows out of a decision and a receipt: every value is in the field of its name."""

from __future__ import annotations

from decimal import Decimal

from rightmodel.core.call import Attempt, Receipt, Usage
from rightmodel.core.decision import Assessment, Decision, Requirements
from rightmodel.core.fault import Fault
from rightmodel.ledger.call_rows import attempt_record, call_record, hold_of
from rightmodel.ledger.records import AttemptRecord, CallRecord, Hold, HoldRequest, Origin, Owner

NOON = 1_795_176_000.0
ORIGIN = Origin("alice", "5e55", "ask", "box", "alice_w")
ATTEMPT = Attempt(
    "p/m",
    "p",
    "m-1",
    fault=Fault.TIMEOUT,
    status=504,
    time_s=2.5,
    first_token_s=0.5,
    usage=Usage(100, 50, 40, 30, 20),
    cost_usd=Decimal("0.02"),
    billed=True,
    served="m-2026",
)
DECISION = Decision(
    (),
    (),
    Assessment((("code", 1.0),), 6.0, "learned", 0.8),
    Requirements(1, 1),
    "best",
    0.5,
    "why",
    rule="a rule",
    judge="p/tiny",
    level=5.5,
)
RECEIPT = Receipt(
    "p/m", DECISION, (ATTEMPT,), 3.5, Decimal("0.03"), Decimal("0.10"), Decimal("0.07")
)


def test_an_attempts_row() -> None:
    made = attempt_record(
        ATTEMPT, call=7, number=2, at=NOON, skill="code", expected_output=60, origin=ORIGIN
    )
    assert made == AttemptRecord(
        call=7,
        number=2,
        at=NOON,
        day="2026-11-20",
        role="answer",
        provider="p",
        model="p/m",
        name="m-1",
        skill="code",
        served="m-2026",
        fault="timeout",
        status=504,
        input=100,
        cached=40,
        cache_writes=30,
        output=50,
        reasoning=20,
        cost_usd=Decimal("0.02"),
        cost_kind="billed",
        charged_usd=Decimal("0.02"),
        time_s=2.5,
        first_token_s=0.5,
        expected_output=60,
        **ORIGIN._asdict(),
    )


def test_a_calls_row() -> None:
    made = call_record(
        DECISION,
        id=7,
        ref="k3f9",
        at=NOON,
        task="00ff",
        baseline="p/big",
        receipt=RECEIPT,
        flags=("explored", "note"),
        origin=ORIGIN,
    )
    assert made == CallRecord(
        id=7,
        ref="k3f9",
        at=NOON,
        day="2026-11-20",
        task="00ff",
        skills=(("code", 1.0),),
        difficulty=5.5,
        source="learned",
        confidence=0.8,
        tier="best",
        rule="a rule",
        reason="why",
        model="p/m",
        outcome="answered",
        judge="p/tiny",
        cost_usd=Decimal("0.03"),
        baseline="p/big",
        baseline_usd=Decimal("0.10"),
        saved_usd=Decimal("0.07"),
        time_s=3.5,
        flags="explored\nnote",
        **ORIGIN._asdict(),
    )


def test_a_reservation() -> None:
    request = HoldRequest(
        "p/m", "code", Decimal(1), lasts_s=60, call=7, number=2, provider="p", name="m-1",
        origin=ORIGIN,
    )  # fmt: skip
    made = hold_of(request, Decimal("0.5"), id=9, now=NOON, owner=Owner("here", 3, "ticks"))
    assert made == Hold(
        id=9,
        owner="here",
        pid=3,
        started="ticks",
        expires=NOON + 60,
        day="2026-11-20",
        model="p/m",
        skill="code",
        usd=Decimal("0.5"),
        call=7,
        number=2,
        provider="p",
        name="m-1",
        **ORIGIN._asdict(),
    )
