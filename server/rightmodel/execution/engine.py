"""The composition root: the only module that constructs what a call needs.

Everything that makes time or chance, and everything that reaches a disk or a network, can be
handed to `build`; what is not handed in is the real thing. Imports are local, so that serving
`tools/list` does not load what only calls need.
"""

from __future__ import annotations

import asyncio
import logging
import random as random_module
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from rightmodel.core.errors import NoCandidateError
from rightmodel.core.format import mask_keys
from rightmodel.manifest.clients import client_notes, webhook_of
from rightmodel.manifest.load import load_catalog
from rightmodel.manifest.local_servers import addresses, local_servers
from rightmodel.manifest.settings import ProviderKeys

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from random import Random

    from rightmodel.core.task import WireFormat
    from rightmodel.execution.alerts import Alerts
    from rightmodel.execution.calls import Calls
    from rightmodel.execution.executor import Executor
    from rightmodel.execution.health import Health
    from rightmodel.execution.learning import Learning
    from rightmodel.execution.probe import Prober
    from rightmodel.execution.recorder import Recorder
    from rightmodel.execution.records import Records
    from rightmodel.execution.schema_checker import SchemaChecker
    from rightmodel.execution.turns import TokenCounter, Turns
    from rightmodel.ledger.ledger import Ledger
    from rightmodel.ledger.records import Row
    from rightmodel.ledger.writer import OpenStore
    from rightmodel.manifest.catalog import Catalog, Model
    from rightmodel.manifest.settings import Settings
    from rightmodel.routing.router import Router
    from rightmodel.routing.signals.judge import Judge
    from rightmodel.routing.signals.routing_rules import Search
    from rightmodel.upstream.exchange import Upstream

logger = logging.getLogger("rightmodel")


@dataclass(frozen=True, slots=True)
class Clock:
    """`now`: monotonic seconds, on the event loop's clock. `wall`: seconds since 1970."""

    now: Callable[[], float]
    wall: Callable[[], float]


SYSTEM_CLOCK: Final = Clock(time.monotonic, time.time)


@dataclass(frozen=True, slots=True)
class Engine:
    """Everything that serving calls needs.

    `mask`: replaces every known key in a text. `close`: cancels calls, closes connections and the
    ledger.
    """

    catalog: Catalog
    router: Router
    executor: Executor
    calls: Calls
    turns: Turns
    counter: TokenCounter
    health: Health
    judge: Judge
    learning: Learning
    mask: Callable[[str], str]
    close: Callable[[], Awaitable[None]]


class App:
    """Builds the engine on first use; tries again after a broken manifest.

    `observe`: as in `build`. `needs_model`: without a model there is an error in place of notes in
    the log: for people, whom nothing but a call can follow. A server's models may come later.
    """

    def __init__(
        self,
        settings: Settings,
        observe: Callable[[Row], object] | None = None,
        *,
        needs_model: bool = False,
    ) -> None:
        self._settings = settings
        self._observe = observe
        self._needs_model = needs_model
        self._engine: Engine | None = None
        self._lock = asyncio.Lock()

    async def engine(self) -> Engine:
        """The engine.

        Raises `ManifestError` as long as the manifest is broken; `NoCandidateError`, see
        `needs_model`.
        """
        if self._engine is None:
            async with self._lock:
                if self._engine is None:
                    catalog = await effective_catalog(self._settings)
                    if self._needs_model and not catalog.models:
                        raise _nothing_connected(catalog)
                    for note in catalog.notes:
                        logger.warning("%s", note)
                    self._engine = build(self._settings, catalog, observe=self._observe)
        return self._engine

    async def close(self) -> None:
        """Close the engine, if it was built."""
        if self._engine is not None:
            await self._engine.close()


def _nothing_connected(catalog: Catalog) -> NoCandidateError:
    why = f": {'; '.join(catalog.notes)}" if catalog.notes else ""
    return NoCandidateError(f"no model is connected{why}. `rightmodel check` says what is missing")


async def effective_catalog(settings: Settings) -> Catalog:
    """The catalog of the effective manifest; asks local servers which models they have.

    Raises `ManifestError`, also for settings that cannot be used.
    """
    if settings.error is not None:
        raise settings.error
    from rightmodel.upstream.discovery import ask_local_servers

    local = addresses(settings.environment)
    served = await ask_local_servers(local_servers(settings.manifest, local.urls))
    catalog = load_catalog(
        settings.manifest,
        has_key=settings.has_key,
        near_miss=settings.near_miss,
        urls=local.urls,
        served=served,
    )
    keys = settings.key_file_notes(catalog)
    who = client_notes(settings, catalog)
    notes = (*settings.notes, *local.notes, *keys, *who, *catalog.notes)
    return replace(catalog, notes=notes)


