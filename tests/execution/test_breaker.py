from __future__ import annotations

from dataclasses import replace

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault, Scope
from rightmodel.core.task import WireFormat
from rightmodel.execution.breaker import FIRST_COOLDOWN_S, OUT_S
from rightmodel.execution.call_state import Snapshot
from rightmodel.execution.health import Health
from rightmodel.manifest.catalog import Endpoint, Model, Provider

P = Provider("p", WireFormat.OPENAI_CHAT, "http://127.0.0.1:9/v1")
A, B = Endpoint(P, "a"), Endpoint(P, "b")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def fail(health: Health, endpoint: Endpoint, fault: Fault, **facts: object) -> None:
    health.begin(endpoint)
    health.fail(endpoint, ProviderError(fault, "x", **facts))  # type: ignore[arg-type]


def test_a_server_fault_cools_the_endpoint_alone_and_lets_one_probe_through() -> None:
    clock = Clock()
    health = Health(clock, lambda: 0.5)
    fail(health, A, Fault.SERVER)
    assert health.wait_s(A) == FIRST_COOLDOWN_S
    assert health.wait_s(B) == 0
    clock.now += FIRST_COOLDOWN_S
    assert health.wait_s(A) == 0
    health.begin(A)
    assert health.wait_s(A) > 0
    health.succeed(A, 0.1)
    assert health.wait_s(A) == 0
    assert health.in_flight == 0


def test_a_key_without_quota_takes_every_model_of_the_provider_out() -> None:
    health = Health(Clock(), lambda: 0.5)
    fail(health, A, Fault.QUOTA, scope=Scope.KEY)
    assert health.wait_s(B) == OUT_S


def test_retry_after_is_kept_to_and_never_shortened() -> None:
    health = Health(Clock(), lambda: 0.5)
    fail(health, A, Fault.RATE_LIMITED, retry_after_s=40.0)
    fail(health, A, Fault.RATE_LIMITED, retry_after_s=1.0)
    assert health.wait_s(A) == 40.0


def test_a_cancelled_call_leaves_nothing_in_flight_and_no_cooldown() -> None:
    health = Health(Clock(), lambda: 0.5)
    health.begin(A)
    health.release(A)
    assert (health.in_flight, health.wait_s(A)) == (0, 0.0)


def test_retries_stop_at_a_fifth_of_recent_calls_but_three_are_always_allowed() -> None:
    health = Health(Clock(), lambda: 0.5)
    for _ in range(3):
        assert not health.snapshot([]).out_of_retries
        health.begin(A, retry=True)
    assert health.snapshot([]).out_of_retries == {"p"}
    for _ in range(15):
        health.begin(A)
    assert not health.snapshot([]).out_of_retries


def test_load_goes_to_the_less_burdened_endpoint() -> None:
    health = Health(Clock(), lambda: 0.5)
    for _ in range(5):
        health.begin(A)
    assert health.snapshot([Model("m", (A, B))]).balanced([A, B]) == B
    assert health.state(A).in_flight == 5


def test_a_snapshot_holds_what_is_out_of_the_ordinary_and_nothing_else() -> None:
    clock = Clock()
    health = Health(clock, lambda: 0.5)
    models = [Model("a", (A,)), Model("b", (B,))]
    assert health.snapshot(models) == Snapshot(jitter=0.5, now=clock())
    fail(health, A, Fault.CONNECTION)
    seen = health.snapshot(models)
    assert seen.endpoints[A.key].wait_s == FIRST_COOLDOWN_S
    assert seen.unreachable == {"p"}
    assert set(seen.endpoints) == {A.key}
    clock.now += FIRST_COOLDOWN_S
    assert seen.endpoints[A.key].wait_s == FIRST_COOLDOWN_S, "a snapshot does not change"
    assert not health.snapshot(models).unreachable


def test_a_response_that_broke_off_came_from_a_provider_that_can_be_reached() -> None:
    health = Health(Clock(), lambda: 0.5)
    models = [Model("a", (A,)), Model("b", (B,))]
    health.begin(A)
    health.fail(A, ProviderError(Fault.CONNECTION, "half", provider="p", status=200))
    assert health.wait_s(A)
    assert not health.snapshot(models).unreachable


def test_a_server_that_holds_one_model_has_loaded_the_one_that_it_answers_with() -> None:
    swapping = replace(P, one_model_at_a_time=True)
    models = [Model(name, (Endpoint(swapping, name),)) for name in ("a", "b")]
    health = Health(Clock(), lambda: 0.5)
    health.begin(models[1].endpoints[0])
    assert health.snapshot(models).loaded == {"p": "b"}
    health.succeed(models[1].endpoints[0], 0.1)
    assert not health.snapshot(models).loaded
