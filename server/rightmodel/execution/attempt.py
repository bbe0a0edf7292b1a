"""One attempt at one endpoint: reserve, wait for a slot, send, check, record."""

from __future__ import annotations

import asyncio
import logging
import traceback
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from rightmodel.core.call import Attempt, AttemptFailed, AttemptStarted, Completion, Listener, Token
from rightmodel.core.errors import BudgetError, ProviderError
from rightmodel.core.fault import Fault, Scope
from rightmodel.core.task import EFFORTS, Reasoning, Task, WireFormat
from rightmodel.execution.call_state import LEAST_FIRST_TOKEN_S, PROBE_S
from rightmodel.execution.outcome import Try, Watch, check
from rightmodel.execution.relay import Relay, ResponseStart
from rightmodel.routing.tokens import attachment_tokens
from rightmodel.wire.request import ModelRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rightmodel.core.decision import Decision, Requirements
    from rightmodel.execution.call_state import CallState, Step
    from rightmodel.execution.health import Health
    from rightmodel.execution.recorder import CallRecorder
    from rightmodel.execution.schema_checker import SchemaChecker
    from rightmodel.manifest.catalog import Endpoint, Model
    from rightmodel.upstream.exchange import Upstream

logger = logging.getLogger("rightmodel")

OPEN_STALL_S: Final = 300.0
"""Silence in mid-stream of a response that a client is receiving, where nothing can replace it."""
STALL_S: Final = 30.0
"""Silence in mid-stream that counts as a fault; less where another candidate needs the time."""
SLOW: Final = 3.0
"""Times the longest gap in a stream: a silence that is not longer is no stall."""

_PRICED: Final = ("service_tier", "speed")
_USUAL: Final = (None, "auto", "default", "standard", "standard_only")
"""Fields that pass through and change the price, and their values with which they do not."""


@dataclass(slots=True)
class Call:
    """One call under way. `watch`: over the attempt that is, `None` until its request is made."""

    state: CallState
    record: CallRecorder
    listener: Listener
    live: bool
    relay: Relay | None = None
    watch: Watch | None = None

    @property
    def is_relayed(self) -> bool:
        """Whether the client has a part of a response: no other attempt may follow."""
        return self.relay is not None and self.relay.opened