def build(
    settings: Settings,
    catalog: Catalog,
    *,
    clock: Clock = SYSTEM_CLOCK,
    random: Random | None = None,
    ledger: Records | None = None,
    observe: Callable[[Row], object] | None = None,
) -> Engine:
    """An engine, which closes the ledger and its connections.

    `ledger`: default the user's own; `Unrecorded()` for calls that are not paid for.
    `observe`: is given every row on its way to the user's ledger.
    """
    from rightmodel.execution.health import Health
    from rightmodel.execution.recorder import Recorder
    from rightmodel.execution.schema_checker import SchemaChecker
    from rightmodel.execution.turns import TokenCounter
    from rightmodel.ledger.reservations import this_origin

    random = random or random_module.Random()  # noqa: S311 - spreads load and retries
    records = ledger or make_ledger(settings, catalog, observe)
    keys = ProviderKeys(settings, catalog)
    mask = partial(mask_keys, keys=keys.secrets)
    providers = _OverHttp(mask)
    health, checker = Health(clock.now, random.random), SchemaChecker()
    here = this_origin(settings.environment)
    recorder = Recorder(catalog, records, clock.wall, here)
    learning = _make_learning(catalog, keys, records, health, clock, here.host)
    requests = _Requests(providers, keys, health, recorder, clock)
    judge = _make_judge(catalog, settings, requests)
    router = make_router(catalog, settings, judge, learning.catalog, clock.wall, checker.search)
    executor = _make_executor(catalog, router, requests, checker, random)
    calls = _make_calls(executor, catalog, records, clock)
    turns = _make_turns(executor, catalog, records, clock)
    counter = TokenCounter(catalog, router, providers, keys)

    async def close() -> None:
        checker.close()
        for part in (turns, calls, providers, records):
            await part.close()

    return Engine(
        catalog, router, executor, calls, turns, counter, health, judge, learning, mask, close
    )


def _make_learning(
    catalog: Catalog, keys: ProviderKeys, records: Records, health: Health, clock: Clock, host: str
) -> Learning:
    from rightmodel.execution.learning import Learning
    from rightmodel.execution.shared_health import SharedHealth

    providers = catalog.providers.values()
    shared = SharedHealth(
        providers, records, health, key=lambda p: keys[p.name], clock=clock.wall, host=host
    )
    return Learning(catalog, records, shared.apply, clock=clock.wall, now=clock.now)


class _Requests(NamedTuple):
    """What all requests to providers share."""

    providers: Mapping[WireFormat, Upstream]
    keys: Mapping[str, str]
    health: Health
    recorder: Recorder
    clock: Clock


def _make_judge(catalog: Catalog, settings: Settings, requests: _Requests) -> Judge:
    from rightmodel.execution.judge_caller import JudgeCompleter
    from rightmodel.routing.signals.judge import Judge

    providers, keys, health, recorder, clock = requests
    asking = JudgeCompleter(providers, health, keys=keys, now=clock.now, recorder=recorder)
    why = {m.id: _unavailable(m, settings, catalog) for m in catalog.models.values()}
    return Judge(catalog, asking, why)


def _make_executor(
    catalog: Catalog, router: Router, requests: _Requests, checker: SchemaChecker, random: Random
) -> Executor:
    from rightmodel.execution.attempt import Attempts
    from rightmodel.execution.executor import Executor

    providers, keys, health, recorder, clock = requests
    attempts = Attempts(
        providers, health, keys=keys, now=clock.now, clock=clock.wall, checker=checker
    )
    return Executor(
        catalog,
        router,
        health,
        attempts,
        random=random,
        now=clock.now,
        recorder=recorder,
        checker=checker,
    )


def _make_calls(executor: Executor, catalog: Catalog, records: Records, clock: Clock) -> Calls:
    from rightmodel.execution.calls import Calls
    from rightmodel.execution.records import recall
    from rightmodel.execution.shared_calls import SharedCalls

    give_up_s = catalog.routing.give_up_s
    return Calls(
        executor,
        give_up_s=give_up_s,
        now=clock.now,
        wall=clock.wall,
        recall=partial(recall, records),
        elsewhere=SharedCalls(records, clock.wall, give_up_s) if catalog.ledger_url else None,
    )


