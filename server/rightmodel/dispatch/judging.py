"""Asks the judge's model: one attempt at a fit endpoint, under its own short deadline."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rightmodel.assess.judge import OUTPUT_TOKENS, JudgeAnswer
from rightmodel.decide.tokens import estimate_tokens
from rightmodel.domain import Attempt, Turn
from rightmodel.errors import Fault, ProviderError
from rightmodel.providers.base import ModelRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rightmodel.dispatch.health import Health
    from rightmodel.dispatch.record import Bookkeeper
    from rightmodel.domain import Completion, Protocol, Trust
    from rightmodel.manifest.catalog import Endpoint, Model, Provider
    from rightmodel.providers.base import ChatProvider

_THINKING_ROOM = 1000
"""Output tokens allowed on top for a model that cannot be kept from thinking."""


class JudgeCompleter:
    """`key(provider)`: its key or "". `now`: monotonic seconds. `books`: where its cost is kept."""

    def __init__(
        self,
        providers: Mapping[Protocol, ChatProvider],
        health: Health,
        *,
        key: Callable[[Provider], str],
        now: Callable[[], float],
        books: Bookkeeper,
    ) -> None:
        self._providers = providers
        self._health = health
        self._key = key
        self._now = now
        self._books = books

    async def ask(
        self,
        model: Model,
        *,
        system: str,
        prompt: str,
        schema: Mapping[str, Any],
        trust: Trust,
        deadline_s: float,
    ) -> JudgeAnswer:
        """One short answer.

        Raises `TimeoutError`, `ProviderError` or `BudgetError`; nothing is retried.
        """
        fit = [
            e for e in model.endpoints if e.provider.trust >= trust and not self._health.wait_s(e)
        ]
        if not fit:
            raise ProviderError(Fault.OVERLOADED, "no endpoint of the judge is fit now")
        endpoint = self._health.pick(fit)
        request = ModelRequest(
            provider=endpoint.provider,
            name=endpoint.name,
            turns=(Turn("user", prompt),),
            key=self._key(endpoint.provider),
            system=system,
            schema=schema,
            native_schema="json_schema" in model.features,
            effort="none" if "none" in model.effort else "low" if "low" in model.effort else "",
            max_output_tokens=OUTPUT_TOKENS
            + (_THINKING_ROOM if "reasoning" in model.features else 0),
        )
        tokens = estimate_tokens(system) + estimate_tokens(prompt)
        hold = await self._books.reserve_judge(model, tokens, request.max_output_tokens)
        began = self._now()
        attempt = Attempt(model.id, endpoint.provider.name, endpoint.name)
        try:
            completion = await self._one_attempt(endpoint, request, deadline_s)
        except BaseException as error:
            fault = error.fault if isinstance(error, ProviderError) else Fault.TIMEOUT
            cost = self._cost_of_failure(model, error)
            failed = replace(attempt, fault=fault, time_s=self._now() - began, cost_usd=cost)
            self._books.judged(failed, hold)
            raise
        cost = completion.cost_usd
        if cost is None and completion.usage is not None:
            cost = model.price.cost(completion.usage, self._books.clock())
        done = replace(
            attempt,
            time_s=self._now() - began,
            first_token_s=completion.first_token_s,
            usage=completion.usage,
            cost_usd=cost,
            billed=completion.cost_usd is not None,
            served=completion.served,
        )
        self._books.judged(done, hold)
        return JudgeAnswer(completion.text, cost)

    def _cost_of_failure(self, model: Model, error: BaseException) -> Decimal | None:
        """What the upstream bills or reports all the same; one that was late: who knows."""
        if not isinstance(error, ProviderError):
            return None
        if error.cost_usd is None and error.usage is not None:
            return model.price.cost(error.usage, self._books.clock())
        return error.cost_usd or Decimal(0)

    async def _one_attempt(
        self, endpoint: Endpoint, request: ModelRequest, deadline_s: float
    ) -> Completion:
        began = self._now()
        self._health.begin(endpoint)
        try:
            async with asyncio.timeout(deadline_s):
                completion = await self._providers[endpoint.provider.protocol].complete(request)
        except ProviderError as error:
            self._health.fail(endpoint, error)
            raise
        except BaseException:
            # A judge's deadline is far shorter than a call's: being late is no fault of health.
            self._health.release(endpoint)
            raise
        self._health.succeed(endpoint, self._now() - began)
        return completion
