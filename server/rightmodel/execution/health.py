"""Health and load of every endpoint: breakers, requests in flight, retry budgets, slots.

Pure: the clock and the randomness are handed in, and nothing here waits.

A fault opens the breaker of its scope: the *key* (quota, auth), the *model* at a provider (no such
model) or the *endpoint* (server and connection faults, rate limits).

A provider receives so many requests at once as `max_concurrency` of the manifest says, and fewer
once it proved to be busy: the limit is halved where a request timed out in the provider's own
queue, raised by one for each full round of answers (additive increase, multiplicative decrease, as
in TCP). Where it holds one model at a time, requests for another one wait until the running ones
have ended.
"""

from __future__ import annotations

import math
from collections import ChainMap, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rightmodel.core.fault import Fault, Scope
from rightmodel.execution.breaker import OUT_S, Breaker
from rightmodel.execution.call_state import EndpointHealth, EndpointKey, Outcomes, Snapshot

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Iterable, Sequence

    from rightmodel.core.errors import ProviderError
    from rightmodel.manifest.catalog import Endpoint, Model, Provider

LATENCY_WEIGHT: Final = 0.3
"""Weight of the newest latency in the moving average."""
RETRY_WINDOW_S: Final = 60.0
RETRY_FLOOR: Final = 3
"""Retries that are always allowed in a window, so that a lone model can be waited for."""
RETRY_SHARE: Final = 0.2
UNLIMITED: Final = 64.0
"""An adaptive limit that has grown to so many requests is lifted."""


@dataclass(slots=True)
class _Load:
    """Requests in flight at an endpoint and how long they take, seconds.

    `received_at`: when it last sent a part of an answer.
    """

    in_flight: int = 0
    latency_s: float = 0.0
    received_at: float = float("-inf")


@dataclass(slots=True)
class Traffic:
    """The requests to one provider.

    `limit`: at once, adaptive; `most`: the manifest's. `halved`: since the last answer.
    `holds_one`: model at a time; `model`: of the latest request. `recent`: when each of the last
    minute began, and whether it retried; `retries`: how many did.
    """

    most: float
    limit: float
    holds_one: bool
    model: str = ""
    halved: bool = False
    held: int = 0
    waiting: deque[tuple[Future[None], str]] = field(default_factory=deque)
    recent: deque[tuple[float, bool]] = field(default_factory=deque)
    retries: int = 0

    def has_room(self, model: str) -> bool:
        """Whether one more request for the model can be sent."""
        fits = not self.holds_one or not self.held or self.model == model
        return fits and self.held + 1 <= self.limit

    def admit(self) -> None:
        """Give the slots that are free to those who wait, in order."""
        while self.waiting:
            waiter, model = self.waiting[0]
            if waiter.done():  # cancelled
                self.waiting.popleft()
            elif self.has_room(model):
                self.waiting.popleft()
                self.take(model)
                waiter.set_result(None)
            else:
                return

    def take(self, model: str) -> None:
        """Occupy a slot."""
        self.held += 1
        self.model = model

    def release(self) -> None:
        """Free a slot."""
        self.held -= 1
        self.admit()

    def note(self, now: float, *, retry: bool) -> None:
        """A request begins."""
        self.recent.append((now, retry))
        self.retries += retry
        self._forget(now)

    def may_retry(self, now: float) -> bool:
        """Whether the retry budget allows one more."""
        self._forget(now)
        return self.retries < max(RETRY_FLOOR, RETRY_SHARE * len(self.recent))

    def _forget(self, now: float) -> None:
        while self.recent and self.recent[0][0] < now - RETRY_WINDOW_S:
            self.retries -= self.recent.popleft()[1]


