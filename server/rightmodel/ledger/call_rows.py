"""The rows of a call and of its attempts, out of its decision and its receipt."""

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
        call=call,
        number=number,
        at=at,
        day=day_of(at),
        role=role,
        provider=attempt.provider,
        model=attempt.model,
        name=attempt.name,
        skill=skill,
        served=attempt.served,
        fault=attempt.fault.value if attempt.fault else "",
        status=attempt.status,
        input=usage.input if usage else None,
        cached=usage.cache_read if usage else None,
        cache_writes=usage.cache_write if usage else None,
        output=usage.output if usage else None,
        reasoning=usage.reasoning if usage else None,
        cost_usd=attempt.cost_usd,
        cost_kind="unknown" if attempt.cost_usd is None else known,
        charged_usd=attempt.cost_usd,
        time_s=attempt.time_s,
        first_token_s=attempt.first_token_s,
        expected_output=expected_output,
        **origin._asdict(),
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
        id=id,
        ref=ref,
        at=at,
        day=day_of(at),
        task=task,
        skills=assessment.skills,
        difficulty=decision.level,
        source=assessment.source,
        confidence=assessment.confidence,
        tier=decision.tier,
        rule=decision.rule,
        reason=decision.reason,
        model=receipt.model if receipt else "",
        outcome=outcome,
        judge=decision.judge,
        cost_usd=receipt.cost_usd if receipt else cost_usd,
        baseline=baseline,
        baseline_usd=receipt.baseline_usd if receipt else None,
        saved_usd=receipt.saved_usd if receipt else None,
        time_s=receipt.time_s if receipt else time_s,
        flags="\n".join(flags),
        **origin._asdict(),
    )
