"""What is recorded of a call: ledger rows, its receipt, OpenTelemetry spans and log lines.

Spans follow the GenAI conventions and are no-ops without an SDK installed. Neither spans nor logs
hold prompts, answers, keys or an upstream's own words, which may echo any of them.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode

from rightmodel import __version__
from rightmodel.core.call import Answer, Attempt, Completion, Receipt, Usage, same_model
from rightmodel.core.decision import Decision, SessionView
from rightmodel.core.errors import RightmodelError
from rightmodel.core.fault import Fault
from rightmodel.execution.records import Records, kept_turns
from rightmodel.ledger.call_rows import attempt_record, call_record, new_id, task_hash
from rightmodel.ledger.records import UNKNOWN, Choice, HoldRequest, Origin, OutcomeRecord, Texts
from rightmodel.routing.scoring import worst_cost
from rightmodel.routing.session import Horizon, horizon, with_warm_cache

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.util.types import AttributeValue

    from rightmodel.core.task import Task
    from rightmodel.execution.call_state import CallState, Step
    from rightmodel.ledger.records import AttemptRecord, CallRecord, Hold, Row
    from rightmodel.manifest.catalog import Catalog, Endpoint, Model

logger = logging.getLogger("rightmodel.execution")
tracer = trace.get_tracer("rightmodel", __version__)
_NO_SPAN: Final = nullcontext(None)

PROVIDER_NAMES: Final = {"google": "gcp.gemini", "xai": "x_ai", "mistral": "mistral_ai"}
"""Where the conventions' well-known value differs from the manifest's name."""
JUDGING: Final = "classify"
"""The skill that the judge's attempts count as in budgets for skills."""
CANCELLED: Final = "cancelled"
HOLD_MARGIN_S: Final = 300.0
"""A reservation outlives the longest call by so much before its process may count as dead."""


class Recorder:
    """Records calls and the judge's attempts.

    `clock`: seconds since 1970. `here`: the process, as far as an `Origin` names it.
    """

    def __init__(
        self, catalog: Catalog, records: Records, clock: Callable[[], float], here: Origin = UNKNOWN
    ) -> None:
        self.catalog = catalog
        self.records = records
        self.clock = clock
        self._here = here

    def origin(self, task: Task) -> Origin:
        """Who hands over the task."""
        turn, here = task.turn, self._here
        session, kind = (turn.session, turn.kind) if turn else ("", "subtask")
        return Origin(task.client, session, kind, here.host, here.user_name)

    def open(self, state: CallState, ref: str) -> CallRecorder:
        """The recorder of a call that begins."""
        needed, skill = state.decision.requirements, state.decision.assessment.skills[0][0]
        is_limited = needed.max_cost_usd is not None or bool(self.records.limits.limits)
        who = self.origin(state.task)
        return CallRecorder(self, state, ref, skill, who, is_limited, new_id(), state.decision)

    async def reserve_judge(
        self, model: Model, endpoint: Endpoint, input_tokens: int, allowed: int, task: Task
    ) -> Hold | None:
        """Reserve the worst case of asking the judge about a task. Raises `BudgetError`."""
        return await self.records.reserve(
            HoldRequest(
                model.id,
                JUDGING,
                worst_cost(model, input_tokens, allowed),
                call=new_id(),
                provider=endpoint.provider.name,
                name=endpoint.name,
                origin=self.origin(task),
            )
        )

    def judged(
        self, attempt: Attempt, hold: Hold | None, task: Task, *, cancelled: bool = False
    ) -> None:
        """Record an attempt to ask the judge about a task: a call of its own in the ledger."""
        row = attempt_record(
            attempt,
            call=hold.call if hold else new_id(),
            number=0,
            at=self.clock(),
            skill=JUDGING,
            role="judge",
            origin=self.origin(task),
        )
        self.records.settle(hold, row._replace(fault=CANCELLED) if cancelled else row)