class Attempts:
    """Makes attempts. `keys`: provider → its key or "". `now`: the event loop's clock."""

    def __init__(
        self,
        upstreams: Mapping[WireFormat, Upstream],
        health: Health,
        *,
        keys: Mapping[str, str],
        now: Callable[[], float],
        clock: Callable[[], float],
        checker: SchemaChecker,
    ) -> None:
        self._upstreams = upstreams
        self._health = health
        self._keys = keys
        self._now = now
        self._clock = clock
        self._checker = checker

    async def make(self, call: Call, step: Step) -> Completion | None:
        """The checked completion, or `None` after a failure that the call's state holds."""
        state, record = call.state, call.record
        try:
            hold = await record.reserve(step)
        except BudgetError as error:
            state.lacks_budget(step.model, error)
            record.flags[f"over_budget={step.model.id}"] = None
            return None
        with record.attempt_span(step) as span:
            try:
                completion = await self._attempt(call, step)
            except BaseException:  # cancelled
                record.cancelled(hold, span)
                raise
            finally:
                call.watch = None  # it refers to the call
            record.attempted(hold, span)
        return completion

    async def _attempt(self, call: Call, step: Step) -> Completion | None:
        state, endpoint, began = call.state, step.endpoint, self._now()
        state.started(step)
        tokens, limit = state.decision.requirements.input_tokens, state.limit(step, began)
        started = began - state.began
        tried = Try(step.model, endpoint, tokens, state.billable, started, step.allowance)
        try:
            ticket = self._health.begin(endpoint, retry=step.retry)
            if not ticket:
                ticket = await slot(self._health, endpoint, limit, retry=step.retry)
                began = self._now()
                tried = tried._replace(start_s=began - state.began)
                step_now = step._replace(health=self._health.state(endpoint))
                limit = state.limit(step_now, began)
            completion = await self._request(call, step, limit, ticket)
            time_s = self._now() - began
            attempt = tried.completed(completion, at=self._clock(), time_s=time_s)
        except BaseException as failed:
            error = failed if isinstance(failed, ProviderError) else None
            time_s = self._now() - began
            watch = call.watch
            attempt = tried.broken_off(watch, error, at=self._clock(), time_s=time_s)
            if error is None:  # cancelled
                state.attempts.append(attempt)
                raise
            is_sent = watch is not None and watch.is_sent
            _failed(call, step, error, attempt, is_sent=is_sent)
            return None
        return await self._checked(call, step, completion, attempt)

    async def _request(self, call: Call, step: Step, limit: float, ticket: int) -> Completion:
        """The completion. Raises `ProviderError`."""
        state, endpoint = call.state, step.endpoint
        key = self._keys[endpoint.provider.name]
        try:
            number = len(state.attempts) + 1
            call.listener(AttemptStarted(number, step.model.id, endpoint.provider.name))
            request = request_of(state, step, key, uncapped=not call.record.is_limited)
            with self._watch(call, step, limit) as watch:
                call.watch = watch
                upstream = self._upstreams[endpoint.provider.protocol]
                completion = await upstream.complete(request, watch)
        except Exception as failed:
            if isinstance(failed, TimeoutError) and call.watch:
                error = self._timed_out(endpoint, call.watch)
            else:
                error = error_of(failed, endpoint)
            self._health.fail(endpoint, error, ticket)
            raise error from failed
        except BaseException:
            self._health.release(endpoint, ticket)
            raise
        self._health.succeed(endpoint, self._now() - watch.began)
        return completion

    def _watch(self, call: Call, step: Step, limit: float) -> Watch:
        state, endpoint = call.state, step.endpoint
        has_other = state.counted < state.max_attempts and not step.is_lone

        def until(now: float, gap: float) -> float:
            """With another candidate, silence may use up half of the time that is left.

            Unless the answer comes as slowly as that: it is not a stall, however long it takes.
            """
            is_relayed = call.is_relayed
            self._health.received(endpoint)
            if is_relayed:
                return now + OPEN_STALL_S
            if not has_other:
                return min(state.give_up, now + STALL_S)
            share = max(LEAST_FIRST_TOKEN_S, (state.end(now) - now) / 2)
            if step.health.fault is Fault.TIMEOUT:
                share = min(share, PROBE_S)
            return min(state.give_up, now + min(STALL_S, max(share, SLOW * gap)))

        def on_text(text: str) -> None:
            call.listener(Token(text))

        provider, turn = endpoint.provider, state.task.turn
        is_raw = turn is not None and turn.dialect is provider.protocol
        is_freed = state.task.schema is not None and not (is_raw or takes_schemas(step.model))
        if call.relay is None or turn is None or is_freed:  # of what is around the JSON
            return Watch(self._now, limit, until, on_text=on_text if call.live else None)
        start = ResponseStart(
            model=step.model.id,
            name=endpoint.name,
            provider=provider.name,
            ref=call.record.ref,
            decision=call.record.decision,
            is_raw=is_raw,
        )
        return Watch(self._now, limit, until, client=call.relay, start=start)

    def _timed_out(self, endpoint: Endpoint, watch: Watch) -> ProviderError:
        """Silence: a stall in mid-stream, a busy server, or one that is down."""
        name, time_s = endpoint.provider.name, self._now() - watch.began
        if watch.first_s is not None:
            message = f"the answer stalled after {time_s:.1f} s"
            return ProviderError(Fault.TIMEOUT, message, provider=name)
        message = f"no first token after {time_s:.1f} s"
        if self._health.received_since(endpoint, watch.began):
            self._health.busy(endpoint)
            message += " while other calls were answered"
            return ProviderError(Fault.BUSY, message, provider=name)
        return ProviderError(Fault.TIMEOUT, message, provider=name)

    async def _checked(
        self, call: Call, step: Step, completion: Completion, attempt: Attempt
    ) -> Completion | None:
        """The completion if it is valid; else the failed check is recorded with what it cost."""
        if not call.is_relayed:  # else the client has it, whatever it is
            try:
                completion = await check(call.state.task, completion, self._checker)
            except Exception as failed:  # noqa: BLE001 - it is logged, and the attempt's failure
                error = error_of(failed, step.endpoint)
                _failed(call, step, error, attempt, cut=completion.finish == "length")
                if step.endpoint.key in call.state.tried:  # else again, with more output tokens
                    self._health.doubt(step.endpoint, error)
                return None
            except BaseException:  # cancelled
                call.state.attempts.append(attempt)
                raise
        call.state.attempts.append(attempt)
        turn = call.state.task.turn
        if turn and turn.dialect is step.endpoint.provider.protocol:
            for name in _PRICED:
                if turn.document.get(name) not in _USUAL:
                    call.record.flags[f"at_list_price={name}"] = None
        elif turn and turn.request.ignored:
            call.record.flags[f"left_out={','.join(turn.request.ignored)}"] = None
        return completion


