"""The one loop that awaits providers: attempt, check, retry, fall over, escalate.

One absolute deadline per call, shared out over the attempts so that a slow first one leaves room
for a second. Nothing below this loop retries.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING, Final

from rightmodel.dispatch.checks import check, refuse_foreign_references
from rightmodel.dispatch.gate import Gate
from rightmodel.dispatch.plan import Plan, Step
from rightmodel.dispatch.receipt import RETRYABLE, exhausted, make_receipt, nothing_left
from rightmodel.dispatch.route import nothing_fits
from rightmodel.dispatch.trace import answered, attempt_span, attempted, call_span
from rightmodel.domain import EFFORTS, Answer, Attempt, Usage
from rightmodel.errors import Fault, ProviderError
from rightmodel.providers.base import ModelRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from rightmodel.dispatch.health import Health
    from rightmodel.dispatch.route import Router
    from rightmodel.domain import Completion, Decision, Protocol, Task
    from rightmodel.manifest.catalog import Catalog, Endpoint, Model, Provider
    from rightmodel.providers.base import ChatProvider

    Report = Callable[[str], None]

STALL_S: Final = 30.0
"""Silence in the middle of an answer that counts as a fault."""
LEAST_FIRST_TOKEN_S: Final = 2.0
BACKOFF_S: Final = 0.5
MOST_BACKOFF_S: Final = 8.0
CHARS_PER_TOKEN: Final = 4


@dataclass(slots=True)
class _Watch:
    """Moves the attempt's time limit on while something is heard."""

    scope: asyncio.Timeout
    now: Callable[[], float]
    end: float
    began: float
    chars: int = 0
    first_s: float | None = None
    moved: float = 0.0

    def heard(self, chars: int) -> None:
        self.chars += chars
        now = self.now()
        if self.first_s is None:
            self.first_s = now - self.began
        if now - self.moved > 1.0:  # moving a timer on every chunk would cost more than the chunk
            self.moved = now
            self.scope.reschedule(min(self.end, now + STALL_S))


@dataclass(slots=True)
class _Call:
    """One call on its way. `passing`: endpoints whose fault may be over some time."""

    task: Task
    decision: Decision
    plan: Plan
    began: float
    deadline: float
    give_up: float
    report: Report
    attempts: list[Attempt] = field(default_factory=list)
    errors: list[ProviderError] = field(default_factory=list)
    passing: list[Endpoint] = field(default_factory=list)
    soonest_s: float | None = None


