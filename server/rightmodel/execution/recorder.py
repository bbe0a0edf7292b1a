"""Records calls in the ledger: the reservation before each attempt, every attempt, the call."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import RightmodelError
from rightmodel.core.fault import Fault
from rightmodel.execution.recall import kept_turns
from rightmodel.ledger.budget import HoldRequest
from rightmodel.ledger.records import (
    OutcomeRecord,
    Texts,
    attempt_record,
    call_record,
    new_id,
    task_hash,
)
from rightmodel.routing import scoring as estimate

if TYPE_CHECKING:
    from collections.abc import Callable

    from rightmodel.core.call import Answer, Attempt
    from rightmodel.execution.call_state import CallState, Step
    from rightmodel.execution.records import Records
    from rightmodel.ledger.records import AttemptRecord, Hold, Row
    from rightmodel.manifest.catalog import Catalog, Endpoint, Model


JUDGING: Final = "classify"
"""The skill that the judge's attempts count as in budgets for skills."""
CANCELLED: Final = "cancelled"
HOLD_MARGIN_S: Final = 300.0
"""A reservation outlives the longest call by so much before its process may count as dead."""


class Recorder:
    """Records calls and the judge's attempts. `clock`: seconds since 1970."""

    def __init__(self, catalog: Catalog, records: Records, clock: Callable[[], float]) -> None:
        self.catalog = catalog
        self.records = records
        self.clock = clock

    def open(self, state: CallState, ref: str) -> CallRecorder:
        """The recorder of a call that begins."""
        return CallRecorder(self, state, ref)

    async def reserve_judge(
        self, model: Model, endpoint: Endpoint, input_tokens: int, allowed: int
    ) -> Hold | None:
        """Reserve the worst case of asking the judge. Raises `BudgetError`."""
        return await self.records.reserve(
            HoldRequest(
                model.id,
                JUDGING,
                estimate.worst_cost(model, input_tokens, allowed),
                call=new_id(),
                provider=endpoint.provider.name,
                name=endpoint.name,
            )
        )

    def judged(self, attempt: Attempt, hold: Hold | None, *, cancelled: bool = False) -> None:
        """Record an attempt to ask the judge; in the ledger it is a call of its own."""
        row = attempt_record(
            attempt,
            call=hold.call if hold else new_id(),
            number=0,
            at=self.clock(),
            skill=JUDGING,
            role="judge",
        )
        self.records.settle(hold, row._replace(fault=CANCELLED) if cancelled else row)


@dataclass(slots=True)
class CallRecorder:
    """Records one call. `flags`: of the ledger, for the receipt."""

    owner: Recorder
    state: CallState
    ref: str
    id: int = field(default_factory=new_id)
    number: int = 0
    flags: dict[str, None] = field(default_factory=dict)
    failed_checks: list[str] = field(default_factory=list)

    async def reserve(self, step: Step) -> Hold | None:
        """Reserve the step's worst case. Raises `BudgetError`, which names what would fit."""
        routing = self.owner.catalog.routing
        state = self.state
        tokens = state.decision.requirements.input_tokens
        others: tuple[tuple[str, Decimal | None], ...] = ()
        if self.owner.records.limits.any:
            others = tuple(
                (model.id, estimate.worst_cost(model, tokens, state.allowance(model)))
                for model in state.models.values()
            )
        return await self.owner.records.reserve(
            HoldRequest(
                model=step.model.id,
                skill=self.state.decision.assessment.skill,
                worst_usd=estimate.worst_cost(step.model, tokens, step.allowance),
                others=others,
                lasts_s=max(routing.deadline_s, routing.give_up_s) + HOLD_MARGIN_S,
                expected_usd=step.candidate.cost_usd,
                call=self.id,
                number=self.number + 1,
                provider=step.endpoint.provider.name,
                name=step.endpoint.name,
                client=self.state.task.client,
            )
        )

    def attempted(self, attempt: Attempt, hold: Hold | None) -> None:
        """Record an attempt that ended, and settle its reservation."""
        if attempt.fault is Fault.SCHEMA:
            self.failed_checks.append(attempt.model)
        if attempt.bounded:
            self.flags[f"cost_bounded={attempt.model}"] = None
        flags = self.owner.records.settle(hold, self._row(attempt))
        self.flags.update(dict.fromkeys(flags))

    def cancelled(self, attempt: Attempt, hold: Hold | None) -> None:
        """Record an attempt that its caller cancelled, and settle its reservation."""
        self.owner.records.settle(hold, self._row(attempt)._replace(fault=CANCELLED))

    def answered(self, answer: Answer) -> Answer:
        """Record a call that was answered. Returns it with the ledger's flags."""
        receipt = answer.receipt
        rows: list[Row] = [
            call_record(
                self.state.decision,
                id=self.id,
                ref=self.ref,
                at=self.owner.clock(),
                task=task_hash(self.state.task),
                baseline=self.owner.catalog.baseline,
                receipt=receipt,
                client=self.state.task.client,
            )
        ]
        if self.state.task.schema is not None:
            # A schema that no model met says nothing about those that failed it: see `failed`.
            rows += [self._check(model, good=0.0) for model in self.failed_checks]
            rows.append(self._check(receipt.model, good=1.0))
        if self.owner.catalog.store_text:
            rows.append(
                Texts(self.id, self.state.task.prompt, answer.text, kept_turns(self.state.task))
            )
        self.owner.records.note(*rows)
        trouble = self.owner.records.trouble
        if trouble:
            self.flags[trouble.flag] = None
        return replace(answer, receipt=replace(receipt, flags=(*receipt.flags, *self.flags)))

    def failed(self, error: BaseException, time_s: float) -> None:
        """Record a call without an answer: its cost is a loss against any baseline."""
        code = error.code if isinstance(error, RightmodelError) else CANCELLED
        baseline = self.owner.catalog.baseline
        cost_usd = self.state.cost_usd
        row = call_record(
            self.state.decision,
            id=self.id,
            ref=self.ref,
            at=self.owner.clock(),
            task=task_hash(self.state.task),
            baseline=baseline,
            outcome=code,
            cost_usd=cost_usd,
            time_s=time_s,
            client=self.state.task.client,
        )
        if baseline and cost_usd is not None:
            row = row._replace(baseline_usd=Decimal(0), saved_usd=-cost_usd)
        self.owner.records.note(row)

    def _row(self, attempt: Attempt) -> AttemptRecord:
        self.number += 1
        return attempt_record(
            attempt,
            call=self.id,
            number=self.number,
            at=self.owner.clock(),
            skill=self.state.decision.assessment.skill,
            expected_output=self.state.decision.requirements.output_tokens,
            client=self.state.task.client,
        )

    def _check(self, model: str, *, good: float) -> OutcomeRecord:
        """The outcome of an automatic check."""
        assessment = self.state.decision.assessment
        return OutcomeRecord(
            call=self.id,
            at=self.owner.clock(),
            model=model,
            skills=assessment.skills,
            difficulty=self.state.decision.level,
            good=good,
            kind="check",
            task=task_hash(self.state.task),
        )