def _make_turns(executor: Executor, catalog: Catalog, records: Records, clock: Clock) -> Turns:
    from rightmodel.execution.sessions import Sessions
    from rightmodel.execution.turns import Turns

    is_shared = bool(catalog.ledger_url)
    sessions = Sessions(catalog.providers, records, clock.wall, is_shared=is_shared)
    return Turns(executor, catalog.routing, sessions)


def make_prober(settings: Settings, catalog: Catalog) -> Prober:
    """What `check` asks endpoints with, over the user's ledger."""
    from rightmodel.execution.probe import Prober
    from rightmodel.ledger.reservations import this_origin

    mask = partial(mask_keys, keys=settings.secrets(catalog))
    upstreams = _OverHttp(mask)
    return Prober(
        upstreams,
        upstreams.close,
        settings=settings,
        absent=catalog.absent,
        records=make_ledger(settings, catalog),
        mask=mask,
        now=SYSTEM_CLOCK.now,
        wall=SYSTEM_CLOCK.wall,
        here=this_origin(settings.environment),
    )


def make_router(
    catalog: Catalog,
    settings: Settings | None,
    judge: Judge | None = None,
    corrected: Callable[[], Awaitable[Catalog]] | None = None,
    clock: Callable[[], float] | None = None,
    search: Search | None = None,
) -> Router:
    """Task to decision.

    Without settings, keys are not looked up; without `corrected`, the manifest's ratings apply;
    without a clock (seconds since 1970), prices that depend on the hour are the dearest.
    """
    from rightmodel.routing.router import Router

    def unavailable(model: Model) -> str:
        return _unavailable(model, settings, catalog) if settings else ""

    return Router(
        catalog, unavailable, judge=judge, corrected=corrected, clock=clock, search=search
    )


def make_ledger(
    settings: Settings, catalog: Catalog, observe: Callable[[Row], object] | None = None
) -> Ledger:
    """The user's ledger, opened on first use. `observe`: as in `Ledger`."""
    from rightmodel.ledger.budget import limits_of
    from rightmodel.ledger.ledger import Ledger
    from rightmodel.ledger.paths import ledger_file
    from rightmodel.ledger.postgres_opener import open_postgres, spill_name
    from rightmodel.ledger.recovery import SqliteOpener
    from rightmodel.ledger.spill import Spill

    file = ledger_file(settings.environment)
    opener: OpenStore = SqliteOpener(file, time.time)
    if catalog.ledger_url:
        opener = open_postgres(catalog.ledger_url, settings.environment)
        file = file.with_name(spill_name(catalog.ledger_url))
    return Ledger(
        opener,
        limits=limits_of(catalog.budget, catalog.clients.values()),
        store_text=catalog.store_text,
        spill=Spill(file),
        alerts=_make_alerts(settings, catalog),
        observe=observe,
    )


def _make_alerts(settings: Settings, catalog: Catalog) -> Alerts | None:
    """What tells people of spent budgets; `None` where the manifest names no receiver."""
    wanted, url = catalog.alerts, webhook_of(settings, catalog)
    if not (url or wanted.command):
        return None
    from rightmodel.execution.alerts import Alerts
    from rightmodel.ledger.reservations import this_origin

    host = this_origin(settings.environment).host
    return Alerts(url, wanted.format, wanted.command, host=host, clock=time.time)


class _OverHttp(dict["WireFormat", "Upstream"]):
    """Every wire format over one connection pool, imported when the first model is called."""

    def __init__(self, mask: Callable[[str], str]) -> None:
        super().__init__()
        self._mask = mask
        self._disconnect = _nothing

    def __missing__(self, wire_format: WireFormat) -> Upstream:
        from rightmodel.upstream.exchange import make_upstreams
        from rightmodel.upstream.http import HttpClient

        client = HttpClient()
        self._disconnect = client.close
        self.update(make_upstreams(client, self._mask))
        return self[wire_format]

    async def close(self) -> None:
        await self._disconnect()


async def _nothing() -> None:
    """No model has been called."""


def _unavailable(model: Model, settings: Settings, catalog: Catalog) -> str:
    """Why no request to the model can be sent at all, "" if one can."""
    return settings.missing_keys(model) or catalog.absent.get(model.id, "")
