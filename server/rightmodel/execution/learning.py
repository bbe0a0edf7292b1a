"""The manifest, corrected by outcomes and usage.

Ratings, speed and verbosity of the connected models are read from the ledger when first needed,
after every report, and once a minute, because other servers write there, too. While the ledger is
faulty, the last known ones apply.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import LedgerError, TaskError
from rightmodel.ledger.measurements import Measurements
from rightmodel.ledger.ratings import Ratings
from rightmodel.ledger.records import AttemptRecord, CallRecord, Cooldown, OutcomeRecord
from rightmodel.manifest.catalog import DEFAULT_RATING, Catalog, Model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rightmodel.execution.records import Records
    from rightmodel.ledger.store import Store

logger = logging.getLogger("rightmodel")

REFRESH_S: Final = 60.0
PATIENCE_S: Final = 0.5
"""How long a call waits for the ledger before it uses what is in memory."""
RECENT: Final = 1000
"""Attempts from which speed and verbosity are read."""
LEAST_ATTEMPTS: Final = 5
"""With fewer, the usual number of reasoning tokens is not taken from usage."""


class Learning:
    """`apply`: called with the cooldowns of keys and the recent attempts.

    `clock`: seconds since 1970. `now`: monotonic.
    """

    def __init__(
        self,
        catalog: Catalog,
        ledger: Records,
        apply: Callable[[Iterable[Cooldown], Iterable[AttemptRecord]], None],
        *,
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        self._apply = apply
        self._manifest = self._learned = catalog
        self._ledger = ledger
        self._clock = clock
        self._now = now
        self._fresh_until = float("-inf")
        self._reading = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None
        self._ratings = ratings_of(catalog)
        self._last = 0

    async def catalog(self) -> Catalog:
        """The manifest with what was learned, a minute old at most."""
        if self._now() >= self._fresh_until:
            if self._reader is None or self._reader.done():
                self._reader = asyncio.create_task(self._freshen())
            await asyncio.wait({self._reader}, timeout=PATIENCE_S)
        return self._learned

    async def _freshen(self) -> None:
        async with self._reading:
            if self._now() >= self._fresh_until:
                await self._refresh()

    async def report(self, ref: str, *, good: bool, note: str, client: str = "mcp") -> str:
        """Record the outcome of a client's former call. Returns one line on what was learned.

        Raises `TaskError` for a ref that is not the client's or has no answer, `LedgerError` where
        it is in memory only.
        """
        call = await self._ledger.find_call(ref)
        if call is None or not call.model or (call.client or "mcp") != client:
            raise TaskError(
                f"ref {ref!r} names no answered call in the ledger: use the ref of a result of "
                "complete; a pending one is collected first",
                argument="ref",
            )
        await self._ledger.record(_outcome(call, good=good, note=note, at=self._clock()))
        if not self._manifest.routing.learn:
            return f"recorded for {call.model}; ratings stay as they are (learn = false)"
        async with self._reading:
            await self._refresh()
        changes = [
            f"{skill} {self._ratings.learned(call.model, skill, now=self._clock()).shown}"
            for skill, _ in call.skills
        ]
        return f"{call.model}: {'; '.join(changes)}"

    async def _refresh(self) -> None:
        self._fresh_until = self._now() + REFRESH_S
        last, now = self._last, self._clock()

        def read(store: Store) -> tuple[list[OutcomeRecord], list[AttemptRecord], list[Cooldown]]:
            return store.outcomes(last), store.recent_attempts(RECENT), store.cooldowns(now)

        try:
            outcomes, attempts, cooldowns = await self._ledger.read(read)
            self._apply(cooldowns, attempts)
            if not self._manifest.routing.learn:
                return
            if not self._ratings.learn(outcomes, now=now):  # a report was corrected
                outcomes = await self._ledger.read(lambda store: store.outcomes())
                self._ratings = ratings_of(self._manifest, outcomes, now=now)
        except LedgerError as error:
            logger.warning("nothing can be learned from the ledger: %s", error)
            return
        except Exception:  # an invalid row must not end a call
            logger.exception("nothing can be learned from the ledger")
            return
        self._last = max([self._last, *(outcome.id for outcome in outcomes)])
        self._learned = corrected(self._manifest, self._ratings, attempts, now=now)


def ratings_of(
    catalog: Catalog, outcomes: Iterable[OutcomeRecord] = (), *, now: float = 0.0
) -> Ratings:
    """What outcomes make of the manifest's ratings."""

    def manifest(model_id: str, skill: str) -> float:
        model = catalog.models.get(model_id)
        return DEFAULT_RATING if model is None else model.rating(skill)

    ratings = Ratings(manifest)
    ratings.learn(outcomes, now=now)
    return ratings


def corrected(
    catalog: Catalog, ratings: Ratings, attempts: Iterable[AttemptRecord], *, now: float
) -> Catalog:
    """The catalog with learned ratings, speeds and verbosity instead of its own. Pure."""
    measurements = Measurements()
    measurements.learn(attempts)
    skills = ratings.by_model(now=now)
    rated = {one.model for one in ratings.all(now=now) if one.outcomes >= 1.0}
    models = dict(catalog.models)
    for name, model in models.items():
        models[name] = _with_measurements(model, measurements)
        if name in skills:
            models[name] = replace(
                models[name],
                skills={**model.skills, **skills[name]},
                guessed=model.guessed and name not in rated,
            )
    return replace(catalog, models=models)


def _with_measurements(model: Model, measurements: Measurements) -> Model:
    measured = measurements.of(model.id)
    if not measured.attempts:
        return model
    return replace(
        model,
        verbosity=measured.verbosity,
        first_token_s=measured.first_token_s,
        tokens_s=measured.tokens_s,
        thinking=measured.reasoning if measured.attempts >= LEAST_ATTEMPTS else None,
    )


def _outcome(call: CallRecord, *, good: bool, note: str, at: float) -> OutcomeRecord:
    return OutcomeRecord(
        call=call.id,
        at=at,
        model=call.model,
        skills=call.skills,
        difficulty=call.difficulty,
        good=float(good),
        task=call.task,
        note=note,
    )
