from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from engines import catalog_from, engine_from
from ledger.rows import NOON, attempt
from rightmodel.core.decision import Assessment, Requirements
from rightmodel.core.errors import ExhaustedError, ProviderError
from rightmodel.core.fault import Fault, Scope
from rightmodel.core.task import Task, WireFormat
from rightmodel.execution.breaker import OUT_S
from rightmodel.execution.health import Health
from rightmodel.execution.next_step import BACKOFF_S
from rightmodel.execution.records import Unrecorded
from rightmodel.execution.shared_health import SharedHealth, latest_outcomes
from rightmodel.manifest.catalog import Endpoint, Provider
from rightmodel.routing.decide import decide
from rightmodel.routing.scoring import Question
from rightmodel.simulator import Behaviour, SimulatedProvider, fault
from rightmodel.surfaces.choosing import cooling_down, fit_first

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """
version = 1
[providers.p]
protocol = "openai-chat"
base_url = "http://127.0.0.1:9/v1"
[providers.q]
protocol = "openai-chat"
base_url = "http://127.0.0.1:8/v1"
[[models]]
id = "p/m"
cost = { input = 1, output = 2 }
skills = { general = 8 }
[[models]]
id = "q/m"
cost = { input = 2, output = 4 }
skills = { general = 8 }
"""


def test_a_cooling_model_is_ranked_last_with_its_remaining_cooldown(tmp_path: Path) -> None:
    catalog = catalog_from(tmp_path, MANIFEST)
    health = Health(lambda: 0.0, lambda: 0.5)
    kind = Assessment((("general", 1.0),), 5.0, "hint")
    decision = decide(catalog, Question(kind, Requirements(10, 10), "balanced"))
    assert fit_first(decision, cooling_down(decision, catalog, health)) is decision

    endpoint = catalog.models["p/m"].endpoints[0]
    ticket = health.begin(endpoint)
    health.fail(endpoint, ProviderError(Fault.AUTH, "no", scope=Scope.KEY), ticket)
    cooling = cooling_down(decision, catalog, health)
    now = fit_first(decision, cooling)
    assert cooling == {"p/m": "cooling down for 600 s after auth_failed"}
    assert [c.model for c in now.candidates] == ["q/m", "p/m"]
    assert now.reason == "next in line: p/m is cooling down for 600 s after auth_failed"


def test_the_other_models_of_an_unreachable_provider_are_ranked_last(tmp_path: Path) -> None:
    other = '[[models]]\nid = "p/other"\ncost = { input = 1, output = 2 }\nskills = { code = 1 }\n'
    catalog = catalog_from(tmp_path, MANIFEST + other)
    health = Health(lambda: 0.0, lambda: 0.5)
    kind = Assessment((("general", 1.0),), 5.0, "hint")
    decision = decide(catalog, Question(kind, Requirements(10, 10), "balanced"))
    endpoint = catalog.models["p/other"].endpoints[0]
    ticket = health.begin(endpoint)
    refused = ProviderError(Fault.CONNECTION, "refused", scope=Scope.ENDPOINT, provider="p")
    health.fail(endpoint, refused, ticket)
    cooling = cooling_down(decision, catalog, health)
    now = fit_first(decision, cooling)
    assert cooling["p/m"] == "at a provider that cannot be reached"
    assert cooling["p/other"] == "cooling down for 5 s after connection_failed"
    assert now.candidates[0].model == "q/m"


async def down(tmp_path: Path, task: Task, deadline_s: float) -> ExhaustedError:
    """What becomes of a task where one provider, which is down, has all twelve models."""
    models = "".join(
        f'[[models]]\nid = "p/m{n}"\ncost = {{ input = 1, output = 2 }}\n' for n in range(12)
    )
    manifest = (
        'version = 1\n[providers.p]\nprotocol = "openai-chat"\n'
        f'base_url = "http://127.0.0.1:9/v1"\n{models}'
    )
    engine = engine_from(tmp_path, manifest)
    try:
        with pytest.raises(ExhaustedError) as caught:
            await engine.executor.complete(task, deadline_s=deadline_s)
    finally:
        await engine.close()
    return caught.value


async def test_an_unreachable_provider_is_not_tried_model_by_model(tmp_path: Path) -> None:
    error = await down(tmp_path, Task("hi"), 5.0)
    assert len({attempt.model for attempt in error.attempts}) == 1
    assert len(error.attempts) <= 3


