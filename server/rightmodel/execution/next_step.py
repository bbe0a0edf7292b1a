"""The next attempt of a call: a function of its state and a snapshot of health. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from rightmodel.execution.breaker import ORDINARY
from rightmodel.execution.call_state import CallState, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rightmodel.core.decision import Candidate
    from rightmodel.execution.breaker import EndpointHealth, Snapshot
    from rightmodel.manifest.catalog import Endpoint, Model

LOOK_S: Final = 1.0
MOST_LOOKS: Final = 10
"""How often, and how many times, a call checks whether a provider is back before its last try."""
BACKOFF_S: Final = 0.5
MOST_BACKOFF_S: Final = 8.0


class Option(NamedTuple):
    """A candidate that may still be tried, and where."""

    candidate: Candidate
    model: Model
    endpoints: Sequence[Endpoint]


def next_step(state: CallState, health: Snapshot) -> Step | None:
    """The next attempt, `None` where there is none to make.

    A model with a better chance first, where a check has failed.
    """
    if state.over or state.counted >= state.max_attempts:
        return None
    options = options_of(state, health)
    stronger = [o for o in options if o.candidate.p_success > state.above]
    step = (
        (_first_fit(state, health, stronger) if state.above >= 0 else None)
        or _first_fit(state, health, options)
        or _soonest(state, health, options)
    )
    if step is None:
        return None
    key = step.endpoint.key
    is_lone = all(e.key == key for option in options for e in option.endpoints)
    return replace(step, allowance=state.allowance(step.model), is_lone=is_lone)


def options_of(state: CallState, health: Snapshot) -> list[Option]:
    """What may be tried at all, in order of the decision."""
    options, left = [], state.left_usd
    for candidate in state.candidates:
        if candidate.model in state.over_budget:
            continue
        if left is not None and (candidate.cost_usd is None or candidate.cost_usd > left):
            continue
        model = state.models[candidate.model]
        alive = [e for e in model.endpoints if _is_alive(state, health, model, e)]
        if alive:
            options.append(Option(candidate, model, alive))
    return _loaded_first(options, health) if health.loaded else options


def _is_alive(state: CallState, health: Snapshot, model: Model, endpoint: Endpoint) -> bool:
    provider, needed = endpoint.provider, state.decision.requirements
    proved = _health(health, endpoint).window
    return (
        endpoint.key not in state.dead
        and provider.name not in state.dead_keys
        and provider.name not in state.avoided
        and state.held.get(provider.name, endpoint.name) == endpoint.name
        and provider.trust >= needed.trust
        and provider.protocol not in needed.unfit
        and (proved is None or proved >= needed.input_tokens + needed.output_tokens)
        and min(model.context, proved or model.context) > state.least_window
    )


def _health(health: Snapshot, endpoint: Endpoint) -> EndpointHealth:
    return health.endpoints.get(endpoint.key, ORDINARY)


def _loaded_first(options: list[Option], health: Snapshot) -> list[Option]:
    """While a server that holds one model at a time is busy, its loaded model comes first.

    Another model of it would have to wait for the running calls, then load, and then be unloaded.
    """
    names_loaded = health.loaded.items()
    loaded = [o for o in options if any(e.key in names_loaded for e in o.endpoints)]
    ordered: list[Option] = []
    for option in options:
        busy = [e for e in option.endpoints if _would_unload(health, e)]
        if len(busy) == len(option.endpoints):
            names = {e.provider.name for e in busy}
            ordered += [o for o in loaded if any(e.provider.name in names for e in o.endpoints)]
        ordered.append(option)
    return list({option.model.id: option for option in ordered}.values())


def _would_unload(health: Snapshot, endpoint: Endpoint) -> bool:
    """Whether the server is busy with another model, and cannot hold both."""
    return health.loaded.get(endpoint.provider.name, endpoint.name) != endpoint.name


def _first_fit(state: CallState, health: Snapshot, options: Sequence[Option]) -> Step | None:
    """The first candidate with an endpoint that was not tried in this call and is good for it.

    Providers without a fault in this call come first, even those that cool down: three models of
    a provider that is down would use up every attempt. The last attempt waits for one of them.
    """

    def is_calm(endpoint: Endpoint) -> bool:
        name = endpoint.provider.name
        has_failed = name in state.troubled or name in health.unreachable
        return is_fit(endpoint, health) and not has_failed

    is_last = state.counted == state.max_attempts - 1
    return (
        _first(state, health, options, is_calm)
        or _first(state, health, options, lambda e: _health(health, e).is_spare)
        or (_look_elsewhere(state, options) if is_last else None)
        or _first(state, health, options, lambda e: not _health(health, e).wait_s)
    )


def is_fit(endpoint: Endpoint, health: Snapshot) -> bool:
    """Whether a request can be sent now, without another model being unloaded for it."""
    return not _health(health, endpoint).wait_s and not _would_unload(health, endpoint)


def _first(
    state: CallState,
    health: Snapshot,
    options: Sequence[Option],
    is_good: Callable[[Endpoint], bool],
) -> Step | None:
    session = state.task.session
    for option in options:
        good = [e for e in option.endpoints if e.key not in state.tried and is_good(e)]
        if good:
            warm = session.provider_of(option.model.id) if session else ""
            return _step(option, balanced(good, health, warm))
    return None


def balanced(endpoints: Sequence[Endpoint], health: Snapshot, warm: str = "") -> Endpoint:
    """The less burdened of two that were drawn, at the provider `warm` if one of them is there."""
    endpoints = [e for e in endpoints if e.provider.name == warm] or endpoints
    if len(endpoints) == 1:
        return endpoints[0]
    drawn = sorted(endpoints, key=lambda e: _health(health, e).draw)[:2]
    return min(drawn, key=lambda e: _health(health, e).burden)


def _look_elsewhere(state: CallState, options: Sequence[Option]) -> Step | None:
    """Wait a moment for a provider that has not failed in this call; not again and again."""
    if state.looks >= MOST_LOOKS:
        return None
    for option in options:
        for endpoint in option.endpoints:
            if endpoint.provider.name not in state.troubled:
                return _step(option, endpoint, wait_s=LOOK_S, looks=True)
    return None


def _soonest(state: CallState, health: Snapshot, options: Sequence[Option]) -> Step | None:
    """Nothing is fit and fresh: the endpoint that can be tried (again) soonest.

    The last endpoint that is left is never ruled out: cooling down, it is waited for.
    """
    best: Step | None = None
    for option in options:
        for endpoint in option.endpoints:
            times = state.tried.get(endpoint.key, 0)
            if times and endpoint.provider.name in health.out_of_retries:
                continue
            wait = max(
                _health(health, endpoint).wait_s, _backoff_s(times, health) if times else 0.0
            )
            if best is None or wait < best.wait_s:
                best = _step(option, endpoint, wait_s=wait, retry=times > 0)
    return best


def _backoff_s(times: int, health: Snapshot) -> float:
    """Full jitter: anywhere between nothing and an exponentially growing bound."""
    return health.jitter * min(MOST_BACKOFF_S, BACKOFF_S * 2.0**times)


def _step(option: Option, endpoint: Endpoint, wait_s: float = 0.0, **facts: bool) -> Step:
    """The step but for what `next_step` adds."""
    return Step(option.model, endpoint, option.candidate, 0, wait_s, **facts)