class Health:
    """State of every endpoint. Not thread-safe: one event loop.

    `now`: monotonic seconds. `draw`: random, from 0 to 1. `on_key`: called with a provider whose
    key a fault has put out of order, or (no fault) that works again.
    """

    def __init__(self, now: Callable[[], float], draw: Callable[[], float]) -> None:
        self._now = now
        self._draw = draw
        self._breakers: dict[tuple[str, ...], Breaker] = {}
        self._loads: dict[EndpointKey, _Load] = {}
        self._traffic: dict[str, Traffic] = {}
        self._windows: dict[EndpointKey, tuple[int, float]] = {}
        self._met: dict[str | EndpointKey, Fault | None] = {}
        self._latest = ChainMap(self._met)
        self.on_key: Callable[[str, Fault | None], None] = lambda _provider, _fault: None
        self._tickets = 0

    def wait_s(self, endpoint: Endpoint) -> float:
        """Seconds until the endpoint may be tried; 0 when it is fit or a probe is free."""
        now = self._now()
        return max((b.wait_s(now) for b in self._of(endpoint)), default=0.0)

    def snapshot(self, models: Iterable[Model]) -> Snapshot:
        """What is known now of the models' endpoints."""
        now = self._now()
        endpoints, loaded = {}, {}
        is_any_known = bool(self._breakers or self._windows)
        for model in models:
            for endpoint in model.endpoints:
                key, provider = endpoint.key, endpoint.provider
                if len(model.endpoints) > 1 or (is_any_known and self._is_known(endpoint)):
                    endpoints[key] = self.state(endpoint)
                if provider.one_model_at_a_time and self._load(endpoint).in_flight:
                    loaded[provider.name] = endpoint.name
        return Snapshot(
            endpoints,
            self._unreachable(now) if self._breakers else frozenset(),
            frozenset(n for n, t in self._traffic.items() if t.retries and not t.may_retry(now)),
            loaded,
            self._draw(),
            self._latest,
            now,
        )

    def begin(self, endpoint: Endpoint, *, retry: bool = False, is_admitted: bool = False) -> int:
        """A request is sent. Gives its ticket, 0 where it has to wait for a slot first.

        Every ticket needs exactly one of `succeed`, `fail`, `release`: a probe is over when it
        ends, not when an older request does. `is_admitted`: it waited for its slot, and has it.
        """
        now, traffic = self._now(), self.traffic(endpoint.provider)
        if not is_admitted:
            if traffic.waiting or not traffic.has_room(endpoint.name):
                return 0
            traffic.take(endpoint.name)
        self._load(endpoint).in_flight += 1
        traffic.note(now, retry=retry)
        self._tickets += 1
        for breaker in self._of(endpoint):
            if breaker.open_until:
                breaker.probing_since, breaker.probe = now, self._tickets
        return self._tickets

    def succeed(self, endpoint: Endpoint, latency_s: float) -> None:
        """It answered: everything about it is in order again."""
        load, provider = self._load(endpoint), endpoint.provider
        load.received_at = self._now()
        self._met[provider.name] = self._met[endpoint.key] = None
        previous = load.latency_s or latency_s
        load.latency_s = previous + LATENCY_WEIGHT * (latency_s - previous)
        for key in _keys(endpoint) if self._breakers else ():
            if self._breakers.pop(key, None) and key[0] is Scope.KEY:
                self.on_key(provider.name, None)
        traffic = self.traffic(provider)
        traffic.halved = False
        if traffic.limit < traffic.most:  # one more at once for each full round of answers
            grown = min(traffic.most, traffic.limit + 1 / traffic.limit)
            traffic.limit = traffic.most if grown > UNLIMITED else grown
        load.in_flight -= 1
        traffic.release()

    def fail(self, endpoint: Endpoint, error: ProviderError, ticket: int = 0) -> None:
        """It failed: what the fault speaks of cools down. Without a ticket it was the probe."""
        self.release(endpoint, ticket)
        now = self._now()
        self.doubt(endpoint, error)
        if error.fault is Fault.CONTEXT_OVERFLOW and error.window:
            self._windows[endpoint.key] = error.window, now + OUT_S
        if error.scope is Scope.REQUEST:
            return
        provider, name = endpoint.key
        key = (error.scope, provider) if error.scope is Scope.KEY else (error.scope, provider, name)
        breaker = self._breakers.setdefault(key, Breaker())
        breaker.trip(error, now, ticket=ticket, latest=self._tickets)
        if error.scope is Scope.KEY and error.fault is not Fault.RATE_LIMITED:
            self.on_key(provider, error.fault)

    def doubt(self, endpoint: Endpoint, error: ProviderError) -> None:
        """An attempt at its provider gave no answer. A model that is too weak does not count."""
        if error.fault is not Fault.SCHEMA:
            self._met[endpoint.provider.name] = self._met[endpoint.key] = error.fault

    def recall(self, latest: Outcomes) -> None:
        """What the ledger knows of what this process has not called itself."""
        self._latest = ChainMap(self._met, dict(latest))

    def rest(self, provider: str, wait_s: float, fault: Fault) -> None:
        """Another server found the provider's key out of order."""
        breaker = self._breakers.setdefault((Scope.KEY, provider), Breaker())
        breaker.fault = fault
        breaker.open_until = max(breaker.open_until, self._now() + min(wait_s, OUT_S))

    def renew(self, provider: str) -> None:
        """The provider has another key: what the former one met does not count."""
        self._breakers.pop((Scope.KEY, provider), None)

    def release(self, endpoint: Endpoint, ticket: int = 0) -> None:
        """The call was cancelled, which is no evidence about the endpoint."""
        self._load(endpoint).in_flight -= 1
        self.traffic(endpoint.provider).release()
        for breaker in self._of(endpoint):
            if breaker.probe == ticket or not ticket:
                breaker.probing_since = None

    def busy(self, endpoint: Endpoint) -> None:
        """A request timed out while others were answered: send fewer at once."""
        traffic = self.traffic(endpoint.provider)
        if not traffic.halved:
            traffic.halved = True
            traffic.limit = max(1.0, min(traffic.limit, float(traffic.held)) / 2)

    def received(self, endpoint: Endpoint) -> None:
        """A part of an answer came."""
        self._load(endpoint).received_at = self._now()

    def received_since(self, endpoint: Endpoint, when: float) -> bool:
        """Whether it has sent a part of any answer since then."""
        return self._load(endpoint).received_at > when

    def traffic(self, provider: Provider) -> Traffic:
        """The requests to a provider."""
        traffic = self._traffic.get(provider.name)
        if traffic is None:
            most = float(provider.max_concurrency) or math.inf
            traffic = Traffic(most, most, provider.one_model_at_a_time)
            self._traffic[provider.name] = traffic
        return traffic

    @property
    def in_flight(self) -> int:
        """Requests that were begun and have not ended."""
        return sum(load.in_flight for load in self._loads.values())

    def _is_known(self, endpoint: Endpoint) -> bool:
        return endpoint.key in self._windows or any(k in self._breakers for k in _keys(endpoint))

    def state(self, endpoint: Endpoint) -> EndpointHealth:
        """One endpoint's. It is a spare while it cools down, unless it stated when to come back.

        One request every few seconds: a long cooldown must not keep calls from an endpoint that
        has recovered.
        """
        load, breakers, now = self._load(endpoint), self._of(endpoint), self._now()
        # Forgotten after a while: its server may have been restarted with a larger window.
        window, until = self._windows.get(endpoint.key, (0, 0.0))
        worst = max(breakers, key=lambda b: b.open_until, default=None)
        is_cooling = worst is not None and worst.open_until > now
        return EndpointHealth(
            max((b.wait_s(now) for b in breakers), default=0.0),
            is_cooling and not any(b.wait_s(now, b.spare_from) for b in breakers),
            window if until > now else None,
            (load.latency_s or 1.0) * (load.in_flight + 1) / endpoint.weight,
            self._draw(),
            worst.fault if worst is not None else None,
            load.latency_s,
            load.in_flight,
        )

    def _unreachable(self, now: float) -> frozenset[str]:
        """Providers where no connection can be made, or silent since a request timed out."""
        return frozenset(
            key[1]
            for key, b in self._breakers.items()
            if b.wait_s(now)
            and (
                (b.fault is Fault.CONNECTION and not b.responded)
                or (b.fault is Fault.TIMEOUT and self._latest.get(key[1]) is Fault.TIMEOUT)
            )
        )

    def _of(self, endpoint: Endpoint) -> Sequence[Breaker]:
        if not self._breakers:
            return ()
        found = map(self._breakers.get, _keys(endpoint))
        return [breaker for breaker in found if breaker is not None]

    def _load(self, endpoint: Endpoint) -> _Load:
        load = self._loads.get(endpoint.key)
        if load is None:
            load = self._loads[endpoint.key] = _Load()
        return load


def _keys(endpoint: Endpoint) -> tuple[tuple[str, ...], ...]:
    provider, name = endpoint.key
    return (Scope.KEY, provider), (Scope.MODEL, provider, name), (Scope.ENDPOINT, provider, name)
