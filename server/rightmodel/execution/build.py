"""The composition root: the only place that constructs things."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from rightmodel.core.format import mask_keys
from rightmodel.manifest.load import load_catalog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from rightmodel.core.decision import Assessment
    from rightmodel.core.task import Protocol, Task
    from rightmodel.execution.breaker import Health
    from rightmodel.execution.engine import Engine
    from rightmodel.execution.learning import Learning
    from rightmodel.execution.recorder import Bookkeeper
    from rightmodel.ledger.ledger import Ledger
    from rightmodel.manifest.catalog import Catalog, Model
    from rightmodel.manifest.settings import Settings
    from rightmodel.routing.router import Router
    from rightmodel.routing.signals.judge import Judge
    from rightmodel.upstream.exchange import Upstream

logger = logging.getLogger("rightmodel")


class App:
    """Builds the engine when it is first needed, and again after a manifest that was broken."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine: Engine | None = None
        self._lock = asyncio.Lock()

    async def engine(self) -> Engine:
        """The engine. Raises `ManifestError` as long as the manifest is broken."""
        if self._engine is None:
            async with self._lock:
                if self._engine is None:
                    self._engine = make_engine(self._settings, await self._catalog())
        return self._engine

    async def close(self) -> None:
        """End every connection."""
        if self._engine is not None:
            await self._engine.close()

    async def _catalog(self) -> Catalog:
        return await catalog_of(self._settings)


async def catalog_of(settings: Settings) -> Catalog:
    """The effective manifest. Local servers that it connects are asked what they have."""
    local: Mapping[str, Sequence[str]] = {}
    if settings.manifest is None:
        from rightmodel.upstream.discovery import local_models

        local = await local_models()
    catalog = load_catalog(settings.manifest, has_key=settings.has_key, local_models=local)
    if settings.manifest is not None:
        from rightmodel.upstream.discovery import not_pulled

        catalog = replace(catalog, absent=await not_pulled(catalog))
    for note in catalog.notes:
        logger.warning("%s", note)
    return catalog


def make_router(
    catalog: Catalog,
    settings: Settings | None,
    judge: Judge | None = None,
    corrected: Callable[[], Awaitable[Catalog]] | None = None,
    clock: Callable[[], float] | None = None,
) -> Router:
    """The way from task to decision.

    Without settings, keys are not looked at; without `corrected`, the manifest's ratings stand;
    without a clock (seconds since 1970), prices that depend on the hour are the dearest.
    """
    from rightmodel.routing.assessor import Assessor
    from rightmodel.routing.router import Router
    from rightmodel.routing.signals import local_model
    from rightmodel.routing.signals.hints import NOTHING_KNOWN

    def rules(_task: Task) -> Assessment:
        return NOTHING_KNOWN

    def learned(task: Task) -> Assessment:
        return local_model.assess(task, catalog.skills)

    def unavailable(model: Model) -> str:
        return _unavailable(model, settings, catalog) if settings else ""

    locals_ = {"rules": rules, "learned": learned}
    return Router(catalog, Assessor(catalog, locals_, judge), unavailable, corrected, clock)


def make_ledger(settings: Settings, catalog: Catalog) -> Ledger:
    """The ledger, opened when it is first used."""
    from rightmodel.ledger.budget import limits_of
    from rightmodel.ledger.ledger import Ledger
    from rightmodel.ledger.paths import ledger_file
    from rightmodel.ledger.recovery import SqliteOpener
    from rightmodel.ledger.team import open_postgres

    file = ledger_file(settings.environment)
    return Ledger(
        open_postgres(catalog.ledger_url) if catalog.ledger_url else SqliteOpener(file, time.time),
        limits=limits_of(catalog.budget),
        store_text=catalog.store_text,
    )


def make_engine(settings: Settings, catalog: Catalog) -> Engine:
    """Everything that serving a call needs."""
    from rightmodel.execution.breaker import Health
    from rightmodel.execution.calls import Calls
    from rightmodel.execution.engine import Engine
    from rightmodel.execution.executor import Dispatcher
    from rightmodel.execution.recall import recall
    from rightmodel.execution.recorder import Bookkeeper
    from rightmodel.upstream.exchange import make_upstreams
    from rightmodel.upstream.http import HttpClient

    chance = random.Random()  # noqa: S311 - spreads load and retries, guards nothing
    health = Health(time.monotonic, chance)
    client = HttpClient()
    mask = _make_mask(settings, catalog)
    providers = make_upstreams(client, mask)
    ledger = make_ledger(settings, catalog)
    books = Bookkeeper(catalog, ledger, time.time)
    learning = _make_learning(settings, catalog, ledger, health)
    judge = _make_judge(settings, catalog, providers, health, books)
    router = make_router(catalog, settings, judge, learning.catalog, time.time)
    dispatcher = Dispatcher(
        catalog,
        router,
        providers,
        health,
        key=settings.key,
        random=chance,
        now=time.monotonic,
        books=books,
    )
    calls = Calls(
        dispatcher,
        give_up_s=catalog.routing.give_up_s,
        now=time.monotonic,
        recall=partial(recall, ledger),
    )

    async def close() -> None:
        await calls.close()
        await client.close()
        await ledger.close()

    return Engine(catalog, router, dispatcher, calls, health, judge, learning, mask, close)


def _make_mask(settings: Settings, catalog: Catalog) -> Callable[[str], str]:
    """Takes every known key out of a text."""
    keys = [k for k in map(settings.key, catalog.providers.values()) if k]
    return lambda text: mask_keys(text, keys)


def _make_learning(
    settings: Settings, catalog: Catalog, ledger: Ledger, health: Health
) -> Learning:
    from rightmodel.execution.learning import Learning
    from rightmodel.execution.shared_keys import SharedKeys

    providers = catalog.providers.values()
    shared = SharedKeys(providers, ledger, health, key=settings.key, clock=time.time)
    return Learning(catalog, ledger, shared.heard, clock=time.time, now=time.monotonic)


def _make_judge(
    settings: Settings,
    catalog: Catalog,
    providers: Mapping[Protocol, Upstream],
    health: Health,
    books: Bookkeeper,
) -> Judge:
    from rightmodel.execution.judge_caller import JudgeCompleter
    from rightmodel.routing.signals.judge import Judge

    asking = JudgeCompleter(providers, health, key=settings.key, now=time.monotonic, books=books)
    why = {m.id: _unavailable(m, settings, catalog) for m in catalog.models.values()}
    return Judge(catalog, asking, why)


def _unavailable(model: Model, settings: Settings, catalog: Catalog) -> str:
    """Why no request to the model can be sent at all, "" if one can."""
    return settings.missing_keys(model) or catalog.absent.get(model.id, "")
