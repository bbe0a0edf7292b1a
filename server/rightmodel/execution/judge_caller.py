"""Asks the judge's model: one attempt at a fit endpoint, under its own short deadline."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.core.task import Message, Task, WireFormat
from rightmodel.execution.attempt import accepted_effort, error_of, slot, takes_schemas
from rightmodel.execution.breaker import Breaker
from rightmodel.execution.outcome import Try, Watch
from rightmodel.routing.scoring import billable_tokens
from rightmodel.routing.signals.judge import OUTPUT_TOKENS, JudgeAnswer
from rightmodel.routing.tokens import estimate_tokens
from rightmodel.wire.request import ModelRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rightmodel.core.call import Attempt
    from rightmodel.core.decision import Trust
    from rightmodel.execution.call_state import EndpointKey
    from rightmodel.execution.health import Health
    from rightmodel.execution.recorder import Recorder
    from rightmodel.ledger.records import Hold
    from rightmodel.manifest.catalog import Endpoint, Model
    from rightmodel.upstream.exchange import Upstream

_THINKING_ROOM = 1000
"""Output tokens allowed on top for a model that cannot be kept from thinking."""


class JudgeCompleter:
    """`keys`: provider → its key or "". `now`: monotonic seconds. `recorder`: of its cost."""

    def __init__(
        self,
        providers: Mapping[WireFormat, Upstream],
        health: Health,
        *,
        keys: Mapping[str, str],
        now: Callable[[], float],
        recorder: Recorder,
    ) -> None:
        self._providers = providers
        self._health = health
        self._keys = keys
        self._now = now
        self._recorder = recorder
        self._late: dict[EndpointKey, Breaker] = {}

    async def ask(  # noqa: PLR0913 - one keyword for each part of the question
        self,
        model: Model,
        *,
        system: str,
        prompt: str,
        schema: Mapping[str, Any],
        trust: Trust,
        deadline_s: float,
        task: Task,
    ) -> JudgeAnswer:
        """One short answer, about a task.

        Raises `ProviderError` (late: a time-out), which carries what it cost all the same, or
        `BudgetError`; nothing is retried.
        """
        endpoint = self._endpoint(model, trust)
        request = ModelRequest(
            provider=endpoint.provider,
            name=endpoint.name,
            messages=(Message.of("user", prompt),),
            key=self._keys[endpoint.provider.name],
            system=system,
            schema=schema,
            native_schema=takes_schemas(model),
            effort=accepted_effort(model, "none"),
            max_output_tokens=OUTPUT_TOKENS
            + (_THINKING_ROOM if "reasoning" in model.features else 0),
        )
        tokens = estimate_tokens(system) + estimate_tokens(prompt)
        hold = await self._recorder.reserve_judge(
            model, endpoint, tokens, request.max_output_tokens, task
        )
        tried = Try(model, endpoint, tokens, billable_tokens(tokens))
        attempt, text = await self._attempt(tried, request, deadline_s, hold, task)
        self._recorder.judged(attempt, hold, task)
        return JudgeAnswer(text, attempt.cost_usd)

    def _endpoint(self, model: Model, trust: Trust) -> Endpoint:
        health, now = self._health.snapshot([model]), self._now()
        late = {key for key, breaker in self._late.items() if breaker.wait_s(now)}
        trusted = [e for e in model.endpoints if e.provider.trust >= trust]
        fit = [e for e in trusted if health.is_fit(e) and e.key not in late]
        if not fit:
            unfit = ProviderError(Fault.OVERLOADED, "no endpoint of the judge is fit now")
            unfit.cost_usd = Decimal(0)
            raise unfit
        return health.balanced(fit)

    async def _attempt(
        self, tried: Try, request: ModelRequest, deadline_s: float, hold: Hold | None, task: Task
    ) -> tuple[Attempt, str]:
        """The attempt and its answer. A failed attempt is recorded before it raises."""
        endpoint, began = tried.endpoint, self._now()
        watch: Watch | None = None
        ticket: int | None = None
        if late := self._late.get(endpoint.key):
            late.probing_since = began
        try:
            until = began + deadline_s
            ticket = self._health.begin(endpoint) or await slot(self._health, endpoint, until)
            provider = self._providers[endpoint.provider.protocol]
            with Watch(self._now, until) as watch:
                completion = await provider.complete(request, watch)
        except BaseException as failed:
            why = f"no answer within {deadline_s:.1f} s"
            error = error_of(failed, endpoint, why) if isinstance(failed, Exception) else None
            self._failed(endpoint, ticket, error, is_late=isinstance(failed, TimeoutError))
            time_s = self._now() - began
            attempt = tried.broken_off(watch, error, at=self._recorder.clock(), time_s=time_s)
            if error is None:
                self._recorder.judged(attempt, hold, task, cancelled=True)
                raise
            self._recorder.judged(replace(attempt, fault=error.fault), hold, task)
            error.cost_usd = attempt.cost_usd
            raise error from None
        time_s = self._now() - began
        self._health.succeed(endpoint, time_s)
        self._late.pop(endpoint.key, None)
        return tried.completed(
            completion, at=self._recorder.clock(), time_s=time_s
        ), completion.text

    def _failed(
        self, endpoint: Endpoint, ticket: int | None, error: ProviderError | None, *, is_late: bool
    ) -> None:
        """A request failed, or (no error) was cancelled. Without a ticket it was never sent.

        A late one says nothing to calls, which have far more time; the judge is not asked there
        for a while, or each call would wait for it.
        """
        if late := self._late.get(endpoint.key):
            late.probing_since = None
        if ticket is not None:
            if error is None or is_late:
                self._health.release(endpoint, ticket)
            else:
                self._health.fail(endpoint, error, ticket)
        if error is not None and (is_late or ticket is None):
            late = self._late.setdefault(endpoint.key, Breaker())
            late.trip(error, self._now(), ticket=0, latest=0)
