"""Health and plan under every order of events: what must hold, whatever happens."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from rightmodel.core.call import Attempt
from rightmodel.core.decision import Assessment, Candidate, Decision, Requirements, Trust
from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault, Scope
from rightmodel.core.task import Task, WireFormat
from rightmodel.execution.breaker import MOST_RETRY_AFTER_S, OUT_S, PROBE_S, PROBING_S
from rightmodel.execution.call_state import CallState, EndpointHealth, Snapshot
from rightmodel.execution.health import RETRY_FLOOR, RETRY_SHARE, RETRY_WINDOW_S, Health
from rightmodel.execution.next_step import next_step
from rightmodel.manifest.catalog import Endpoint, Model, Provider
from rightmodel.manifest.price import Price

if TYPE_CHECKING:
    from collections.abc import Sequence

URL = "http://127.0.0.1:9/v1"
PROVIDERS = [Provider(name, WireFormat.OPENAI_CHAT, URL) for name in ("p", "q")]
ENDPOINTS = [Endpoint(provider, name) for provider in PROVIDERS for name in ("a", "b", "c")]
PLACES = range(len(ENDPOINTS))
FAULTS = st.builds(
    ProviderError,
    st.sampled_from(list(Fault)),
    st.just("x"),
    scope=st.sampled_from(Scope),
    retry_after_s=st.none() | st.floats(-10, 0) | st.floats(0.01, 2 * MOST_RETRY_AFTER_S),
    window=st.none() | st.integers(1, 10_000),
)
HERE = st.sampled_from(PLACES)
WHICH = st.integers(0, 50)


class HealthMachine(RuleBasedStateMachine):
    """Calls at six endpoints of two providers begin and end in any order while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.health = Health(lambda: self.now, Random(0).random)
        self.under_way: list[tuple[int, int]] = []
        self.probes: dict[int, tuple[int, float]] = {}
        self.sent: list[tuple[float, str, bool]] = []

    def begin(self, place: int, *, retry: bool = False) -> int:
        endpoint = ENDPOINTS[place]
        ticket = self.health.begin(endpoint, retry=retry)
        self.under_way.append((place, ticket))
        self.sent.append((self.now, endpoint.provider.name, retry))
        return ticket

    def end(self, which: int) -> tuple[int, int]:
        place, ticket = self.under_way.pop(which % len(self.under_way))
        if self.probes.get(place, (0, 0.0))[0] == ticket:
            del self.probes[place]
        return place, ticket

    def waits(self) -> list[float]:
        return [self.health.wait_s(endpoint) for endpoint in ENDPOINTS]

    @rule(seconds=st.sampled_from([0.5, 5.0, 30.0, 61.0, OUT_S + 1, MOST_RETRY_AFTER_S + 1]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(place=HERE)
    def a_fit_endpoint_is_asked(self, place: int) -> None:
        if self.health.wait_s(ENDPOINTS[place]):
            return
        half_open = self.health.state(ENDPOINTS[place]).fault is not None
        ticket = self.begin(place)
        if half_open:
            self.probes[place] = ticket, self.now

    @rule(place=HERE)
    def it_is_retried_where_the_budget_allows(self, place: int) -> None:
        endpoint = ENDPOINTS[place]
        name = endpoint.provider.name
        if name in self.health.snapshot([]).out_of_retries or self.health.state(endpoint).fault:
            return
        self.begin(place, retry=True)
        recent = [r for at, p, r in self.sent if p == name and at >= self.now - RETRY_WINDOW_S]
        assert sum(recent) <= max(RETRY_FLOOR, RETRY_SHARE * len(recent) + 1)

    @precondition(lambda self: self.under_way)
    @rule(which=WHICH, error=FAULTS)
    def one_fails(self, which: int, error: ProviderError) -> None:
        place, ticket = self.end(which)
        before = self.waits()
        self.health.fail(ENDPOINTS[place], error, ticket)
        provider = ENDPOINTS[place].provider
        family = [i for i in PLACES if ENDPOINTS[i].provider is provider]
        touched = {Scope.KEY: family, Scope.REQUEST: []}.get(error.scope, [place])
        for i, (was, wait) in enumerate(zip(before, self.waits(), strict=True)):
            assert wait >= was or was <= PROBING_S, "a cooldown got shorter"
            assert wait <= MOST_RETRY_AFTER_S + 1e-6
            if i in touched:
                assert wait > 0
            elif i not in family:
                assert wait == was

    @precondition(lambda self: self.under_way)
    @rule(which=WHICH)
    def one_succeeds(self, which: int) -> None:
        place, _ = self.end(which)
        endpoint = ENDPOINTS[place]
        self.health.succeed(endpoint, 0.1)
        assert self.health.wait_s(endpoint) == 0
        assert self.health.state(endpoint).fault is None
        for i in PLACES:  # it closes the key for the others as well
            if ENDPOINTS[i].provider is endpoint.provider:
                self.probes.pop(i, None)

    @precondition(lambda self: self.under_way)
    @rule(which=WHICH)
    def one_is_cancelled(self, which: int) -> None:
        place, ticket = self.end(which)
        before = self.waits()
        self.health.release(ENDPOINTS[place], ticket)
        assert all(w == b or b <= PROBING_S for w, b in zip(self.waits(), before, strict=True))

    @rule(places=st.lists(HERE, min_size=1, unique=True))
    def one_is_picked(self, places: list[int]) -> None:
        offered = [ENDPOINTS[i] for i in places]
        picked = self.health.snapshot([Model("m", tuple(offered))]).balanced(offered)
        assert any(picked is endpoint for endpoint in offered)

    @invariant()
    def what_is_in_flight_has_begun_and_not_ended(self) -> None:
        assert self.health.in_flight == len(self.under_way)
        for place in PLACES:
            here = [i for i, _ in self.under_way if i == place]
            assert self.health.state(ENDPOINTS[place]).in_flight == len(here)

    @invariant()
    def no_second_probe_is_let_through_while_one_is_under_way(self) -> None:
        for place, (_, since) in self.probes.items():
            if self.now - since < PROBE_S:
                assert self.health.wait_s(ENDPOINTS[place]) > 0


TestHealth = HealthMachine.TestCase
TestHealth.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def model_of(name: str, places: list[tuple[int, int]], price: int, context: int) -> Model:
    endpoints = tuple(
        Endpoint(Provider(f"p{p}", WireFormat.OPENAI_CHAT, URL, trust=Trust(trust)), name)
        for p, trust in places
    )
    usd = Decimal(price) / 1_000_000
    return Model(name, endpoints, Price(usd, usd), context=context, output_limit=20_000)


MODELS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=3,
                 unique_by=lambda place: place[0]),
        st.integers(1, 50),
        st.sampled_from([8_000, 32_000, 200_000]),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


def state_of(models: Sequence[Model], needed: Requirements, most: int) -> CallState:
    candidates = tuple(
        Candidate(m.id, 0.5 + i / 10, (m.price.input or Decimal(0)) * 1000, None, 1.0)
        for i, m in enumerate(models)
    )
    kind = Assessment((("general", 1.0),), 5.0, "default")
    return CallState(
        Task("hi"),
        Decision(candidates, (), kind, needed, "balanced", 1.0, ""),
        candidates,
        models={m.id: m for m in models},
        billable=0,
        max_attempts=most,
        max_escalations=1,
        began=0.0,
        deadline=50.0,
        give_up=600.0,
    )


def some_health(models: Sequence[Model], random: Random) -> Snapshot:
    places = [endpoint for model in models for endpoint in model.endpoints]
    return Snapshot(
        {
            e.key: EndpointHealth(random.choice([0.0, 0.0, 5.0]), draw=random.random())
            for e in places
        },
        out_of_retries=frozenset(e.provider.name for e in places if random.random() < 0.2),
        jitter=random.random(),
    )


@given(
    st.builds(lambda rows: [model_of(f"m{i}", *row) for i, row in enumerate(rows)], MODELS),
    st.builds(
        Requirements,
        input_tokens=st.integers(1, 5000),
        output_tokens=st.just(100),
        trust=st.sampled_from(Trust),
        max_cost_usd=st.none() | st.decimals("0.0001", "0.1", places=4),
    ),
    st.integers(1, 6),
    st.lists(st.tuples(FAULTS, st.booleans()), min_size=6, max_size=6),
    st.randoms(use_true_random=False),
)
def test_a_plan_keeps_to_its_bounds_whatever_fails(
    models: list[Model],
    needed: Requirements,
    most: int,
    faults: list[tuple[ProviderError, bool]],
    random: Random,
) -> None:
    state = state_of(models, needed, most)
    dead: set[tuple[str, str]] = set()
    for error, cut in faults:
        step = next_step(state, some_health(models, random))
        if step is None:
            break
        provider, cost = step.endpoint.provider, step.candidate.cost_usd
        assert state.counted < most
        assert provider.trust >= needed.trust
        assert (provider.name, step.model.id) not in dead
        assert (provider.name, "") not in dead, "a dead key was tried again"
        assert any(step.endpoint is endpoint for endpoint in step.model.endpoints)
        assert 1 <= step.allowance <= step.model.output_limit
        if needed.max_cost_usd is not None:
            assert cost is not None
            assert state.spent_usd + cost <= needed.max_cost_usd
        state.started(step)
        state.attempts.append(
            Attempt(step.model.id, provider.name, step.endpoint.name, cost_usd=cost)
        )
        state.failed(step, error, cut=cut)
        if error.fault in {Fault.QUOTA, Fault.AUTH, Fault.NOT_FOUND, Fault.CONTEXT_OVERFLOW}:
            dead.add((provider.name, step.model.id))
            if error.scope == "key" and error.fault is not Fault.CONTEXT_OVERFLOW:
                dead.add((provider.name, ""))
    assert state.counted <= most
