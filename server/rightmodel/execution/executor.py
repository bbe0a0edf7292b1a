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

from rightmodel.core.call import Answer, Attempt, AttemptFailed, AttemptStarted, Waiting
from rightmodel.core.errors import BudgetError, ProviderError
from rightmodel.core.fault import Fault
from rightmodel.execution.attempt import Try, Watch, request_of
from rightmodel.execution.limiter import Gate
from rightmodel.execution.next_step import Plan, Step
from rightmodel.execution.receipts import exhausted, make_receipt, nothing_left
from rightmodel.execution.tracing import answered, attempt_span, attempted, call_span
from rightmodel.execution.validation import check
from rightmodel.routing.explore import explored
from rightmodel.routing.router import nothing_fits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from rightmodel.core.call import Completion, Listener
    from rightmodel.core.decision import Decision
    from rightmodel.core.task import Task, WireFormat
    from rightmodel.execution.breaker import Health
    from rightmodel.execution.recorder import Book, Bookkeeper
    from rightmodel.execution.schema_checker import SchemaChecker
    from rightmodel.manifest.catalog import Catalog, Endpoint, Provider
    from rightmodel.routing.router import Router
    from rightmodel.upstream.exchange import Upstream
    from rightmodel.wire.request import ModelRequest

LEAST_FIRST_TOKEN_S: Final = 2.0
BACKOFF_S: Final = 0.5
MOST_BACKOFF_S: Final = 8.0
LOOK_AGAIN_S: Final = 5.0
"""Whoever waits for one endpoint looks so often whether another is back before it."""
PROBE_S: Final = 5.0
"""Least time to a first token for an endpoint that kept silent the last time, and is probed."""


@dataclass(slots=True)
class _Call:
    """One call on its way. `passing`: endpoints whose fault may be over some time."""

    task: Task
    decision: Decision
    plan: Plan
    book: Book
    began: float
    deadline: float
    give_up: float
    listener: Listener
    attempts: list[Attempt] = field(default_factory=list)
    errors: list[ProviderError] = field(default_factory=list)
    passing: list[Endpoint] = field(default_factory=list)
    soonest_s: float | None = None
    no_room: BudgetError | None = None
    watch: Watch | None = None


