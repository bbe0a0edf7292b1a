"""The next attempt of a call: a table of what happened → where the call goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from rightmodel.core.call import Attempt
from rightmodel.core.decision import (
    Assessment,
    Candidate,
    Decision,
    Requirements,
    SessionView,
    Trust,
    WarmPrefix,
)
from rightmodel.core.errors import BudgetError, ProviderError
from rightmodel.core.fault import Fault, Scope
from rightmodel.core.task import ChatRequest, Message, Task, Turn, WireFormat
from rightmodel.execution.call_state import CallState, EndpointHealth, Snapshot
from rightmodel.execution.next_step import BACKOFF_S, RECHECK_S, next_step
from rightmodel.manifest.catalog import Endpoint, Model, Provider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.execution.call_state import Outcomes, Step

USD = Decimal("0.01")


def provider(name: str, trust: Trust = Trust.any, *, holds_one: bool = False) -> Provider:
    return Provider(
        name,
        WireFormat.OPENAI_CHAT,
        "http://127.0.0.1:9/v1",
        trust=trust,
        one_model_at_a_time=holds_one,
    )


P, Q, R, S = provider("p"), provider("q"), provider("r"), provider("s")
LOCAL = provider("local", Trust.local, holds_one=True)


def model(name: str, *providers: Provider, context: int = 100_000) -> Model:
    endpoints = tuple(Endpoint(one, name) for one in providers)
    return Model(name, endpoints, context=context, output_limit=64_000)


A, B, C, D = model("a", P), model("b", Q), model("c", R), model("d", S)
A2, A3, A4 = model("a2", P), model("a3", P), model("a4", P)
SMALL, LARGE = model("small", Q, context=8_000), model("large", R, context=500_000)
TWICE = model("twice", P, Q)
L1, L2 = model("l1", LOCAL), model("l2", LOCAL)
LATER = ProviderError(Fault.OVERLOADED, "x", retry_after_s=5.0)
DOWN, SPARE = EndpointHealth(wait_s=5.0), EndpointHealth(wait_s=60.0, is_spare=True)


@dataclass(frozen=True)
class Case:
    """`failed`: faults of the attempts so far, each where the call went. `then`: model@provider."""

    models: tuple[Model, ...]
    failed: tuple[Fault | ProviderError, ...] = ()
    then: str = ""
    wait_s: float = 0.0
    retry: bool = False
    max_attempts: int = 3
    input_tokens: int = 1000
    trust: Trust = Trust.any
    ceiling_usd: Decimal | None = None
    cut: bool = False
    allowance: int = 0
    is_turn: bool = False
    health: Mapping[tuple[str, str], EndpointHealth] = field(default_factory=dict)
    unreachable: frozenset[str] = frozenset()
    out_of_retries: frozenset[str] = frozenset()
    loaded: Mapping[str, str] = field(default_factory=dict)
    latest: Outcomes = field(default_factory=dict)
    now: float = 0.0
    warm: str = ""  # the provider whose cache holds the task's session for the first model


def state_of(case: Case) -> CallState:
    candidates = tuple(
        Candidate(m.id, 0.5 + n / 10, USD * (n + 1), None, 1.0) for n, m in enumerate(case.models)
    )
    needed = Requirements(case.input_tokens, 500, trust=case.trust, max_cost_usd=case.ceiling_usd)
    kind = Assessment((("general", 1.0),), 5.0, "default")
    prefix = WarmPrefix(5_000, 1.0, 0.0, 300.0, case.warm)
    session = SessionView(warm={case.models[0].id: prefix}) if case.warm else None
    asked = ChatRequest("auto", (Message.of("user", "hi"),))
    turn = Turn(asked, WireFormat.OPENAI_CHAT, b"{}", {}) if case.is_turn else None
    return CallState(
        Task("hi", session=session, turn=turn),
        Decision(candidates, (), kind, needed, "balanced", 1.0, ""),
        candidates,
        models={m.id: m for m in case.models},
        billable=0,
        max_attempts=case.max_attempts,
        max_escalations=1,
        began=0.0,
        deadline=50.0,
        give_up=600.0,
    )


def fail(state: CallState, step: Step, fault: Fault | ProviderError, *, cut: bool = False) -> None:
    error = fault if isinstance(fault, ProviderError) else ProviderError(fault, "x")
    state.started(step)
    name = step.endpoint.provider.name
    state.attempts.append(Attempt(step.model.id, name, step.endpoint.name, cost_usd=USD / 2))
    state.failed(step, error, cut=cut, counts=error.fault.reached or step.is_lone)


def limited(wait_s: float) -> EndpointHealth:
    return EndpointHealth(wait_s=wait_s, fault=Fault.RATE_LIMITED)


def window(tokens: int) -> ProviderError:
    return ProviderError(Fault.CONTEXT_OVERFLOW, "x", window=tokens)


CASES = {
    "the first candidate": Case((A, B), then="a@p"),
    "of two places of a model the one whose cache is warm": Case(
        (TWICE, A), warm="q", then="twice@q"
    ),
    "the other place where the warm one cools down": Case(
        (TWICE, A), warm="q", then="twice@p", health={("q", "twice"): DOWN}
    ),
    "one that cools down is passed over": Case((A, B), then="b@q", health={("p", "a"): DOWN}),
    "the only one is waited for": Case((A,), then="a@p", wait_s=5.0, health={("p", "a"): DOWN}),
    "where all are down, one that may be tried all the same": Case(
        (A, B), then="b@q", health={("p", "a"): DOWN, ("q", "b"): SPARE}
    ),
    "another endpoint before another model": Case((TWICE, C), (Fault.SERVER,), then="twice@q"),
    "the less burdened endpoint": Case(
        (TWICE,),
        then="twice@q",
        health={("p", "twice"): EndpointHealth(burden=3.0), ("q", "twice"): EndpointHealth()},
    ),
    "another provider before another model of one in trouble": Case(
        (A, A2, B), (Fault.OVERLOADED,), then="b@q"
    ),
    "a provider that cannot be reached comes last": Case(
        (A, B), then="b@q", unreachable=frozenset({"p"})
    ),
    "a dead key takes all its models": Case((A, A2), (Fault.AUTH,)),
    "an unknown model takes itself": Case((A, A2), (Fault.NOT_FOUND,), then="a2@p"),
    "attempts that no model received do not count": Case(
        (A, B, C), (Fault.AUTH, Fault.NOT_FOUND), then="c@r", max_attempts=1
    ),
    "a lone model is retried after a backoff": Case(
        (A,), (Fault.SERVER,), then="a@p", wait_s=1.0, retry=True
    ),
    "not before it has cooled down": Case(
        (A,), (Fault.SERVER,), "a@p", wait_s=5.0, retry=True, health={("p", "a"): DOWN}
    ),
    "but in a turn, which its client will try again": Case(
        (A,), (Fault.SERVER,), "a@p", 1.0, retry=True, is_turn=True, health={("p", "a"): DOWN}
    ),
    "unless the provider said when": Case(
        (A,), (LATER,), "a@p", 5.0, retry=True, is_turn=True, health={("p", "a"): DOWN}
    ),
    "and no more once its retries are used up": Case(
        (A,), (Fault.SERVER,), out_of_retries=frozenset({"p"})
    ),
    "no more than max_attempts": Case((A, B, C), (Fault.SERVER,) * 3),
    "before the last attempt, a look whether another provider is back": Case(
        (A, B),
        (Fault.SERVER,),
        then="b@q",
        wait_s=RECHECK_S,
        max_attempts=2,
        health={("q", "b"): DOWN},
    ),
    "the first attempt is the decision's, at a provider that failed lately, too": Case(
        (A, B), then="a@p", latest={"p": Fault.SERVER, "q": None}
    ),
    "after a fault, a provider that nothing is known of before one that failed lately": Case(
        (A, B, C), (Fault.SERVER,), "c@r", latest={"q": Fault.TIMEOUT}
    ),
    "and before an endpoint that failed, at whatever provider": Case(
        (A, B, C), (Fault.SERVER,), "c@r", health={("q", "b"): EndpointHealth(fault=Fault.SERVER)}
    ),
    "where all have failed lately, the next one": Case(
        (A, B, C), (Fault.SERVER,), "b@q", latest={"q": Fault.TIMEOUT, "r": Fault.SERVER}
    ),
    "the last attempt is for a provider that answered lately": Case(
        (A, B, C, D), (Fault.SERVER, Fault.SERVER), "d@s", latest={"s": None}
    ),
    "though not for a model of it that failed": Case(
        (A, B, C, D),
        (Fault.SERVER, Fault.SERVER),
        "c@r",
        latest={"s": None},
        health={("s", "d"): EndpointHealth(fault=Fault.SERVER)},
    ),
    "of the models of the only provider, one that has not failed": Case(
        (A, A2, A3), (Fault.SERVER,), "a3@p", latest={("p", "a2"): Fault.SERVER}
    ),
    "also before one that still cools down": Case(
        (A, A2, A3), (Fault.SERVER,), "a3@p", health={("p", "a2"): SPARE}
    ),
    "and at last one that answered": Case(
        (A, A2, A3, A4), (Fault.SERVER, Fault.SERVER), "a4@p", latest={("p", "a4"): None}
    ),
    "where limits were hit everywhere, it waits for the first that ends": Case(
        (A, A2, B),
        (Fault.RATE_LIMITED, Fault.RATE_LIMITED),
        "a@p",
        2.0 + BACKOFF_S,
        retry=True,
        health={("p", "a"): limited(2.0), ("q", "b"): limited(3.0)},
        latest={"p": Fault.RATE_LIMITED, "q": Fault.RATE_LIMITED},
    ),
    "unless that takes long": Case(
        (A, A2, B),
        (Fault.RATE_LIMITED, Fault.RATE_LIMITED),
        "a2@p",
        health={("p", "a"): limited(30.0), ("q", "b"): limited(60.0)},
        latest={"p": Fault.RATE_LIMITED, "q": Fault.RATE_LIMITED},
    ),
    "or longer than the call has": Case(
        (A, A2, B),
        (Fault.RATE_LIMITED, Fault.RATE_LIMITED),
        "a2@p",
        health={("p", "a"): limited(5.0), ("q", "b"): limited(6.0)},
        latest={"p": Fault.RATE_LIMITED, "q": Fault.RATE_LIMITED},
        now=45.0,
    ),
    "so is the one attempt after a refusal": Case(
        (A, B, C), (Fault.REFUSED,), "c@r", latest={"r": None}
    ),
    "and the one after a failed check": Case(
        (A, B, C), (Fault.CUT_OFF,), "c@r", latest={"r": None}
    ),
    "an overflow that its window does not explain is its server's": Case(
        (A, A2, B), (ProviderError(Fault.CONTEXT_OVERFLOW, "x"),), "b@q"
    ),
    "an earlier attempt is not": Case((A, B, C, D), (Fault.SERVER,), "b@q", latest={"s": None}),
    "a lone attempt is the decision's": Case(
        (A, B), then="a@p", max_attempts=1, latest={"q": None}
    ),
    "an overflow moves to a larger window": Case((A, SMALL, LARGE), (window(50_000),), "large@r"),
    "also than one that an endpoint proved to have": Case(
        (A, B, C), (window(50_000),), "c@r", health={("q", "b"): EndpointHealth(window=40_000)}
    ),
    "and nowhere where there is none": Case((A, SMALL), (window(100_000),)),
    "a window without room for prompt and answer is not tried": Case(
        (A, B), then="b@q", health={("p", "a"): EndpointHealth(window=1200)}
    ),
    "a refusal goes to another provider": Case((A, A2, B), (Fault.REFUSED,), "b@q"),
    "once": Case((A, B, C), (Fault.REFUSED, Fault.REFUSED)),
    "a failed check escalates to a better chance": Case((B, A), (Fault.SCHEMA,), "a@p"),
    "once by default": Case((A, B, C), (Fault.SCHEMA, Fault.SCHEMA)),
    "reasoning that used up the output gets more": Case(
        (A, B), (Fault.EMPTY,), "a@p", cut=True, allowance=64_000
    ),
    "an empty answer leaves the provider": Case((A, A2, B), (Fault.EMPTY,), "b@q"),
    "only trusted providers": Case((A, L1), then="l1@local", trust=Trust.local),
    "only what the ceiling leaves room for": Case(
        (A, B), (Fault.SERVER,), "a@p", wait_s=1.0, retry=True, ceiling_usd=USD * 2
    ),
    "a busy server that holds one model: the loaded one": Case(
        (L1, B, L2), then="l2@local", loaded={"local": "l2"}
    ),
    "the same without another of its models": Case((L1, B), then="b@q", loaded={"local": "l2"}),
    "the same without any other": Case((L1,), then="l1@local", loaded={"local": "l2"}),
    "after its fault none of its other models": Case((L1, L2, B), (Fault.BUSY,), "b@q"),
    "nor where there is no other provider": Case(
        (L1, L2), (Fault.TIMEOUT,), "l1@local", wait_s=1.0, retry=True
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_next_step_follows_from_what_happened(case: Case) -> None:
    state = state_of(case)
    for fault in case.failed:
        step = next_step(state, Snapshot())
        assert step is not None
        fail(state, step, fault, cut=case.cut)
    health = Snapshot(
        case.health,
        case.unreachable,
        case.out_of_retries,
        case.loaded,
        latest=case.latest,
        now=case.now,
    )
    before = repr(state)
    step = next_step(state, health)
    assert repr(state) == before, "pure"
    found = "" if step is None else f"{step.model.id}@{step.endpoint.provider.name}"
    assert found == case.then
    if step is not None:
        assert (step.wait_s, step.retry) == (case.wait_s, case.retry)
        assert not case.allowance or step.allowance == case.allowance


def test_a_model_that_no_budget_has_room_for_is_passed_over() -> None:
    state = state_of(Case((A, B)))
    nothing = Decimal(0)
    error = BudgetError("x", limit="per_day_usd", left_usd=nothing, held_usd=nothing, resets_s=1.0)
    state.lacks_budget(A, error)
    step = next_step(state, Snapshot())
    assert step is not None
    assert step.model is B


def test_a_state_sums_up_what_is_known_to_be_spent() -> None:
    state = state_of(Case((A, B)))
    state.attempts += [Attempt("a", "p", "a", cost_usd=USD), Attempt("b", "q", "b")]
    assert (state.spent_usd, state.cost_usd) == (USD, None)
    state.attempts.pop()
    assert state.cost_usd == USD


@pytest.mark.parametrize("scope", [Scope.REQUEST, Scope.ENDPOINT])
def test_a_fault_that_is_not_the_keys_leaves_the_provider_s_other_models(scope: Scope) -> None:
    state = state_of(Case((A, A2)))
    step = next_step(state, Snapshot())
    assert step is not None
    fail(state, step, ProviderError(Fault.FORBIDDEN, "x", scope=scope))
    after = next_step(state, Snapshot())
    assert after is not None
    assert after.model is A2
