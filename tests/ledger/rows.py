"""Records to write, with what a test does not care about filled in."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from rightmodel.ledger.call_rows import day_of, new_id
from rightmodel.ledger.records import AttemptRecord, CallRecord, OutcomeRecord

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
DAY = "2026-11-20"
_numbers = count(1)


def attempt(usd: str | None = "0.01", *, at: float = NOON, **more: Any) -> AttemptRecord:
    cost = None if usd is None else Decimal(usd)
    values: dict[str, Any] = {
        "call": new_id(),
        "number": next(_numbers),
        "at": at,
        "day": day_of(at),
        "role": "answer",
        "provider": "p",
        "model": "p/m",
        "name": "m",
        "skill": "code",
        "cost_usd": cost,
        "cost_kind": "unknown" if cost is None else "computed",
        "charged_usd": cost,
    }
    return AttemptRecord(**{**values, **more})


def call(*, at: float = NOON, **more: Any) -> CallRecord:
    values: dict[str, Any] = {
        "id": new_id(),
        "ref": "k3f9",
        "at": at,
        "day": day_of(at),
        "task": "00ff",
        "skills": (("code", 0.75), ("reasoning", 0.25)),
        "difficulty": 5.5,
        "source": "rule",
        "confidence": 0.9,
        "tier": "balanced",
        "rule": "",
        "reason": "least expected total cost",
        "model": "p/m",
        "outcome": "answered",
    }
    return CallRecord(**{**values, **more})


def outcome(*, good: float = 1.0, at: float = NOON, **more: Any) -> OutcomeRecord:
    values: dict[str, Any] = {
        "call": new_id(),
        "at": at,
        "model": "p/m",
        "skills": (("code", 1.0),),
        "difficulty": 5.0,
        "good": good,
    }
    return OutcomeRecord(**{**values, **more})