class Executor:
    """`key(provider)`: its key or "". `now`: monotonic seconds, the event loop's clock."""

    def __init__(  # noqa: PLR0913 - the composition root hands in every collaborator
        self,
        catalog: Catalog,
        router: Router,
        providers: Mapping[WireFormat, Upstream],
        health: Health,
        *,
        key: Callable[[Provider], str],
        random: Random,
        now: Callable[[], float],
        books: Bookkeeper,
        checker: SchemaChecker,
    ) -> None:
        self._catalog = catalog
        self._router = router
        self._providers = providers
        self._health = health
        self._key = key
        self._random = random
        self._now = now
        self._books = books
        self._checker = checker
        self._gate = Gate()

    async def complete(
        self,
        task: Task,
        *,
        deadline_s: float,
        give_up_s: float | None = None,
        listener: Listener = lambda _: None,
        ref: str = "",
    ) -> Answer:
        """Route the task and bring back a checked answer.

        `deadline_s` shares out the time over attempts; `give_up_s` (never before the deadline)
        ends the call. `listener` receives every event. `ref`: by which the ledger finds the call
        again. Raises `NoCandidateError`, `ExhaustedError`, `BudgetError`, `TaskError`.
        """
        began = self._now()
        if task.schema is not None:
            await self._checker.check_schema(task.schema)
        decision = explored(
            await self._router.route(task), self._catalog.routing.explore, self._random
        )
        call = _Call(
            task,
            decision,
            self._plan(task, decision),
            self._books.open(task, decision, ref),
            began,
            began + deadline_s,
            began + max(deadline_s, give_up_s or 0.0),
            listener,
        )
        try:
            with call_span(decision) as span:
                answer = await self._run(call)
                answered(span, answer.receipt)
        except BaseException as error:
            call.book.failed(error, self._now() - began)
            raise
        return call.book.answered(answer)

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
            is_spare=self._health.is_spare,
            pick=self._health.pick,
            may_retry=self._health.may_retry,
            backoff_s=self._backoff,
            spent_usd=decision.judge_usd or Decimal(0),
        )

    def _backoff(self, times: int) -> float:
        """Full jitter: anywhere between nothing and an exponentially growing bound."""
        return self._random.uniform(0.0, min(MOST_BACKOFF_S, BACKOFF_S * 2**times))

    async def _run(self, call: _Call) -> Answer:
        if not call.decision.candidates:
            raise nothing_fits(call.decision)
        while (step := call.plan.next()) is not None:
            wait = self._wait(call, step)
            if wait is None:
                call.soonest_s = step.wait_s
                break
            if wait:
                call.listener(Waiting(step.model.id, wait))
                await asyncio.sleep(min(wait, LOOK_AGAIN_S))
                if wait > LOOK_AGAIN_S or self._health.wait_s(step.endpoint):
                    continue  # another may be back; someone else is probing it, or it failed anew
            completion = await self._attempt(call, step)
            if completion is not None:
                time_s = self._now() - call.began
                receipt = make_receipt(
                    self._catalog,
                    task=call.task,
                    decision=call.decision,
                    attempts=call.attempts,
                    allowance=step.allowance,
                    at=self._books.clock(),
                    time_s=time_s,
                )
                return Answer(completion.text, receipt)
        if call.no_room and not call.attempts:
            raise call.no_room
        if not call.attempts and call.soonest_s is None:
            raise nothing_left(call.decision, call.plan.spent_usd)
        raise exhausted(
            self._catalog,
            decision=call.decision,
            attempts=call.attempts,
            errors=call.errors,
            retry_after_s=self._retry_after(call),
            no_room=str(call.no_room or ""),
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
        try:
            hold = await call.book.reserve(call.plan, step)
        except BudgetError as error:
            call.no_room = call.no_room or error
            call.plan.has_no_room(step)
            call.book.flags[f"over_budget={step.model.id}"] = None
            return None
        call.plan.began(step)
        call.watch = None
        made, began = len(call.attempts), self._now()
        try:
            completion = await self._in_place(call, step)
        finally:
            if len(call.attempts) == made:
                call.book.cancelled(self._broken_off(call, step, began, None), hold)
        call.book.attempted(call.attempts[-1], hold)
        return completion

    async def _in_place(self, call: _Call, step: Step) -> Completion | None:
        """The attempt once the provider has room for one more request."""
        with attempt_span(step.endpoint) as span:
            waiting = self._now()
            try:
                async with self._gate.place(step.endpoint.provider, call.give_up):
                    completion = await self._ask(call, step)
            except ProviderError as error:
                completion = None
                self._note(call, step, error, self._broken_off(call, step, waiting, error))
            attempted(span, call.attempts[-1])
        return completion

    async def _ask(self, call: _Call, step: Step) -> Completion | None:
        provider = step.endpoint.provider
        call.listener(AttemptStarted(len(call.attempts) + 1, step.model.id, provider.name))
        began = self._now()
        ticket = self._health.begin(step.endpoint, retry=step.retry)
        try:
            async with asyncio.timeout_at(self._first_token_limit(call, step)) as scope:
                call.watch = Watch(scope, self._now, call.give_up, began, moved=began - 2)
                completion = await self._providers[provider.protocol].complete(
                    self._request(call, step), call.watch
                )
        except TimeoutError:
            heard = call.watch is not None and call.watch.first_s is not None
            what = "the answer stalled" if heard else "no first token"
            error = ProviderError(
                Fault.TIMEOUT, f"{what} after {self._now() - began:.1f} s", provider=provider.name
            )
            self._failed(call, step, error, ticket, began)
            return None
        except ProviderError as error:
            self._failed(call, step, error, ticket, began)
            return None
        except BaseException:
            self._health.release(step.endpoint, ticket)
            raise
        self._health.succeed(step.endpoint, self._now() - began)
        return await self._checked(call, step, completion, began)

    def _request(self, call: _Call, step: Step) -> ModelRequest:
        """Where money is limited, an answer without a limit is not asked for."""
        limited = (
            call.decision.requirements.max_cost_usd is not None or self._books.records.limits.any
        )
        key = self._key(step.endpoint.provider)
        return request_of(call.task, call.decision, step, key, uncapped=not limited)

    async def _checked(
        self, call: _Call, step: Step, completion: Completion, began: float
    ) -> Completion | None:
        """The completion if it holds; else the failed check is noted, and what it cost with it."""
        attempt = _try(call, step, began).completed(
            completion, at=self._books.clock(), time_s=self._now() - began
        )
        try:
            answer = await check(call.task, completion, self._checker)
        except ProviderError as error:
            self._note(call, step, error, attempt, cut=completion.finish == "length")
            return None
        call.attempts.append(attempt)
        return answer

    def _failed(
        self, call: _Call, step: Step, error: ProviderError, ticket: int, began: float
    ) -> None:
        self._health.fail(step.endpoint, error, ticket)
        self._note(call, step, error, self._broken_off(call, step, began, error))

    def _broken_off(
        self, call: _Call, step: Step, began: float, error: ProviderError | None
    ) -> Attempt:
        return _try(call, step, began).broken_off(
            call.watch, error, at=self._books.clock(), time_s=self._now() - began
        )

    def _note(
        self, call: _Call, step: Step, error: ProviderError, attempt: Attempt, *, cut: bool = False
    ) -> None:
        """Put a failed attempt on record, and tell the plan."""
        failed = replace(attempt, fault=error.fault, message=str(error), status=error.status)
        call.attempts.append(failed)
        call.errors.append(error)
        if error.fault.retryable:
            call.passing.append(step.endpoint)
        call.plan.spent(attempt.cost_usd)
        unsent = error.fault is Fault.CONNECTION and not (call.watch and call.watch.is_sent)
        call.plan.failed(step, error, cut=cut, reached=not unsent)
        call.listener(
            AttemptFailed(len(call.attempts), attempt.model, attempt.provider, error.fault)
        )

    def _end(self, call: _Call) -> float:
        """What time is shared out up to: the deadline; in the background, giving up."""
        return call.deadline if self._now() < call.deadline else call.give_up

    def _first_token_limit(self, call: _Call, step: Step) -> float:
        """When silence ends the attempt: its share of what is left, the last one has it all."""
        now = self._now()
        if not call.plan.has_other:
            return call.give_up
        if call.plan.is_lone(step):  # nobody else could answer meanwhile: it may be loading
            return now + (call.give_up - now) / 2
        left = self._end(call) - now
        shares = max(1, min(call.plan.max_attempts - call.plan.attempts, 2)) + 1
        if "reasoning" in step.model.features and call.task.effort != "none":
            shares = 2  # it may think for long before the first token, and that is no fault
        share = max(LEAST_FIRST_TOKEN_S, left / shares)
        state = self._health.state(step.endpoint)
        if state.fault is Fault.TIMEOUT:  # still a black hole? Another call should not lose as much
            share = min(share, max(PROBE_S, 3 * state.latency_s))
        return min(call.give_up, now + share)


def _try(call: _Call, step: Step, began: float) -> Try:
    tokens = call.decision.requirements.input_tokens
    return Try(step.model, step.endpoint, tokens, began - call.began, step.allowance)
