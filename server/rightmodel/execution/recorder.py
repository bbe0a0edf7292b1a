"""What a call leaves in the ledger: money reserved before each attempt, every attempt, the call."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import RightmodelError
from rightmodel.core.fault import Fault
from rightmodel.execution.recall import kept_turns
from rightmodel.ledger.budget import Ask
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
    from rightmodel.core.decision import Decision
    from rightmodel.core.task import Task
    from rightmodel.execution.next_step import Plan, Step
    from rightmodel.execution.records import Records
    from rightmodel.ledger.ledger import Row
    from rightmodel.ledger.records import AttemptRecord, Hold
    from rightmodel.manifest.catalog import Catalog, Model


JUDGING: Final = "classify"
"""The skill that a judge's work counts as, where a budget is set for skills."""
CANCELLED: Final = "cancelled"
HOLD_MARGIN_S: Final = 300.0
"""A reservation outlives the longest call by so much before it may be taken for forgotten."""


class Bookkeeper:
    """Opens the book of each call. `clock`: seconds since 1970."""

    def __init__(self, catalog: Catalog, records: Records, clock: Callable[[], float]) -> None:
        self.catalog = catalog
        self.records = records
        self.clock = clock

    def open(self, task: Task, decision: Decision, ref: str) -> Book:
        """The book of a call that begins."""
        return Book(self, task, decision, ref)

    async def reserve_judge(self, model: Model, input_tokens: int, allowed: int) -> Hold | None:
        """Room for what a judgement costs at the most. Raises `BudgetError`."""
        if not self.records.limits.any:
            return None
        worst = estimate.worst_cost(model, input_tokens, allowed)
        return await self.records.reserve(Ask(model.id, JUDGING, worst))

    def judged(self, attempt: Attempt, hold: Hold | None, *, cancelled: bool = False) -> None:
        """A judge was asked; it is written down as a call's attempt of its own."""
        row = attempt_record(
            attempt, call=new_id(), number=0, at=self.clock(), skill=JUDGING, role="judge"
        )
        self.records.note(row._replace(fault=CANCELLED) if cancelled else row, hold=hold)


@dataclass(slots=True)
class Book:
    """One call's entries. `flags`: what the ledger wants the caller to know."""

    keeper: Bookkeeper
    task: Task
    decision: Decision
    ref: str
    id: int = field(default_factory=new_id)
    number: int = 0
    flags: dict[str, None] = field(default_factory=dict)
    failed_checks: list[str] = field(default_factory=list)
    costs: list[Decimal | None] = field(default_factory=list)

    async def reserve(self, plan: Plan, step: Step) -> Hold | None:
        """Room for the step's worst case. Raises `BudgetError`, which names what would fit."""
        if not self.keeper.records.limits.any:
            return None
        routing = self.keeper.catalog.routing
        tokens = self.decision.requirements.input_tokens
        others = tuple(
            (model.id, estimate.worst_cost(model, tokens, plan.allowance(model)))
            for model in plan.models.values()
        )
        return await self.keeper.records.reserve(
            Ask(
                model=step.model.id,
                skill=self.decision.assessment.skill,
                worst_usd=estimate.worst_cost(step.model, tokens, step.allowance),
                others=others,
                lasts_s=max(routing.deadline_s, routing.give_up_s) + HOLD_MARGIN_S,
            )
        )

    async def attempted(self, attempt: Attempt, hold: Hold | None) -> None:
        """An attempt ended: it is written down and what was reserved for it settled."""
        row = self._row(attempt)
        if attempt.fault is Fault.SCHEMA:
            self.failed_checks.append(attempt.model)
        if hold is None:
            self.keeper.records.note(row)
            return
        told = await self.keeper.records.record(row, hold=hold)
        self.flags.update(dict.fromkeys(told.flags))

    def cancelled(self, attempt: Attempt, hold: Hold | None) -> None:
        """An attempt was cut short by its caller."""
        self.keeper.records.note(self._row(attempt)._replace(fault=CANCELLED), hold=hold)

    def answered(self, answer: Answer) -> Answer:
        """The call ended well. Returns the answer, its receipt with what the ledger has to say."""
        receipt = answer.receipt
        rows: list[Row] = [
            call_record(
                self.decision,
                id=self.id,
                ref=self.ref,
                at=self.keeper.clock(),
                task=task_hash(self.task),
                baseline=self.keeper.catalog.baseline,
                receipt=receipt,
            )
        ]
        if self.task.schema is not None:
            # A schema that nobody met says nothing about those who failed it: see `failed`.
            rows += [self._check(model, good=0.0) for model in self.failed_checks]
            rows.append(self._check(receipt.model, good=1.0))
        if self.keeper.catalog.store_text:
            rows.append(Texts(self.id, self.task.prompt, answer.text, kept_turns(self.task)))
        self.keeper.records.note(*rows)
        trouble = self.keeper.records.trouble
        if trouble:
            self.flags[trouble.flag] = None
        return replace(answer, receipt=replace(receipt, flags=(*receipt.flags, *self.flags)))

    def failed(self, error: BaseException, time_s: float) -> None:
        """The call ended without an answer: what it cost is a loss against any baseline."""
        code = error.code if isinstance(error, RightmodelError) else CANCELLED
        baseline = self.keeper.catalog.baseline
        if self.decision.judge:
            self.costs.append(self.decision.judge_usd)
        unknown = None in self.costs
        spent_usd = sum((cost for cost in self.costs if cost is not None), Decimal(0))
        row = call_record(
            self.decision,
            id=self.id,
            ref=self.ref,
            at=self.keeper.clock(),
            task=task_hash(self.task),
            baseline=baseline,
            outcome=code,
            cost_usd=None if unknown else spent_usd,
            time_s=time_s,
        )
        if baseline and not unknown:
            row = row._replace(baseline_usd=Decimal(0), saved_usd=-spent_usd)
        self.keeper.records.note(row)

    def _row(self, attempt: Attempt) -> AttemptRecord:
        self.number += 1
        self.costs.append(attempt.cost_usd)
        return attempt_record(
            attempt,
            call=self.id,
            number=self.number,
            at=self.keeper.clock(),
            skill=self.decision.assessment.skill,
            expected_output=self.decision.requirements.output_tokens,
        )

    def _check(self, model: str, *, good: float) -> OutcomeRecord:
        """What an automatic check says of a model."""
        assessment = self.decision.assessment
        return OutcomeRecord(
            call=self.id,
            at=self.keeper.clock(),
            model=model,
            skills=assessment.skills,
            difficulty=self.decision.level,
            good=good,
            kind="check",
            task=task_hash(self.task),
        )
