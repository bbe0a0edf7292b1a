"""The one loop that awaits providers: attempt, validate, retry, fail over, escalate.

One absolute deadline per call, shared out over the attempts so that a slow first one leaves room
for a second. Nothing below this loop retries.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Final

from rightmodel.core.call import AttemptFailed, AttemptStarted, Token, Waiting
from rightmodel.core.errors import BudgetError, ProviderError
from rightmodel.core.fault import Fault
from rightmodel.execution.attempt import Try, Watch, check, error_of, request_of
from rightmodel.execution.call_state import CallState
from rightmodel.execution.next_step import next_step
from rightmodel.execution.no_answer import exhausted, nothing_fits, nothing_left
from rightmodel.execution.relay import ResponseStart
from rightmodel.ledger.records import new_ref
from rightmodel.routing.router import explored
from rightmodel.routing.scoring import billable_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from rightmodel.core.call import Answer, Attempt, Completion, Listener
    from rightmodel.core.errors import RightmodelError
    from rightmodel.core.task import Task, WireFormat
    from rightmodel.execution.breaker import Health
    from rightmodel.execution.call_state import Step
    from rightmodel.execution.limiter import Limiter
    from rightmodel.execution.recorder import CallRecorder, Recorder
    from rightmodel.execution.relay import Relay
    from rightmodel.execution.schema_checker import SchemaChecker
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.routing.router import Router
    from rightmodel.upstream.exchange import Upstream
    from rightmodel.wire.request import ModelRequest

logger = logging.getLogger("rightmodel")

LEAST_FIRST_TOKEN_S: Final = 2.0
LOOK_AGAIN_S: Final = 5.0
"""A call that waits for one endpoint checks so often whether another is back before it."""
PROBE_S: Final = 5.0
"""Least time to a first token for an endpoint that kept silent the last time, and is probed."""
OPEN_STALL_S: Final = 300.0
"""Silence in mid-stream of a response that a client is receiving, where nothing can replace it."""
STALL_S: Final = 30.0
"""Silence in mid-stream that counts as a fault; less where another candidate needs the time."""
NOTICEABLE_S: Final = 0.01
"""A wait for a slot that is longer has the time shared out anew."""
SLOW: Final = 3.0
"""Times the longest gap in a stream: a silence that is not longer is no stall."""


@dataclass(slots=True)
class _Call:
    """One call under way. `watch`: of its attempt, `None` before the request."""

    state: CallState
    recorder: CallRecorder
    listener: Listener
    live: bool
    relay: Relay | None = None
    watch: Watch | None = None
    soonest_s: float | None = None

    @property
    def is_relayed(self) -> bool:
        """Whether the client has a part of a response: no other attempt may follow."""
        return self.relay is not None and self.relay.opened


class Executor:
    """`keys`: provider → its key or "". `now`: monotonic seconds, the event loop's clock."""

    def __init__(  # noqa: PLR0913 - the composition root hands in every collaborator
        self,
        catalog: Catalog,
        router: Router,
        providers: Mapping[WireFormat, Upstream],
        health: Health,
        limiter: Limiter,
        *,
        keys: Mapping[str, str],
        random: Random,
        now: Callable[[], float],
        recorder: Recorder,
        checker: SchemaChecker,
    ) -> None:
        self._catalog = catalog
        self._router = router
        self._providers = providers
        self._health = health
        self._keys = keys
        self._random = random
        self._now = now
        self._recorder = recorder
        self._checker = checker
        self._limiter = limiter

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
            await self._checker.check_schema(task.schema)
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
        call = _Call(state, self._recorder.open(state, ref or new_ref()), listener, live, relay)
        with call.recorder.call(self._now):
            try:
                return await self._run(call)
            finally:
                call.watch = None  # it holds the call: only the collector would free the two

    async def _run(self, call: _Call) -> Answer:
        state = call.state
        if not state.candidates:
            raise nothing_fits(state.decision)
        models = state.models.values()
        while (step := next_step(state, self._health.snapshot(models))) is not None:
            wait = self._wait(state, step)
            if wait is None:
                call.soonest_s = step.wait_s
                break
            if wait and not await self._waited(call, step, wait):
                continue
            completion = await self._attempt(call, step)
            if completion is not None:
                return call.recorder.answered(
                    completion, allowance=step.allowance, time_s=self._now() - state.began
                )
        raise self._nothing_more(call)

    def _nothing_more(self, call: _Call) -> RightmodelError:
        """The error of a call without an answer."""
        state = call.state
        if state.no_room and not state.attempts:
            return state.no_room
        if not state.attempts and call.soonest_s is None:
            return nothing_left(state)
        waits = [self._health.wait_s(endpoint) for endpoint in state.retryable]
        if call.soonest_s is not None:
            waits.append(call.soonest_s)
        retry_after_s = float(ceil(min(waits, default=0.0))) or None
        return exhausted(self._catalog, state, retry_after_s=retry_after_s)

    def _wait(self, state: CallState, step: Step) -> float | None:
        """Seconds to wait before the step, `None` where it comes too late.

        The last endpoint is never ruled out entirely: one that cools down past the end and was
        not tried in this call is tried at once, unless it stated when to come back.
        """
        now = self._now()
        end = _end(state, now)
        if now + step.wait_s < end:
            return step.wait_s
        limited = self._health.state(step.endpoint).fault is Fault.RATE_LIMITED
        return None if step.retry or limited or now >= end else 0.0

    async def _waited(self, call: _Call, step: Step, wait: float) -> bool:
        """Wait; whether the step is still the one to take then."""
        call.state.looks += step.looks
        call.listener(Waiting(step.model.id, wait))
        await asyncio.sleep(min(wait, LOOK_AGAIN_S))
        # Another may be back; or a probe is under way here, or it failed anew.
        return wait <= LOOK_AGAIN_S and not self._health.wait_s(step.endpoint)

    async def _attempt(self, call: _Call, step: Step) -> Completion | None:
        """One attempt: the checked completion, or `None` after a failure that the state holds."""
        state = call.state
        try:
            hold = await call.recorder.reserve(step)
        except BudgetError as error:
            state.lacks_budget(step.model, error)
            call.recorder.flags[f"over_budget={step.model.id}"] = None
            return None
        state.started(step)
        call.watch = None
        made, began = len(state.attempts), self._now()
        with call.recorder.attempt(step, hold):
            try:
                return await self._in_slot(call, step, began)
            except ProviderError as error:
                self._failed(call, step, error, self._broken_off(call, step, began, error))
            finally:
                if len(state.attempts) == made:  # cancelled
                    state.attempts.append(self._broken_off(call, step, began, None))
        return None

    async def _in_slot(self, call: _Call, step: Step, began: float) -> Completion | None:
        """The attempt once the provider has room for one more request."""
        limit = self._limit(call.state, step)
        async with self._limiter.slot(step.endpoint, limit):
            now = self._now()
            if now - began > NOTICEABLE_S:  # it waited
                limit = self._limit(call.state, step)
            return await self._ask(call, step, limit)

    async def _ask(self, call: _Call, step: Step, limit: float) -> Completion | None:
        """The checked completion, or `None` where the check failed. Raises `ProviderError`.

        `limit`: when silence before the first token ends it.
        """
        state, endpoint = call.state, step.endpoint
        began = self._now()
        call.listener(
            AttemptStarted(len(state.attempts) + 1, step.model.id, endpoint.provider.name)
        )
        ticket = self._health.begin(endpoint, retry=step.retry)
        try:
            async with asyncio.timeout_at(limit) as scope:
                call.watch = self._watch(call, step, scope, began)
                completion = await self._providers[endpoint.provider.protocol].complete(
                    self._request(state, step), call.watch
                )
        except Exception as failed:
            if isinstance(failed, TimeoutError):
                error = self._timed_out(call, step, began)
            else:
                error = error_of(failed, endpoint)
            self._health.fail(endpoint, error, ticket)
            raise error from failed
        except BaseException:
            self._health.release(endpoint, ticket)
            raise
        self._health.succeed(endpoint, self._now() - began)
        self._limiter.answered(endpoint.provider)
        return await self._checked(call, step, completion, began)

    def _watch(self, call: _Call, step: Step, scope: asyncio.Timeout, began: float) -> Watch:
        state = call.state
        has_other = state.counted < state.max_attempts and not step.is_lone

        def until(now: float, gap: float) -> float:
            """With another candidate, silence may use up half of the time that is left.

            Unless the answer comes as slowly as that: it is not a stall, however long it takes.
            """
            self._health.received(step.endpoint)
            if call.is_relayed:
                return now + OPEN_STALL_S
            share = max(LEAST_FIRST_TOKEN_S, (_end(state, now) - now) / 2, SLOW * gap)
            return min(state.give_up, now + (min(STALL_S, share) if has_other else STALL_S))

        def on_text(text: str) -> None:
            call.listener(Token(text))

        watch = Watch(scope, self._now, began, until, on_text, shows_text=call.live)
        if call.relay is not None and state.task.turn is not None:
            watch.client = call.relay
            watch.start = ResponseStart(
                model=step.model.id,
                name=step.endpoint.name,
                provider=step.endpoint.provider.name,
                ref=call.recorder.ref,
                decision=state.decision,
                is_raw=state.task.turn.dialect is step.endpoint.provider.protocol,
            )
        return watch

    def _timed_out(self, call: _Call, step: Step, began: float) -> ProviderError:
        """Silence: a stall in mid-stream, a busy server, or one that is down."""
        provider, time_s = step.endpoint.provider, self._now() - began
        if call.watch is not None and call.watch.first_s is not None:
            message = f"the answer stalled after {time_s:.1f} s"
            return ProviderError(Fault.TIMEOUT, message, provider=provider.name)
        if self._health.received_since(step.endpoint, began):
            self._limiter.busy(provider)
            message = f"no first token after {time_s:.1f} s while other calls were answered"
            return ProviderError(Fault.BUSY, message, provider=provider.name)
        message = f"no first token after {time_s:.1f} s"
        return ProviderError(Fault.TIMEOUT, message, provider=provider.name)

    def _request(self, state: CallState, step: Step) -> ModelRequest:
        """Where money is limited, the request always carries an output limit."""
        limited = (
            state.decision.requirements.max_cost_usd is not None
            or self._recorder.records.limits.limits
        )
        key = self._keys.get(step.endpoint.provider.name, "")
        return request_of(state.task, state.decision, step, key, uncapped=not limited)

    async def _checked(
        self, call: _Call, step: Step, completion: Completion, began: float
    ) -> Completion | None:
        """The completion if it is valid; else the failed check is recorded with what it cost."""
        attempt = _try(call.state, step, began).completed(
            completion, at=self._recorder.clock(), time_s=self._now() - began
        )
        if call.is_relayed:  # the client has it, whatever it is
            call.state.attempts.append(attempt)
            return completion
        try:
            answer = await check(call.state.task, completion, self._checker)
        except Exception as failed:  # noqa: BLE001 - it is logged, and the attempt's failure
            error = error_of(failed, step.endpoint)
            self._failed(call, step, error, attempt, cut=completion.finish == "length")
            return None
        call.state.attempts.append(attempt)
        return answer

    def _broken_off(
        self, call: _Call, step: Step, began: float, error: ProviderError | None
    ) -> Attempt:
        return _try(call.state, step, began).broken_off(
            call.watch, error, at=self._recorder.clock(), time_s=self._now() - began
        )

    def _failed(
        self, call: _Call, step: Step, error: ProviderError, attempt: Attempt, *, cut: bool = False
    ) -> None:
        """Record a failed attempt; it counts where a model received it, or nothing else is left."""
        state = call.state
        failed = replace(attempt, fault=error.fault, message=str(error), status=error.status)
        unsent = error.fault is Fault.CONNECTION and not (call.watch and call.watch.is_sent)
        reached = error.fault.reached and not unsent
        state.attempts.append(failed)
        counts = reached or step.is_lone
        state.failed(step, error, cut=cut, counts=counts, is_unreached=unsent)
        state.over = state.over or call.is_relayed
        call.listener(
            AttemptFailed(len(state.attempts), failed.model, failed.provider, error.fault)
        )

    def _limit(self, state: CallState, step: Step) -> float:
        """When silence ends the attempt: its share of what is left, the last one has it all."""
        now = self._now()
        if state.counted >= state.max_attempts:
            return state.give_up
        if step.is_lone:  # it may be loading, and nothing else could answer
            return now + (state.give_up - now) / 2
        shares = max(1, min(state.max_attempts - state.counted, 2)) + 1
        if "reasoning" in step.model.features and state.task.effort != "none":
            shares = 2  # it may think for long before the first token, and that is no fault
        share = max(LEAST_FIRST_TOKEN_S, (_end(state, now) - now) / shares)
        known = self._health.state(step.endpoint)
        if known.fault is Fault.TIMEOUT:  # another call should not lose as much to it
            share = min(share, max(PROBE_S, 3 * known.latency_s))
        return min(state.give_up, now + share)


def _try(state: CallState, step: Step, began: float) -> Try:
    tokens = state.decision.requirements.input_tokens
    return Try(
        step.model, step.endpoint, tokens, state.billable, began - state.began, step.allowance
    )


def _end(state: CallState, now: float) -> float:
    """What time is shared out up to: the deadline; in the background, giving up."""
    return state.deadline if now < state.deadline else state.give_up
