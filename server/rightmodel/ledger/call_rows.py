"""The rows of a call and of its attempts, out of its decision and its receipt.

Some are made for every call, so their fields are given by position, in the records' order: names
take five times as long.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from rightmodel.ledger.records import UNKNOWN, AttemptRecord, CallRecord, day_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from rightmodel.core.call import Attempt, Receipt
    from rightmodel.core.decision import Decision
    from rightmodel.core.task import Task
    from rightmodel.ledger.records import CostKind, Origin, Role


def task_hash(task: Task) -> str:
    """Identifies a task without storing it: 128 bits over everything that was sent."""
    digest = blake2b(digest_size=16)
    for part in (task.system, *(message.text for message in task.messages)):
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