@dataclass(slots=True)
class CallRecorder:
    """Records one call. `skill`: the task's heaviest. `flags`: of the ledger, for the receipt.

    `is_limited`: whether money is, so that every request needs a limit on its output. `decision`:
    with the reason for the model that is tried.
    """

    owner: Recorder
    state: CallState
    ref: str
    skill: str
    origin: Origin
    is_limited: bool
    id: int
    decision: Decision
    number: int = 0
    flags: dict[str, None] = field(default_factory=dict)
    failed_checks: list[str] = field(default_factory=list)

    def span(self) -> AbstractContextManager[Span | None]:
        """The span of the call; its attempts are its children. `None` where nobody traces."""
        if not _is_traced():
            return _NO_SPAN
        decision = self.state.decision
        return _span(
            "rightmodel.complete",
            {
                "rightmodel.skill": self.skill,
                "rightmodel.difficulty": decision.assessment.difficulty,
                "rightmodel.source": decision.assessment.source,
                "rightmodel.tier": decision.tier,
                "rightmodel.candidates": len(self.state.candidates),
            },
        )

    def attempt_span(self, step: Step) -> AbstractContextManager[Span | None]:
        """The span of an attempt."""
        if not _is_traced():
            return _NO_SPAN
        provider = step.endpoint.provider.name
        return _span(
            f"chat {step.endpoint.name}",
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.provider.name": PROVIDER_NAMES.get(provider, provider),
                "gen_ai.request.model": step.endpoint.name,
            },
            SpanKind.CLIENT,
        )

    async def reserve(self, step: Step) -> Hold | None:
        """Reserve the step's worst case. Raises `BudgetError`, which names what would fit."""
        records, decision = self.owner.records, self.state.decision
        routing, is_limited = self.owner.catalog.routing, bool(records.limits.limits)
        hold = await records.reserve(
            HoldRequest(
                model=step.model.id,
                skill=self.skill,
                worst_usd=self._worst_usd(step.model, step.allowance) if is_limited else None,
                others=self._others,
                fits=partial(self._tokens_for, step.model),
                lasts_s=max(routing.deadline_s, routing.give_up_s) + HOLD_MARGIN_S,
                expected_usd=step.candidate.cost_usd,
                call=self.id,
                number=self.number + 1,
                provider=step.endpoint.provider.name,
                name=step.endpoint.name,
                origin=self.origin,
            )
        )
        self.decision = replace(decision, reason=step.reason) if step.reason else decision
        return hold

    def _others(self) -> list[tuple[str, Decimal | None]]:
        """The worst case of each candidate."""
        state = self.state
        return [(m.id, self._worst_usd(m, state.allowance(m))) for m in state.models.values()]

    def _tokens_for(self, model: Model, usd: Decimal) -> int:
        """Output tokens of the model that so much covers, after the prompt's worst case."""
        price, billable = model.price.rates(self.state.billable), self.state.billable
        if price.input is None or not price.output:
            return 0
        return max(0, int((usd - billable * price.input) / price.output))

    def _worst_usd(self, model: Model, allowed: int) -> Decimal | None:
        return model.price.cost(Usage(self.state.billable, allowed))

    def attempted(self, hold: Hold | None, span: Span | None) -> None:
        """The state has one more attempt: record and settle it."""
        attempt = self.state.attempts[-1]
        _describe(attempt, attempt.fault.value if attempt.fault else "", span)
        if attempt.fault is Fault.SCHEMA:
            self.failed_checks.append(attempt.model)
        if attempt.bounded:
            self.flags[f"cost_bounded={attempt.model}"] = None
        self.flags.update(dict.fromkeys(self.owner.records.settle(hold, self._row(attempt))))

    def cancelled(self, hold: Hold | None, span: Span | None) -> None:
        """The latest attempt was cancelled by the caller: record and settle it."""
        attempt = self.state.attempts[-1]
        _describe(attempt, CANCELLED, span)
        self.owner.records.settle(hold, self._row(attempt)._replace(fault=CANCELLED))

    def answered(
        self, completion: Completion, span: Span | None, *, allowance: int, time_s: float
    ) -> Answer:
        """Record the call whose last attempt gave the answer. `allowance`: its output tokens."""
        state, at = self.state, self.owner.clock()
        receipt = self._receipt(allowance=allowance, at=at, time_s=time_s)
        if state.task.turn is None:
            self._note(completion, receipt, at)
        else:  # a turn's client waits for its response, not for the record of it
            asyncio.get_running_loop().call_soon(self._note, completion, receipt, at)
        if span is not None:
            span.set_attribute("rightmodel.model", receipt.model)
            span.set_attribute("rightmodel.attempts", len(receipt.attempts))
            if receipt.cost_usd is not None:
                span.set_attribute("rightmodel.cost_usd", float(receipt.cost_usd))
        return Answer(completion.text, receipt, completion)

    def _note(self, completion: Completion, receipt: Receipt, at: float) -> None:
        """Record the answered call, as far as its attempts do not. `at`: when it was answered."""
        state, owner = self.state, self.owner
        rows: list[Row] = [self._choice(), self._call_row(at, receipt=receipt)]
        if state.task.schema is not None:
            # A schema that no model met is no evidence about those that failed it: see `_failed`.
            rows += [self._check(model, good=0.0) for model in self.failed_checks]
            rows.append(self._check(receipt.model, good=1.0))
        if owner.catalog.store_text:
            rows.append(Texts(self.id, state.task.prompt, completion.text, kept_turns(state.task)))
        owner.records.note(*rows)
        logger.info(
            "answered model=%s attempts=%d cost_usd=%s time_s=%.3f",
            receipt.model,
            len(receipt.attempts),
            receipt.cost_usd,
            receipt.time_s,
        )

    def _receipt(self, *, allowance: int, at: float, time_s: float) -> Receipt:
        state = self.state
        attempts, cost = state.attempts, state.cost_usd
        last, baseline = attempts[-1], self.owner.catalog.baseline_model
        flags = [f"refused={a.model}" for a in attempts if a.fault is Fault.REFUSED]
        flags += ["explored"] if state.decision.explored else []
        baseline_usd = None
        if baseline is not None and last.usage is not None:
            countable = state.countable(last.usage, allowance)
            if state.task.turn is not None:
                turn = self._horizon(at - time_s)
                countable = with_warm_cache(countable, baseline, turn, last.usage.cache_read)
            baseline_usd = baseline.price.cost(countable, at)
        is_named = last.served in {"", last.name} or same_model(last.served, last.name)
        return Receipt(
            model=last.model,
            decision=self.decision,
            attempts=tuple(attempts),
            time_s=time_s,
            cost_usd=cost,
            baseline_usd=baseline_usd,
            saved_usd=None if baseline_usd is None or cost is None else baseline_usd - cost,
            served="" if is_named else last.served,
            files=tuple(file.path for file in state.task.files),
            ref=self.ref,
            flags=(*flags, *self.flags),
        )

    def _horizon(self, at: float) -> Horizon:
        """The call as a turn of its session, which is a new one where it belongs to none."""
        task, prompt = self.state.task, self.state.decision.requirements.input_tokens
        kind = task.turn.kind if task.turn else "ask"
        return horizon(task.session or SessionView(), kind, prompt, at)

    def failed(self, error: BaseException, span: Span | None, time_s: float) -> None:
        """Record a call without an answer: its cost is a loss against any baseline."""
        code = error.code if isinstance(error, RightmodelError) else CANCELLED
        if span is not None:
            span.set_attribute("error.type", code)
            span.set_status(StatusCode.ERROR, code)
        cost_usd = self.state.cost_usd
        row = self._call_row(self.owner.clock(), outcome=code, cost_usd=cost_usd, time_s=time_s)
        if row.baseline and cost_usd is not None:
            row = row._replace(baseline_usd=Decimal(0), saved_usd=-cost_usd)
        self.owner.records.note(row, self._choice())

    def _call_row(self, at: float, **ended: Any) -> CallRecord:
        return call_record(
            self.decision,
            id=self.id,
            ref=self.ref,
            at=at,
            task=task_hash(self.state.task),
            baseline=self.owner.catalog.baseline,
            flags=self.flags,
            origin=self.origin,
            **ended,
        )

    def _choice(self) -> Choice:
        decision = self.state.decision
        return Choice(self.id, decision.loss_usd, self.state.candidates, decision.rejections)

    def _row(self, attempt: Attempt) -> AttemptRecord:
        self.number += 1
        return attempt_record(
            attempt,
            call=self.id,
            number=self.number,
            at=self.owner.clock(),
            skill=self.skill,
            expected_output=self.state.decision.requirements.output_tokens,
            origin=self.origin,
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


def _is_traced() -> bool:
    """Whether spans go anywhere: an SDK is set up before the first call, or never."""
    return not isinstance(tracer, trace.ProxyTracer) or _has_sdk()


@cache
def _has_sdk() -> bool:
    return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def _span(
    name: str, attributes: Mapping[str, AttributeValue], kind: SpanKind = SpanKind.INTERNAL
) -> AbstractContextManager[Span]:
    """A span around a block. An error's words are left out: they may echo the prompt."""
    return tracer.start_as_current_span(
        name,
        kind=kind,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    )


def _describe(attempt: Attempt, fault: str, span: Span | None) -> None:
    """Log line and span of an attempt that ended."""
    logger.info(
        "attempt model=%s provider=%s outcome=%s status=%d time_s=%.3f",
        attempt.model,
        attempt.provider,
        fault or "ok",
        attempt.status,
        attempt.time_s,
    )
    if span is None:
        return
    if attempt.usage is not None:
        span.set_attribute("gen_ai.usage.input_tokens", attempt.usage.input)
        span.set_attribute("gen_ai.usage.output_tokens", attempt.usage.output)
    if attempt.served:
        span.set_attribute("gen_ai.response.model", attempt.served)
    if fault:
        span.set_attribute("error.type", fault)
        span.set_status(StatusCode.ERROR, fault)
