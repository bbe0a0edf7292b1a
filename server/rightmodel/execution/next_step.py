"""The next attempt of a call: a function of its state and a snapshot of health. Pure."""

from __future__ import annotations

import math
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from rightmodel.core.fault import Fault
from rightmodel.core.format import listed
from rightmodel.execution.call_state import ORDINARY, CallState, EndpointHealth, Snapshot, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from rightmodel.core.decision import Candidate
    from rightmodel.manifest.catalog import Endpoint, Model

RECHECK_S: Final = 1.0
MOST_RECHECKS: Final = 10
"""How often, and how many times, a call checks whether a provider is back before its last try."""
BACKOFF_S: Final = 0.5
MOST_BACKOFF_S: Final = 8.0
UNREACHABLE: Final = "at a provider that cannot be reached"


class Option(NamedTuple):
    """An endpoint where a candidate may still be tried.

    `unloads`: its server is busy with another model, and cannot hold both.
    """

    candidate: Candidate
    model: Model
    endpoint: Endpoint
    health: EndpointHealth
    unloads: bool

    @property
    def provider(self) -> str:
        """Its provider's name."""
        return self.endpoint.provider.name


class _Options:
    """Options, each made when it is first read: of a hundred, a call mostly needs two."""

    def __init__(self, options: Iterable[Option]) -> None:
        self._unread = iter(options)
        self._read: list[Option] = []

    def __iter__(self) -> Iterator[Option]:
        for number in count():
            if number == len(self._read):
                if (option := next(self._unread, None)) is None:
                    return
                self._read.append(option)
            yield self._read[number]

    def __bool__(self) -> bool:
        return next(iter(self), None) is not None


class _Next(NamedTuple):
    """The option of the next attempt, and what a `Step` says of it."""

    option: Option
    wait_s: float = 0.0
    retry: bool = False
    rechecks: bool = False


def next_step(state: CallState, health: Snapshot) -> Step | None:
    """The next attempt, `None` where there is none to make.

    A model with a better chance first, where a check has failed.
    """
    if state.over or state.counted >= state.max_attempts:
        return None
    options: Iterable[Option] = _Options(_options(state, health))
    if health.loaded:
        options = _loaded_first(options, health.loaded)
    stronger = _Options(o for o in options if o.candidate.p_success > state.above)
    found = (
        (_first_fit(state, health, stronger) if state.above >= 0 else None)
        or _first_fit(state, health, options)
        or _soonest(state, health, options)
    )
    if found is None:
        return None
    candidate, model, endpoint, known, _ = found.option
    is_lone = all(o.endpoint.key == endpoint.key for o in options)
    is_first = candidate.model == state.candidates[0].model
    reason = "" if is_first else _failover_reason(state, candidate.model, health)
    allowance = state.allowance(model)
    return Step(model, endpoint, candidate, known, allowance, *found[1:], is_lone, reason)


def _options(state: CallState, health: Snapshot) -> Iterator[Option]:
    """Where an attempt may be made at all, in order of the decision."""
    left, loaded = state.left_usd, health.loaded
    for candidate in state.candidates:
        if candidate.model in state.over_budget:
            continue
        if left is not None and (candidate.cost_usd is None or candidate.cost_usd > left):
            continue
        model = state.models[candidate.model]
        for endpoint in model.endpoints:
            known = health.endpoints.get(endpoint.key, ORDINARY)
            if _is_alive(state, model, endpoint, known.window):
                unloads = bool(loaded) and health.would_unload(endpoint)
                yield Option(candidate, model, endpoint, known, unloads)


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


def _loaded_first(options: Iterable[Option], names: Mapping[str, str]) -> list[Option]:
    """While a server that holds one model at a time is busy, its loaded model comes first.

    Another model of it would have to wait for the running calls, then load, and then be unloaded.
    """
    by_model: dict[str, list[Option]] = {}
    for option in options:
        by_model.setdefault(option.model.id, []).append(option)
    loaded = {
        name: found
        for name, found in by_model.items()
        if any(o.endpoint.key in names.items() for o in found)
    }
    ordered: dict[str, list[Option]] = {}
    for name, found in by_model.items():
        if all(o.unloads for o in found):
            busy = {o.provider for o in found}
            for other, there in loaded.items():
                if any(o.provider in busy for o in there):
                    ordered.setdefault(other, there)
        ordered.setdefault(name, found)
    return [option for found in ordered.values() for option in found]


