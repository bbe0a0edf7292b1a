"""Asks an endpoint for one word, to find out whether it works; paid for like any other call."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rightmodel.core.call import Attempt, Completion, Usage
from rightmodel.core.errors import BudgetError, ProviderError
from rightmodel.core.fault import Fault
from rightmodel.core.task import Message, WireFormat
from rightmodel.execution.attempt import error_of
from rightmodel.execution.outcome import Try, Watch
from rightmodel.ledger.call_rows import attempt_record, new_id
from rightmodel.ledger.records import Hold, HoldRequest, Origin
from rightmodel.routing.scoring import billable_tokens
from rightmodel.wire.request import ModelRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from rightmodel.execution.records import Records
    from rightmodel.manifest.catalog import Endpoint, Model
    from rightmodel.manifest.settings import Settings
    from rightmodel.upstream.exchange import Upstream

PATIENCE_S: Final = 30.0
OUTPUT_TOKENS: Final = 256
"""Enough for a model that reasons before it says one word."""
PROMPT_TOKENS: Final = 16
WORD_TOKENS: Final = 8
"""Of an answer without reasoning, with some room."""
NO_KEY: Final = "no_key"
SKILL: Final = "general"
"""What a probe counts as, where a budget is set for skills."""
CLIENT: Final = "check"
"""Who makes these calls, in the ledger."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found. `code`: "" where the endpoint works, else a fault's or error's code.

    `time_s`: of the request, 0 where none was sent. `cost_usd`: `None` is unknown.
    """

    endpoint: Endpoint
    code: str
    message: str
    advice: str = ""
    time_s: float = 0.0
    cost_usd: Decimal | None = Decimal(0)

    @property
    def works(self) -> bool:
        """Whether the endpoint can be used."""
        return not self.code


def most_usd(model: Model) -> Decimal | None:
    """What one probe costs, rather too high than too low; `None` without a price."""
    output = OUTPUT_TOKENS if "reasoning" in model.features else WORD_TOKENS
    return model.price.cost(Usage(PROMPT_TOKENS, output))


class Prober:
    """Probes endpoints. `close` ends it, and the records and connections with it.

    `disconnect`: closes the connections. `settings`: for keys. `absent`: as in the catalog.
    `records`: where the attempts are recorded. `mask`: replaces keys in a text. `now`: monotonic
    seconds, `wall`: seconds since 1970. `here`: as in `Recorder`.
    """

    def __init__(  # noqa: PLR0913 - one for each collaborator
        self,
        upstreams: Mapping[WireFormat, Upstream],
        disconnect: Callable[[], Awaitable[None]],
        *,
        settings: Settings,
        absent: Mapping[str, str],
        records: Records,
        mask: Callable[[str], str],
        now: Callable[[], float],
        wall: Callable[[], float],
        here: Origin,
    ) -> None:
        self._upstreams = upstreams
        self._disconnect = disconnect
        self._settings = settings
        self._absent = absent
        self._mask = mask
        self._now = now
        self._wall = wall
        self._origin = here._replace(client=CLIENT)
        self.records = records

    def without_call(self, model: Model, endpoint: Endpoint) -> Finding:
        """What is known without a request."""
        if missing := self._settings.missing_key(endpoint.provider):
            return Finding(endpoint, NO_KEY, missing)
        if absent := self._absent.get(model.id):
            return Finding(endpoint, Fault.NOT_FOUND.value, absent)
        return Finding(endpoint, "", "not called")

    async def probe(self, model: Model, endpoint: Endpoint) -> Finding:
        """One short request. Never raises for what the endpoint does."""
        known = self.without_call(model, endpoint)
        if not known.works:
            return known
        try:
            hold = await self._reserve(model, endpoint)
        except BudgetError as error:
            return Finding(endpoint, error.code, str(error))
        return await self._ask(model, endpoint, hold)

    async def close(self) -> None:
        """Write what was recorded and end every connection."""
        await self._disconnect()
        await self.records.close()

    async def _reserve(self, model: Model, endpoint: Endpoint) -> Hold | None:
        worst = model.price.cost(Usage(PROMPT_TOKENS, OUTPUT_TOKENS))
        return await self.records.reserve(
            HoldRequest(
                model.id,
                SKILL,
                worst,
                call=new_id(),
                number=1,
                provider=endpoint.provider.name,
                name=endpoint.name,
                origin=self._origin,
            )
        )

    async def _ask(self, model: Model, endpoint: Endpoint, hold: Hold | None) -> Finding:
        began = self._now()
        tried = Try(
            model,
            endpoint,
            PROMPT_TOKENS,
            billable_tokens(PROMPT_TOKENS),
            output_tokens=OUTPUT_TOKENS,
        )
        watch: Watch | None = None
        try:
            with Watch(self._now, began + PATIENCE_S) as watch:
                completion = await self._upstreams[endpoint.provider.protocol].complete(
                    self._request(endpoint), watch
                )
        except BaseException as failed:
            late = f"no answer within {PATIENCE_S:.0f} s"
            error = error_of(failed, endpoint, late) if isinstance(failed, Exception) else None
            time_s = self._now() - began
            attempt = tried.broken_off(watch, error, at=self._wall(), time_s=time_s)
            self._record(attempt, hold, "cancelled" if error is None else error.fault)
            if error is None:
                raise
            return self._failed(endpoint, error, attempt)
        attempt = tried.completed(completion, at=self._wall(), time_s=self._now() - began)
        self._record(attempt, hold)
        text = self._mask(_word(completion))
        return Finding(endpoint, "", text, "", attempt.time_s, attempt.cost_usd)

    def _request(self, endpoint: Endpoint) -> ModelRequest:
        return ModelRequest(
            provider=endpoint.provider,
            name=endpoint.name,
            messages=(Message.of("user", "Reply with the single word: ready"),),
            key=self._settings.key(endpoint.provider),
            max_output_tokens=OUTPUT_TOKENS,
            uncapped=True,
        )

    def _failed(self, endpoint: Endpoint, error: ProviderError, attempt: Attempt) -> Finding:
        provider = endpoint.provider
        key = provider.key_env or provider.key_file or "the key"
        advice = error.fault.advice.format(key=key, near="")
        unsent = self._settings.no_key(provider) if error.fault is Fault.AUTH else ""
        if unsent:
            advice = f"the server wants a key: {unsent}"
        return Finding(
            endpoint,
            error.fault.value,
            self._mask(str(error)),
            advice,
            attempt.time_s,
            attempt.cost_usd,
        )

    def _record(self, attempt: Attempt, hold: Hold | None, fault: str = "") -> None:
        call = hold.call if hold else new_id()
        row = attempt_record(
            attempt, call=call, number=1, at=self._wall(), skill=SKILL, origin=self._origin
        )
        self.records.settle(hold, row._replace(fault=str(fault)) if fault else row)


def _word(completion: Completion) -> str:
    return completion.text.strip()[:40] or f"(no text; finish {completion.finish})"
