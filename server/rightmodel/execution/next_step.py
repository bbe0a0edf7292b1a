"""The next attempt of a call: a function of its state and a snapshot of health. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from rightmodel.core.fault import Fault
from rightmodel.execution.call_state import Step
from rightmodel.execution.health import ORDINARY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rightmodel.core.decision import Candidate
    from rightmodel.execution.call_state import CallState
    from rightmodel.execution.health import EndpointHealth, Snapshot
    from rightmodel.manifest.catalog import Endpoint, Model

LOOK_S: Final = 1.0
MOST_LOOKS: Final = 10
"""How often, and how many times, a call checks whether a provider is back before its last try."""
BACKOFF_S: Final = 0.5
MOST_BACKOFF_S: Final = 8.0


class Place(NamedTuple):
    """An endpoint where a candidate may still be tried."""

    candidate: Candidate
    model: Model
    endpoint: Endpoint
    health: EndpointHealth


class _Next(NamedTuple):
    """The place of the next attempt, and what a `Step` says of it."""

    place: Place
    wait_s: float = 0.0
    retry: bool = False
    looks: bool = False


def next_step(state: CallState, health: Snapshot) -> Step | None:
    """The next attempt, `None` where there is none to make.

    A model with a better chance first, where a check has failed.
    """
    if state.over or state.counted >= state.max_attempts:
        return None
    places = _places(state, health)
    stronger = [p for p in places if p.candidate.p_success > state.above]
    found = (
        (_first_fit(state, health, stronger) if state.above >= 0 else None)
        or _first_fit(state, health, places)
        or _soonest(state, health, places)
    )
    if found is None:
        return None
    candidate, model, endpoint, known = found.place
    is_lone = all(p.endpoint.key == endpoint.key for p in places)
    return Step(model, endpoint, candidate, known, state.allowance(model), *found[1:], is_lone)


def _places(state: CallState, health: Snapshot) -> list[Place]:
    """Where an attempt may be made at all, in order of the decision."""
    places, left = [], state.left_usd
    for candidate in state.candidates:
        if candidate.model in state.over_budget:
            continue
        if left is not None and (candidate.cost_usd is None or candidate.cost_usd > left):
            continue
        model = state.models[candidate.model]
        for endpoint in model.endpoints:
            known = health.endpoints.get(endpoint.key, ORDINARY)
            if _is_alive(state, model, endpoint, known.window):
                places.append(Place(candidate, model, endpoint, known))
    return _loaded_first(places, health) if health.loaded else places


def _is_alive(state: CallState, model: Model, endpoint: Endpoint, proved: int | None) -> bool:
    """`proved`: its window, where it is smaller than the manifest says."""
    provider, needed = endpoint.provider, state.decision.requirements
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


def _loaded_first(places: list[Place], health: Snapshot) -> list[Place]:
    """While a server that holds one model at a time is busy, its loaded model comes first.

    Another model of it would have to wait for the running calls, then load, and then be unloaded.
    """
    names_loaded = health.loaded.items()
    by_model: dict[str, list[Place]] = {}
    for place in places:
        by_model.setdefault(place.model.id, []).append(place)
    loaded = {
        name: found
        for name, found in by_model.items()
        if any(p.endpoint.key in names_loaded for p in found)
    }
    ordered: dict[str, list[Place]] = {}
    for name, found in by_model.items():
        if all(health.would_unload(p.endpoint) for p in found):
            busy = {p.endpoint.provider.name for p in found}
            for other, there in loaded.items():
                if any(p.endpoint.provider.name in busy for p in there):
                    ordered.setdefault(other, there)
        ordered.setdefault(name, found)
    return [place for found in ordered.values() for place in found]


def _first_fit(state: CallState, health: Snapshot, places: Sequence[Place]) -> _Next | None:
    """The first candidate with an endpoint that was not tried in this call and is good for it.

    Providers without a fault in this call come first, even those that cool down: three models of
    a provider that is down would use up every attempt. The last attempt waits for one of them.

    After a fault, the call goes on where nothing is known to be wrong; and where an answer came
    from lately, if another fault ends it. Several providers may be down, each with several models,
    or several models of the only one.
    """
    latest = health.latest

    def is_troubled(place: Place) -> bool:
        return place.endpoint.provider.name in state.troubled

    def is_calm(place: Place) -> bool:
        is_unreachable = place.endpoint.provider.name in health.unreachable
        unloads = health.loaded and health.would_unload(place.endpoint)
        return not (place.health.wait_s or unloads or is_unreachable or is_troubled(place))

    def is_sound(place: Place) -> bool:
        return not (place.health.wait_s or place.health.fault or latest.get(place.endpoint.key))

    def is_undoubted(place: Place) -> bool:
        return is_calm(place) and is_sound(place) and not latest.get(place.endpoint.provider.name)

    def first(is_good: Callable[[Place], bool]) -> _Next | None:
        return _first(state, health, fresh, is_good)

    fresh = [place for place in places if place.endpoint.key not in state.tried]
    is_last, has_failed = state.counted == state.max_attempts - 1, bool(state.errors)
    has_escalated = state.escalations >= state.max_escalations
    ends = has_failed and (is_last or state.moved or has_escalated)
    return (
        (ends and first(lambda p: is_undoubted(p) and p.endpoint.provider.name in latest))
        or (has_failed and first(is_undoubted))
        or (is_last and fresh and _limit_over(state, health, places))
        or first(is_calm)
        or first(lambda p: p.health.is_spare and not is_troubled(p))
        or (is_last and _look_elsewhere(state, places))
        or (ends and first(lambda p: is_sound(p) and p.endpoint.key in latest))
        or first(is_sound)
        or first(lambda p: p.health.is_spare or not p.health.wait_s)
    )


def _first(
    state: CallState, health: Snapshot, fresh: Sequence[Place], is_good: Callable[[Place], bool]
) -> _Next | None:
    """Of several endpoints of the first candidate that has a good one, the one for this call."""
    first = next((place for place in fresh if is_good(place)), None)
    if first is None:
        return None
    if len(first.model.endpoints) > 1:
        session, model = state.task.session, first.model
        good = {p.endpoint.key: p for p in fresh if p.model is model and is_good(p)}
        warm = session.provider_of(model.id) if session else ""
        first = good[health.balanced([p.endpoint for p in good.values()], warm).key]
    return _Next(first)


def _limit_over(state: CallState, health: Snapshot, places: Sequence[Place]) -> _Next | None:
    """Where only limits were hit: wait for one that ends soon, rather than hit another."""
    if not state.errors or any(e.fault is not Fault.RATE_LIMITED for e in state.errors):
        return None
    limited = [
        p
        for p in places
        if p.health.fault is Fault.RATE_LIMITED
        and p.health.wait_s > 0
        and p.endpoint.provider.name not in health.out_of_retries
    ]
    best = min(limited, key=lambda p: p.health.wait_s, default=None)
    if best is None or best.health.wait_s > MOST_LOOKS * LOOK_S:
        return None
    wait_s = best.health.wait_s + health.jitter * BACKOFF_S
    if health.now + wait_s >= state.end(health.now):
        return None
    return _Next(best, wait_s, retry=best.endpoint.key in state.tried)


def _look_elsewhere(state: CallState, places: Sequence[Place]) -> _Next | None:
    """Wait a moment for a provider that has not failed in this call; not again and again."""
    if state.looks >= MOST_LOOKS:
        return None
    calm = (p for p in places if p.endpoint.provider.name not in state.troubled)
    return next((_Next(place, LOOK_S, looks=True) for place in calm), None)


def _soonest(state: CallState, health: Snapshot, places: Sequence[Place]) -> _Next | None:
    """Nothing is fit and fresh: the endpoint that can be tried (again) soonest.

    The last endpoint that is left is never ruled out: cooling down, it is waited for.
    """
    best: _Next | None = None
    for place in places:
        endpoint = place.endpoint
        times = state.tried.get(endpoint.key, 0)
        if times and endpoint.provider.name in health.out_of_retries:
            continue
        # Full jitter: anywhere between nothing and an exponentially growing bound.
        most = min(MOST_BACKOFF_S, BACKOFF_S * 2.0**times) if times else 0.0
        cooling_s = 0.0 if endpoint.key in state.soon else place.health.wait_s
        wait = max(cooling_s, health.jitter * most)
        if best is None or wait < best.wait_s:
            best = _Next(place, wait, retry=times > 0)
    return best