class Dispatcher:
    """`key(provider)`: its key or "". `now`: monotonic seconds, the event loop's clock."""

    def __init__(  # noqa: PLR0913 - the composition root hands in every collaborator
        self,
        catalog: Catalog,
        router: Router,
        providers: Mapping[Protocol, ChatProvider],
        health: Health,
        *,
        key: Callable[[Provider], str],
        random: Random,
        now: Callable[[], float],
    ) -> None:
        self._catalog = catalog
        self._router = router
        self._providers = providers
        self._health = health
        self._key = key
        self._random = random
        self._now = now
        self._gate = Gate()

    async def complete(
        self,
        task: Task,
        *,
        deadline_s: float,
        give_up_s: float | None = None,
        report: Report = lambda _: None,
    ) -> Answer:
        """Route the task and bring back a checked answer.

        `deadline_s` shares out the time over attempts; `give_up_s` (never before the deadline)
        ends the call. `report` is told of every attempt. Raises `NoCandidateError`,
        `ExhaustedError`, `TaskError`.
        """
        began = self._now()
        if task.schema is not None:
            refuse_foreign_references(task.schema)
        decision = await self._router.route(task)
        if not decision.candidates:
            raise nothing_fits(decision)
        call = _Call(
            task,
            decision,
            self._plan(task, decision),
            began,
            began + deadline_s,
            began + max(deadline_s, give_up_s or 0.0),
            report,
        )
        with call_span(decision) as span:
            answer = await self._run(call)
            answered(span, answer.receipt)
            return answer

    def _plan(self, task: Task, decision: Decision) -> Plan:
        named = {c.model: self._catalog.find(c.model) for c in decision.candidates}
        return Plan(
            decision=decision,
            models=named,
            max_attempts=self._catalog.routing.max_attempts,
            max_escalations=self._catalog.routing.escalate,
            max_output_tokens=task.max_output_tokens,
            wait_s=self._health.wait_s,
            window=self._health.window,
            unreachable=self._health.unreachable,
            pick=self._health.pick,
            may_retry=self._health.may_retry,
            backoff_s=self._backoff,
            spent_usd=decision.judge_usd or Decimal(0),
        )

    def _backoff(self, times: int) -> float:
        """Full jitter: anywhere between nothing and an exponentially growing bound."""
        return self._random.uniform(0.0, min(MOST_BACKOFF_S, BACKOFF_S * 2**times))

    async def _run(self, call: _Call) -> Answer:
        while (step := call.plan.next()) is not None:
            wait = self._wait(call, step)
            if wait is None:
                call.soonest_s = step.wait_s
                break
            if wait:
                call.report(f"waiting {wait:.1f} s for {step.model.id}")
                await asyncio.sleep(wait)
                if self._health.wait_s(step.endpoint):
                    continue  # someone else is probing it, or it failed anew
            completion = await self._attempt(call, step)
            if completion is not None:
                time_s = self._now() - call.began
                receipt = make_receipt(
                    self._catalog,
                    task=call.task,
                    decision=call.decision,
                    attempts=call.attempts,
                    time_s=time_s,
                )
                return Answer(completion.text, receipt)
        if not call.attempts and call.soonest_s is None:
            raise nothing_left(call.decision, call.plan.spent_usd)
        raise exhausted(
            self._catalog,
            decision=call.decision,
            attempts=call.attempts,
            errors=call.errors,
            retry_after_s=self._retry_after(call),
        )

    def _retry_after(self, call: _Call) -> float | None:
        """Whole seconds until the first of what may recover can be tried again."""
        waits = [self._health.wait_s(endpoint) for endpoint in call.passing]
        if call.soonest_s is not None:
            waits.append(call.soonest_s)
        return float(ceil(min(waits, default=0.0))) or None

    def _wait(self, call: _Call, step: Step) -> float | None:
        """Seconds to wait before the step, `None` where it comes too late.

        The last endpoint is never shut out entirely: one that cools down past the end and was not
        tried in this call is tried at once, unless it said itself when to come back.
        """
        if self._now() + step.wait_s < self._end(call):
            return step.wait_s
        limited = self._health.state(step.endpoint).fault is Fault.RATE_LIMITED
        out_of_time = self._now() >= self._end(call)
        return None if step.retry or limited or out_of_time else 0.0

    async def _attempt(self, call: _Call, step: Step) -> Completion | None:
        """One try: the checked completion, or `None` after a failure that the plan knows of."""
        provider = step.endpoint.provider
        call.plan.began(step)
        with attempt_span(step.endpoint) as span:
            waiting = self._now()
            try:
                async with self._gate.place(provider, call.give_up):
                    completion = await self._ask(call, step)
            except ProviderError as error:
                completion = None
                self._note_failure(call, step, error, waiting, None)
            attempted(span, call.attempts[-1])
        return completion

    async def _ask(self, call: _Call, step: Step) -> Completion | None:
        provider = step.endpoint.provider
        call.report(f"attempt {call.plan.attempts}: {step.model.id} at {provider.name}")
        began = self._now()
        ticket = self._health.begin(step.endpoint, retry=step.retry)
        watch: _Watch | None = None
        try:
            async with asyncio.timeout_at(self._first_token_limit(call, step)) as scope:
                watch = _Watch(scope, self._now, call.give_up, began, moved=began - 2)
                completion = await self._providers[provider.protocol].complete(
                    self._request(call, step), watch
                )
        except TimeoutError:
            heard = watch is not None and watch.first_s is not None
            what = "the answer stalled" if heard else "no first token"
            error = ProviderError(
                Fault.TIMEOUT, f"{what} after {self._now() - began:.1f} s", provider=provider.name
            )
            self._failed(call, step, error, ticket, (began, watch))
            return None
        except ProviderError as error:
            self._failed(call, step, error, ticket, (began, watch))
            return None
        except BaseException:
            self._health.release(step.endpoint, ticket)
            raise
        self._health.succeed(step.endpoint, self._now() - began)
        return self._checked(call, step, completion, began)

    def _checked(
        self, call: _Call, step: Step, completion: Completion, began: float
    ) -> Completion | None:
        """The completion if it holds; else the failed check is noted, and what it cost with it."""
        attempt = self._attempt_of(call, step, began, completion)
        try:
            answer = check(call.task, completion)
        except ProviderError as error:
            self._note(call, step, error, attempt, cut=completion.finish == "length")
            return None
        call.attempts.append(attempt)
        return answer

    def _failed(
        self,
        call: _Call,
        step: Step,
        error: ProviderError,
        ticket: int,
        heard: tuple[float, _Watch | None],
    ) -> None:
        self._health.fail(step.endpoint, error, ticket)
        self._note_failure(call, step, error, *heard)

    def _note_failure(
        self, call: _Call, step: Step, error: ProviderError, began: float, watch: _Watch | None
    ) -> None:
        attempt = Attempt(
            model=step.model.id,
            provider=step.endpoint.provider.name,
            name=step.endpoint.name,
            start_s=began - call.began,
            time_s=self._now() - began,
            first_token_s=watch.first_s if watch else None,
            cost_usd=_cost_of_failure(call.decision, step, watch),
        )
        self._note(call, step, error, attempt)

    def _note(
        self, call: _Call, step: Step, error: ProviderError, attempt: Attempt, *, cut: bool = False
    ) -> None:
        """Put a failed attempt on record, and tell the plan."""
        failed = replace(attempt, fault=error.fault, message=str(error), status=error.status)
        call.attempts.append(failed)
        call.errors.append(error)
        if error.fault in RETRYABLE:
            call.passing.append(step.endpoint)
        call.plan.spent(attempt.cost_usd)
        call.plan.failed(step, error, cut=cut)
        call.report(f"{step.model.id}: {error.fault.value}")

    def _end(self, call: _Call) -> float:
        """What time is shared out up to: the deadline; in the background, giving up."""
        return call.deadline if self._now() < call.deadline else call.give_up

    def _first_token_limit(self, call: _Call, step: Step) -> float:
        """When silence ends the attempt: its share of what is left, the last one has it all."""
        now = self._now()
        if not call.plan.has_other:
            return call.give_up
        left = self._end(call) - now
        shares = max(1, min(call.plan.max_attempts - call.plan.attempts, 2)) + 1
        if "reasoning" in step.model.features and call.task.effort != "none":
            shares = 2  # it may think for long before the first token, and that is no fault
        return min(call.give_up, now + max(LEAST_FIRST_TOKEN_S, left / shares))

    def _request(self, call: _Call, step: Step) -> ModelRequest:
        task = call.task
        return ModelRequest(
            provider=step.endpoint.provider,
            name=step.endpoint.name,
            turns=task.turns,
            key=self._key(step.endpoint.provider),
            system=task.system,
            schema=task.schema,
            native_schema="json_schema" in step.model.features,
            effort=accepted_effort(step.model, task.effort),
            max_output_tokens=step.allowance,
            expect_input_tokens=call.decision.requirements.input_tokens,
        )

    def _attempt_of(self, call: _Call, step: Step, began: float, completion: Completion) -> Attempt:
        cost = completion.cost_usd
        if cost is None and completion.usage is not None:
            cost = step.model.price.cost(completion.usage)
        return Attempt(
            model=step.model.id,
            provider=step.endpoint.provider.name,
            name=step.endpoint.name,
            start_s=began - call.began,
            time_s=self._now() - began,
            first_token_s=completion.first_token_s,
            usage=completion.usage,
            cost_usd=cost,
            billed=completion.cost_usd is not None,
            served=completion.served,
        )


def accepted_effort(model: Model, effort: str) -> str:
    """The effort to send: the level asked for, the nearest that the model takes, or none at all."""
    if not effort or not model.effort:
        return ""
    if effort in model.effort:
        return effort
    wanted = EFFORTS.index(effort)
    return min(model.effort, key=lambda level: abs(EFFORTS.index(level) - wanted))


def _cost_of_failure(decision: Decision, step: Step, watch: _Watch | None) -> Decimal | None:
    """What a failed attempt is reckoned to have cost.

    Nothing before the first token; after it the prompt and as much of an answer as was heard.
    """
    if watch is None or watch.first_s is None:
        return Decimal(0)
    return step.model.price.cost(
        Usage(decision.requirements.input_tokens, watch.chars // CHARS_PER_TOKEN)
    )