def _first_fit(state: CallState, health: Snapshot, options: Iterable[Option]) -> _Next | None:
    """The first candidate with an endpoint that was not tried in this call and is good for it.

    Providers without a fault in this call come first, even those that cool down: three models of
    a provider that is down would use up every attempt. The last attempt waits for one of them.

    After a fault, the call goes on where nothing is known to be wrong; and where an answer came
    from lately, if another fault ends it. Several providers may be down, each with several models,
    or several models of the only one.
    """
    latest = health.latest

    def is_troubled(option: Option) -> bool:
        return option.provider in state.troubled

    def is_healthy(option: Option) -> bool:
        is_down = option.provider in health.unreachable or is_troubled(option)
        return not (is_down or option.health.wait_s or option.unloads)

    def is_sound(option: Option) -> bool:
        return not (option.health.wait_s or option.health.fault or latest.get(option.endpoint.key))

    def is_undoubted(option: Option) -> bool:
        return is_healthy(option) and is_sound(option) and not latest.get(option.provider)

    def first(is_good: Callable[[Option], bool]) -> _Next | None:
        return _first(state, health, fresh, is_good)

    fresh = _Options(option for option in options if option.endpoint.key not in state.tried)
    is_last, has_failed = state.counted == state.max_attempts - 1, bool(state.errors)
    has_escalated = state.escalations >= state.max_escalations
    ends = has_failed and (is_last or state.moved or has_escalated)
    return (
        (ends and first(lambda o: is_undoubted(o) and o.provider in latest))
        or (has_failed and first(is_undoubted))
        or (is_last and fresh and _limit_over(state, health, options))
        or first(is_healthy)
        or first(lambda o: o.health.is_spare and not is_troubled(o))
        or (is_last and _recheck(state, options))
        or (ends and first(lambda o: is_sound(o) and o.endpoint.key in latest))
        or first(is_sound)
        or first(lambda o: o.health.is_spare or not o.health.wait_s)
    )


def _first(
    state: CallState, health: Snapshot, fresh: Iterable[Option], is_good: Callable[[Option], bool]
) -> _Next | None:
    """Of several endpoints of the first candidate that has a good one, the one for this call."""
    first = next((option for option in fresh if is_good(option)), None)
    if first is None:
        return None
    if len(first.model.endpoints) > 1:
        session, model = state.task.session, first.model
        good = {o.endpoint.key: o for o in fresh if o.model is model and is_good(o)}
        warm = session.provider_of(model.id) if session else ""
        first = good[health.balanced([o.endpoint for o in good.values()], warm).key]
    return _Next(first)


def _limit_over(state: CallState, health: Snapshot, options: Iterable[Option]) -> _Next | None:
    """Where only limits were hit: wait for one that ends soon, rather than hit another."""
    if not state.errors or any(e.fault is not Fault.RATE_LIMITED for e in state.errors):
        return None
    limited = [
        option
        for option in _retryable(state, health, options)
        if option.health.fault is Fault.RATE_LIMITED and option.health.wait_s > 0
    ]
    best = min(limited, key=lambda o: o.health.wait_s, default=None)
    if best is None or best.health.wait_s > MOST_RECHECKS * RECHECK_S:
        return None
    wait_s = best.health.wait_s + health.jitter * BACKOFF_S
    if health.now + wait_s >= state.end(health.now):
        return None
    return _Next(best, wait_s, retry=best.endpoint.key in state.tried)


def _recheck(state: CallState, options: Iterable[Option]) -> _Next | None:
    """Wait a moment for a provider that has not failed in this call; not again and again."""
    if state.rechecks >= MOST_RECHECKS:
        return None
    others = (o for o in options if o.provider not in state.troubled)
    return next((_Next(option, RECHECK_S, rechecks=True) for option in others), None)


def _soonest(state: CallState, health: Snapshot, options: Iterable[Option]) -> _Next | None:
    """Nothing is fit and fresh: the endpoint that can be tried (again) soonest.

    The last endpoint that is left is never ruled out: cooling down, it is waited for.
    """

    def next_of(option: Option) -> _Next:
        key = option.endpoint.key
        times = state.tried.get(key, 0)
        # Full jitter: anywhere between nothing and an exponentially growing bound.
        most = min(MOST_BACKOFF_S, BACKOFF_S * 2.0**times) if times else 0.0
        cooling_s = 0.0 if key in state.soon else option.health.wait_s
        return _Next(option, max(cooling_s, health.jitter * most), retry=times > 0)

    found = map(next_of, _retryable(state, health, options))
    return min(found, key=lambda one: one.wait_s, default=None)


def _retryable(state: CallState, health: Snapshot, options: Iterable[Option]) -> list[Option]:
    """Those that the retry budget allows: a first attempt is no retry."""
    spent = health.out_of_retries
    return [o for o in options if o.endpoint.key not in state.tried or o.provider not in spent]


def _failover_reason(state: CallState, model: str, health: Snapshot) -> str:
    """One sentence: which models came before this one, and what kept each from answering."""
    first = state.candidates[0].model
    causes = {a.model: a.fault.value for a in state.attempts if a.fault and a.model != model}
    causes |= dict.fromkeys(state.over_budget - {model}, "over budget")
    if first not in causes:
        causes = {first: _passed_over(state, health)} | causes
    before = listed([f"{name} ({cause})" for name, cause in causes.items()], most=4)
    return f"{model} takes over from {before}; {first} came first: {state.decision.reason}"


def _passed_over(state: CallState, health: Snapshot) -> str:
    """Why the decision's first model is not tried at all."""
    first, left, needed = state.candidates[0], state.left_usd, state.decision.requirements
    if left is not None and (first.cost_usd is None or first.cost_usd > left):
        return f"over {needed.cost_by}"
    endpoints = state.models[first.model].endpoints
    found = [health.of(endpoint) for endpoint in endpoints]
    window = max(known.window or math.inf for known in found)
    if window < needed.input_tokens + needed.output_tokens:
        return f"context window of {window} tokens"
    soonest = min(found, key=lambda known: known.wait_s)
    if soonest.wait_s and soonest.fault:
        return f"cooling down after {soonest.fault.value}"
    is_down = all(e.provider.name in health.unreachable for e in endpoints)
    return UNREACHABLE if is_down else "busy"