async def test_a_person_at_a_terminal_hears_at_once_that_nothing_is_there(tmp_path: Path) -> None:
    error = await down(tmp_path, Task("hi", client="cli"), 50.0)
    assert [attempt.fault for attempt in error.attempts] == [Fault.CONNECTION] * 2
    assert error.attempts[-1].start_s <= BACKOFF_S * 2 + 0.5


async def test_a_new_process_knows_from_the_ledger_which_providers_failed(tmp_path: Path) -> None:
    """Three of four providers are broken, and each call is a process of its own."""
    async with AsyncExitStack() as stack:
        up = [
            await stack.enter_async_context(SimulatedProvider(models={"m": Behaviour()}))
            for _ in range(4)
        ]
        for broken, status in zip(up, (500, 503, 502), strict=False):
            broken.fail_all(fault.status(status))
        manifest = 'version = 1\n[routing]\nassess = "rules"\n' + "".join(
            f'[providers.p{n}]\nprotocol = "openai-chat"\nbase_url = "{one.base_url}"\n'
            f'[[models]]\nid = "p{n}/m"\ncost = {{ input = {n + 1}, output = {n + 1} }}\n'
            for n, one in enumerate(up)
        )
        calls = []
        for _ in range(3):
            engine = engine_from(tmp_path, manifest)
            try:
                answer = await engine.executor.complete(Task("hi"), deadline_s=5.0)
                calls.append([a.model for a in answer.receipt.attempts])
            except ExhaustedError as error:
                calls.append([a.model for a in error.attempts])
            finally:
                await engine.close()
    assert calls == [["p0/m", "p1/m", "p2/m"], ["p0/m", "p3/m"], ["p0/m", "p3/m"]]


def test_what_the_ledger_says_of_a_provider_is_its_latest_outcome() -> None:
    """A fault is forgotten after a while, an answer is not. Too weak a model does not count."""
    rows = [
        attempt(provider="a", fault="server_error", at=NOON - 60),
        attempt(provider="b", fault="timeout", at=NOON - OUT_S - 1),
        attempt(provider="c", at=NOON - 86_400),
        attempt(provider="c", fault="schema_mismatch", at=NOON - 60),
        attempt(provider="d", at=NOON - 60),
        attempt(provider="d", fault="rate_limited", at=NOON - 30),
        attempt(provider="e", fault="connection_failed", at=NOON - 60),
        attempt(provider="e", at=NOON - 30),
        attempt(provider="f", fault="of a newer version", at=NOON),
        attempt(provider="g", fault="timeout", at=NOON, role="judge"),
    ]
    found = latest_outcomes(rows, now=NOON)
    providers = {"a": Fault.SERVER, "c": None, "d": Fault.RATE_LIMITED, "e": None}
    name = rows[0].name
    assert found == providers | {(one, name): outcome for one, outcome in providers.items()}


def test_what_other_processes_record_later_replaces_what_they_recorded_before() -> None:
    """What this process has met itself stays."""
    health, rows = Health(lambda: 0.0, lambda: 0.5), Unrecorded()
    shared = SharedHealth((), rows, health, key=str, clock=lambda: NOON, host="here")
    own = Endpoint(Provider("own", WireFormat.OPENAI_CHAT, "http://127.0.0.1:9/v1"), "m")
    health.begin(own)
    health.succeed(own, 1.0)
    for outcome in (Fault.TIMEOUT, None):
        recorded = outcome.value if outcome else ""
        shared.apply((), [attempt(provider=p, host="here", fault=recorded) for p in ("own", "q")])
        latest = health.snapshot(()).latest
        assert (latest["own"], latest["q"]) == (None, outcome)
    shared.apply((), ())
    assert "q" not in health.snapshot(()).latest


def test_what_another_machine_of_the_team_met_does_not_count_here() -> None:
    health, rows = Health(lambda: 0.0, lambda: 0.5), Unrecorded()
    shared = SharedHealth((), rows, health, key=str, clock=lambda: NOON, host="here")
    shared.apply((), [attempt(provider="a", host="there"), attempt(provider="b", host="here")])
    assert {of for of in health.snapshot(()).latest if isinstance(of, str)} == {"b"}