async def slot(health: Health, endpoint: Endpoint, until: float, *, retry: bool = False) -> int:
    """Begin a request once there is room for it at the endpoint's provider. Gives its ticket.

    `until`: on the event loop's clock. Raises `ProviderError` where there is no room by then.
    """
    traffic = health.traffic(endpoint.provider)
    waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    traffic.waiting.append((waiter, endpoint.name))
    try:
        async with asyncio.timeout_at(until):
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.cancelled():
                    traffic.admit()  # those behind it may fit
                else:  # the slot came at the same moment
                    traffic.release()
                raise
    except TimeoutError:
        name = endpoint.provider.name
        what = f"{name} was busy: {traffic.held} requests were under way all the time"
        raise ProviderError(Fault.BUSY, what, provider=name) from None
    return health.begin(endpoint, retry=retry, is_admitted=True)


def _failed(
    call: Call,
    step: Step,
    error: ProviderError,
    attempt: Attempt,
    *,
    is_sent: bool = True,
    cut: bool = False,
) -> None:
    """Record a failed attempt; it counts where a model received it, or nothing else is left.

    The last one of a task does not where it kept silent up to the deadline and another model was
    not tried: that one has the time until the call gives up.
    """
    state = call.state
    failed = replace(attempt, fault=error.fault, message=str(error), status=error.status)
    unsent = error.fault is Fault.CONNECTION and not is_sent
    reached = error.fault.reached and not (unsent or _ends_silent(state, failed))
    state.attempts.append(failed)
    state.failed(step, error, cut=cut, counts=reached or step.is_lone, is_unreached=unsent)
    state.over = state.over or call.is_relayed
    number, message = len(state.attempts), failed.message
    call.listener(AttemptFailed(number, failed.model, failed.provider, error.fault, message))


def _ends_silent(state: CallState, failed: Attempt) -> bool:
    is_silent = failed.fault is Fault.TIMEOUT and failed.first_token_s is None
    is_last = state.task.turn is None and state.counted >= state.max_attempts > 1
    in_time = state.began + failed.start_s < state.deadline < state.give_up
    return is_silent and is_last and in_time and state.has_untried()


def takes_schemas(model: Model) -> bool:
    """Whether its server enforces a JSON schema; else the schema is put in words."""
    return "json_schema" in model.features


def request_of(state: CallState, step: Step, key: str, *, uncapped: bool) -> ModelRequest:
    """What is sent to the step's endpoint. `uncapped`: as in `ModelRequest`."""
    task, decision = state.task, state.decision
    content = task.content
    return ModelRequest(
        provider=step.endpoint.provider,
        name=step.endpoint.name,
        messages=content.messages,
        system=content.system,
        schema=content.schema,
        key=key,
        turn=task.turn,
        native_schema=takes_schemas(step.model),
        effort=accepted_effort(step.model, task.effort) if task.effort else "",
        max_output_tokens=step.allowance,
        uncapped=uncapped,
        expect_input_tokens=_text_tokens(task, decision.requirements),
        is_author=task.turn is None or is_author(task, decision, step.model.id),
    )


def _text_tokens(task: Task, needed: Requirements) -> int:
    """The prompt's tokens without those of pictures, in which models differ tenfold."""
    if len(needed.modalities) == 1:
        return needed.input_tokens
    files = [file for file in task.content.files if file.modality != "text"]
    return needed.input_tokens - sum(map(attachment_tokens, files))


def is_author(task: Task, decision: Decision, model: str) -> bool:
    """Whether all reasoning in a turn is the model's own: no other can read its signatures.

    Of a session that nothing is known of, the model that the caller names is taken for its author.
    """
    if task.turn is None:
        return True
    authors = set(task.session.warm) if task.session else set()
    if authors == {model} or (not authors and decision.requirements.pinned):
        return True
    parts = (part for message in task.turn.request.messages for part in message.parts)
    return not any(isinstance(part, Reasoning) for part in parts)


def accepted_effort(model: Model, effort: str) -> str:
    """The effort to send: the level asked for, the nearest that the model takes, or none at all."""
    if not effort or not model.effort:
        return ""
    if effort in model.effort:
        return effort
    wanted = EFFORTS.index(effort)
    return min(model.effort, key=lambda level: abs(EFFORTS.index(level) - wanted))


def error_of(failed: Exception, endpoint: Endpoint, late: str = "") -> ProviderError:
    """What ended an attempt, which is that attempt's failure and never the call's.

    `late`: the message for a time-out.
    """
    if isinstance(failed, ProviderError):
        return failed
    name = endpoint.provider.name
    if isinstance(failed, TimeoutError) and late:
        return ProviderError(Fault.TIMEOUT, late, provider=name)
    kind = type(failed).__name__
    frames = "".join(traceback.format_tb(failed.__traceback__))  # without its words
    logger.error("%s in an attempt at %s\n%s", kind, endpoint.name, frames)
    # The request may be the cause: other calls go on.
    return ProviderError(
        Fault.MALFORMED, f"internal error ({kind})", provider=name, scope=Scope.REQUEST
    )
