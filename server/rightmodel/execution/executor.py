"""The one loop that awaits providers: attempt, validate, retry, fail over, escalate.

One absolute deadline per call, shared out over the attempts so that a slow first one leaves room
for a second. Nothing below this loop retries.
"""

from __future__ import annotations

import asyncio
from math import ceil
from typing import TYPE_CHECKING, Final

from rightmodel.core.call import Answer, Listener, Waiting
from rightmodel.core.fault import Fault
from rightmodel.execution.attempt import Attempts, Call
from rightmodel.execution.call_state import CallState, Step
from rightmodel.execution.next_step import next_step
from rightmodel.execution.no_answer import exhausted, nothing_fits, nothing_left
from rightmodel.ledger.call_rows import new_ref
from rightmodel.routing.router import Router, explored
from rightmodel.routing.scoring import billable_tokens

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from opentelemetry.trace import Span

    from rightmodel.core.errors import RightmodelError
    from rightmodel.core.task import Task
    from rightmodel.execution.health import Health
    from rightmodel.execution.recorder import Recorder
    from rightmodel.execution.relay import Relay
    from rightmodel.execution.schema_checker import SchemaChecker
    from rightmodel.manifest.catalog import Catalog

ROOM_S: Final = 1.0
"""How often a call checks whether others have given back what they reserved of a budget."""
MOST_PAUSE_S: Final = 5.0
"""A call that waits for one endpoint checks so often whether another is back before it."""


class Executor:
    """`now`: monotonic seconds, the event loop's clock."""

    def __init__(  # noqa: PLR0913 - the composition root hands in every collaborator
        self,
        catalog: Catalog,
        router: Router,
        health: Health,
        attempts: Attempts,
        *,
        random: Random,
        now: Callable[[], float],
        recorder: Recorder,
        checker: SchemaChecker,
    ) -> None:
        self._catalog = catalog
        self._router = router
        self._health = health
        self._attempts = attempts
        self._random = random
        self._now = now
        self._recorder = recorder
        self._checker = checker

    async def complete(  # noqa: PLR0913 - each is the caller's own
        self,
        task: Task,
        *,
        deadline_s: float,
        give_up_s: float | None = None,
        listener: Listener = lambda _: None,
        live: bool = True,
        ref: str = "",
        relay: Relay | None = None,
    ) -> Answer:
        """Route the task and bring back a checked answer.

        `deadline_s` shares out the time over attempts; `give_up_s` (never before the deadline)
        ends the call. `listener` receives every event, text as it arrives (`Token`) only if
        `live`. `ref`: by which the ledger finds the call again, default a new one. `relay`: takes
        the response to a turn while it arrives. Raises `NoCandidateError`, `ExhaustedError`,
        `BudgetError`, `TaskError`.
        """
        began = self._now()
        if task.schema is not None:
            await self._checker.check_schema(task.schema, is_turn=task.turn is not None)
        routing = self._catalog.routing
        decision = await self._router.route(task)
        if routing.explore and task.turn is None:
            decision = explored(decision, routing.explore, self._random)
        candidates = tuple(decision.candidates)
        models, find = self._catalog.models, self._catalog.find
        state = CallState(
            task,
            decision,
            candidates,
            models={c.model: models.get(c.model) or find(c.model) for c in candidates},
            billable=billable_tokens(decision.requirements.input_tokens),
            max_attempts=routing.max_attempts,
            max_escalations=routing.escalate,
            began=began,
            deadline=began + deadline_s,
            give_up=began + max(deadline_s, give_up_s or 0.0),
        )
        record = self._recorder.open(state, ref or new_ref())
        call = Call(state, record, listener, live, relay)
        with record.span() as span:
            try:
                return await self._run(call, span)
            except BaseException as error:
                record.failed(error, span, self._now() - began)
                raise

    async def _run(self, call: Call, span: Span | None) -> Answer:
        state, soonest_s = call.state, None
        if not state.candidates:
            raise nothing_fits(state.decision)
        while (step := await self._next(call)) is not None:
            if step.wait_s or self._now() >= state.give_up:
                wait = self._wait(state, step)
                if wait is None:
                    soonest_s = step.wait_s
                    break
                if wait and not await self._waited(call, step, wait):
                    continue
            completion = await self._attempts.make(call, step)
            if completion is not None:
                time_s = self._now() - state.began
                return call.record.answered(
                    completion, span, allowance=step.allowance, time_s=time_s
                )
        raise self._nothing_more(state, soonest_s)

    async def _next(self, call: Call) -> Step | None:
        """The next step. Where running calls hold a budget's room, that is waited for before it."""
        state, models = call.state, call.state.models.values()
        while True:
            step = next_step(state, self._health.snapshot(models))
            held = bool(state.over_budget and state.no_room and state.no_room.passing)
            may_try = state.counted < state.max_attempts and not state.over
            is_soon = step is not None and step.wait_s < ROOM_S
            if is_soon or not (held and may_try) or self._now() + ROOM_S >= state.deadline:
                return step
            call.listener(Waiting(state.candidates[0].model, ROOM_S))
            await asyncio.sleep(ROOM_S)
            state.over_budget.clear()

    def _nothing_more(self, state: CallState, soonest_s: float | None) -> RightmodelError:
        """The error of a call without an answer. `soonest_s`: of the step that came too late."""
        if state.no_room and not state.attempts:
            return state.no_room
        if not state.attempts and soonest_s is None:
            return nothing_left(state)
        waits = [self._health.wait_s(endpoint) for endpoint in state.retryable]
        if soonest_s is not None:
            waits.append(soonest_s)
        retry_after_s = float(ceil(min(waits, default=0.0))) or None
        return exhausted(self._catalog, state, retry_after_s=retry_after_s)

    def _wait(self, state: CallState, step: Step) -> float | None:
        """Seconds to wait before the step, `None` where it comes too late.

        The last endpoint is never ruled out entirely: one that cools down past the end and was
        not tried in this call is tried at once, unless it stated when to come back.
        """
        now = self._now()
        end = state.end(now)
        if now + step.wait_s < end:
            return step.wait_s
        limited = step.health.fault is Fault.RATE_LIMITED
        return None if step.retry or limited or now >= end else 0.0

    async def _waited(self, call: Call, step: Step, wait: float) -> bool:
        """Wait; whether the step is still the one to take then."""
        call.state.rechecks += step.rechecks
        call.listener(Waiting(step.model.id, wait))
        await asyncio.sleep(min(wait, MOST_PAUSE_S))
        # Another may be back; or a probe is under way here, or it failed anew.
        is_fit = step.endpoint.key in call.state.soon or not self._health.wait_s(step.endpoint)
        return wait <= MOST_PAUSE_S and is_fit
