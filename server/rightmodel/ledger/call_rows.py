"""The rows of a call, out of its decision and its receipt: their ids and days, what is reserved.

Some are made for every call, so their fields are given by position, in the records' order: names
take five times as long.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from itertools import count
from typing import TYPE_CHECKING, Final

from rightmodel.ledger.records import UNKNOWN, AttemptRecord, CallRecord, Hold

if TYPE_CHECKING:
    from decimal import Decimal

    from rightmodel.core.call import Attempt, Receipt
    from rightmodel.core.decision import Decision
    from rightmodel.core.task import Task
    from rightmodel.ledger.records import CostKind, HoldRequest, Origin, Owner, Role

_FIRST_DAY: Final = 0.0
_LAST_DAY: Final = 253_370_764_799.0  # of the year 9998
_ID_BITS: Final = 62
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
_REF_LENGTH: Final = 8


def task_hash(task: Task) -> str:
    """Identifies a task without storing it: 128 bits over everything that was sent."""
    digest = blake2b(digest_size=16)
    for part in (task.system, *(message.text for message in task.content.messages)):
        digest.update(part.encode("utf-8", "surrogatepass") + b"\0")
    for file in task.files:
        digest.update(file.data)
    return digest.hexdigest()


def attempt_record(  # noqa: PLR0913 - what the ledger records of an attempt beside the attempt
    attempt: Attempt,
    *,
    call: int,
    number: int,
    at: float,
    skill: str,
    role: Role = "answer",
    expected_output: int | None = None,
    origin: Origin = UNKNOWN,
) -> AttemptRecord:
    """The row of an attempt that ended at `at`."""
    usage = attempt.usage
    known: CostKind = "billed" if attempt.billed else "computed"
    known = "bounded" if attempt.bounded else known
    return AttemptRecord(
        call,
        number,
        at,
        day_of(at),
        role,
        attempt.provider,
        attempt.model,
        attempt.name,
        skill,
        attempt.served,
        attempt.fault.value if attempt.fault else "",
        attempt.status,
        usage.input if usage else None,
        usage.cache_read if usage else None,
        usage.cache_write if usage else None,
        usage.output if usage else None,
        usage.reasoning if usage else None,
        attempt.cost_usd,
        "unknown" if attempt.cost_usd is None else known,
        attempt.cost_usd,
        attempt.time_s,
        attempt.first_token_s,
        expected_output,
        *origin,
    )


def call_record(  # noqa: PLR0913 - one keyword for each thing a decision does not know
    decision: Decision,
    *,
    id: int,  # noqa: A002 - the field's name
    ref: str,
    at: float,
    task: str,
    baseline: str = "",
    receipt: Receipt | None = None,
    outcome: str = "answered",
    cost_usd: Decimal | None = None,
    time_s: float = 0.0,
    flags: Iterable[str] = (),
    origin: Origin = UNKNOWN,
) -> CallRecord:
    """The row of a call that ended at `at`, with its receipt or, where it failed, without one.

    `cost_usd` and `time_s` are taken from the receipt where there is one.
    """
    assessment = decision.assessment
    return CallRecord(
        id,
        ref,
        at,
        day_of(at),
        task,
        assessment.skills,
        decision.level,
        assessment.source,
        assessment.confidence,
        decision.tier,
        decision.rule,
        decision.reason,
        receipt.model if receipt else "",
        outcome,
        decision.judge,
        receipt.cost_usd if receipt else cost_usd,
        baseline,
        receipt.baseline_usd if receipt else None,
        receipt.saved_usd if receipt else None,
        receipt.time_s if receipt else time_s,
        "\n".join(flags),
        *origin,
    )


def hold_of(request: HoldRequest, usd: Decimal, *, id: int, now: float, owner: Owner) -> Hold:  # noqa: A002 - the field's name
    """The reservation of that amount."""
    return Hold(
        id,
        *owner,
        now + request.lasts_s,
        day_of(now),
        request.model,
        request.skill,
        usd,
        request.call,
        request.number,
        request.provider,
        request.name,
        *request.origin,
    )


def settled(row: AttemptRecord, hold: Hold | None) -> AttemptRecord:
    """The row as budgets count it: in the period of the reservation, at its cost or the worst."""
    charged = row.cost_usd if row.cost_usd is not None or hold is None else hold.usd
    day = hold.day if hold else row.day
    if row.day == day and row.charged_usd == charged:
        return row
    return row._replace(day=day, charged_usd=charged)


def new_id() -> int:
    """A new id, 62 bits, unique among all processes.

    Ids of one process are consecutive, which indexes like, and start at random. No clock is used: a
    clock that stops or jumps must not produce equal ids.
    """
    if _Ids.pid != os.getpid():  # a forked process needs a start of its own
        _Ids.pid, _Ids.numbers = os.getpid(), count(secrets.randbits(_ID_BITS))
    return next(_Ids.numbers) & ((1 << _ID_BITS) - 1)


class _Ids:
    pid = 0
    numbers = count()


def new_ref() -> str:
    """A ref for a call: short, hard to guess, and easy to read out."""
    number, letters = secrets.randbelow(len(_ALPHABET) ** _REF_LENGTH), ""
    for _ in range(_REF_LENGTH):
        number, letter = divmod(number, len(_ALPHABET))
        letters += _ALPHABET[letter]
    return letters


def day_of(at: float) -> str:
    """The UTC day of a time, "2026-11-20"; the nearest there is for one outside all calendars."""
    return _day(int(min(max(at, _FIRST_DAY), _LAST_DAY)) // 86_400)


@lru_cache(16)
def _day(number: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(number * 86_400))


def seconds_left(now: float, period: str) -> float:
    """Until the UTC day or month ends."""
    at = min(max(now, _FIRST_DAY), _LAST_DAY)
    day = int(at) // 86_400
    end = (day + 1) * 86_400.0 if period == "day" else _month_end(day)
    return max(0.0, end - now)


@lru_cache(16)
def _month_end(day: int) -> float:
    """`day`: since 1970."""
    at = datetime.fromtimestamp(day * 86_400, UTC)
    over = at.month == 12  # noqa: PLR2004 - December
    return datetime(at.year + over, 1 if over else at.month + 1, 1, tzinfo=UTC).timestamp()
