"""Circuit breakers over keys, models and endpoints; load and retry budgets beside them.

Pure: the clock and the randomness are handed in, and nothing here waits.

A fault opens the breaker of its scope: the *key* (quota, auth), the *model* at a provider (no such
model) or the *endpoint* (server and connection faults, rate limits). An open breaker cools down;
then it is half-open: one probe is let through, and its outcome closes or re-opens it. A later
fault never shortens a cooldown.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rightmodel.core.fault import Cooldown, Fault, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rightmodel.core.errors import ProviderError
    from rightmodel.manifest.catalog import Endpoint, Model

EndpointKey = tuple[str, str]
"""Provider and the model's name on the wire."""

FIRST_COOLDOWN_S: Final = 5.0
"""Cooldown after a first fault; doubled by each further one in a row."""
MOST_COOLDOWN_S: Final = 120.0
OUT_S: Final = 600.0
"""How long a key without quota or a model that does not exist stays out before it is probed, and a
window that proved to be smaller than the manifest says is remembered."""
MOST_RETRY_AFTER_S: Final = 3600.0
PROBE_S: Final = 60.0
"""A probe without a result is forgotten after this."""
PROBING_S: Final = 1.0
"""While a probe is under way: fail over, or check again after this."""
RETRY_WINDOW_S: Final = 60.0
RETRY_FLOOR: Final = 3
"""Retries that are always allowed in a window, so that a lone model can be waited for."""
RETRY_SHARE: Final = 0.2
LATENCY_WEIGHT: Final = 0.3
"""Weight of the newest latency in the moving average."""


@dataclass(slots=True)
class Breaker:
    """State of one key, model or endpoint.

    `open_until`: 0 is closed. `spare_from`: when it may be tried where all else is down. `faults`:
    in a row; those of requests that were under way when it opened are one. `opened`: the last
    ticket by then. `probe`: the ticket of the probe. `responded`: the latest fault was one of a
    response.
    """

    open_until: float = 0.0
    spare_from: float = 0.0
    faults: int = 0
    probing_since: float | None = None
    probe: int = 0
    opened: int = 0
    fault: Fault | None = None
    responded: bool = False


@dataclass(slots=True)
class Load:
    """Calls in flight at an endpoint and how long they take, seconds.

    `received_at`: when it last sent a part of an answer.
    """

    in_flight: int = 0
    latency_s: float = 0.0
    received_at: float = float("-inf")


@dataclass(slots=True)
class Recent:
    """The requests of the last minute to one provider: when each began, and whether it retried."""

    calls: deque[tuple[float, bool]] = field(default_factory=deque)
    retries: int = 0

    def add(self, now: float, *, retry: bool) -> None:
        """A request begins."""
        self.calls.append((now, retry))
        self.retries += retry

    def may_retry(self, now: float) -> bool:
        """Whether the retry budget allows one more."""
        while self.calls and self.calls[0][0] < now - RETRY_WINDOW_S:
            self.retries -= self.calls.popleft()[1]
        return self.retries < max(RETRY_FLOOR, RETRY_SHARE * len(self.calls))


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """One endpoint at one moment.

    `wait_s`: seconds until it may be tried, 0 is fit. `is_spare`: it cools down, and may be tried
    all the same where everything else is down. `window`: prompt tokens that it proved to read.
    `burden`: latency × requests in flight / weight. `draw`: random, from 0 to 1.
    """

    wait_s: float = 0.0
    is_spare: bool = False
    window: int | None = None
    burden: float = 1.0
    draw: float = 0.0


ORDINARY: Final = EndpointHealth()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that the next step depends on. `endpoints`: those that are not `ORDINARY`.

    `unreachable`: providers whose connection failed lately: their other models may be no better.
    `out_of_retries`: providers whose retry budget is used up. `loaded`: for a busy provider that
    holds one model at a time, the name of that model. `jitter`: random, from 0 to 1.
    """

    endpoints: Mapping[EndpointKey, EndpointHealth] = field(default_factory=dict)
    unreachable: frozenset[str] = frozenset()
    out_of_retries: frozenset[str] = frozenset()
    loaded: Mapping[str, str] = field(default_factory=dict)
    jitter: float = 1.0


@dataclass(frozen=True, slots=True)
class State:
    """What a person sees of an endpoint. `wait_s`: until it is tried again, 0 is fit."""

    wait_s: float
    fault: Fault | None
    in_flight: int
    latency_s: float


class Health:
    """State of every endpoint. Not thread-safe: one event loop.

    `now`: monotonic seconds. `draw`: random, from 0 to 1. `on_key`: called with a provider whose
    key a fault has put out of order, or (no fault) that works again.
    """

    def __init__(self, now: Callable[[], float], draw: Callable[[], float]) -> None:
        self._now = now
        self._draw = draw
        self._breakers: dict[tuple[str, ...], Breaker] = {}
        self._loads: dict[tuple[str, str], Load] = {}
        self._recent: dict[str, Recent] = {}
        self._windows: dict[EndpointKey, tuple[int, float]] = {}
        self.on_key: Callable[[str, Fault | None], None] = lambda _provider, _fault: None
        self._tickets = 0

    def wait_s(self, endpoint: Endpoint) -> float:
        """Seconds until the endpoint may be tried; 0 when it is fit or a probe is free."""
        now = self._now()
        return max(_wait(b, now, b.open_until) for b in self._of(endpoint))

    def snapshot(self, models: Iterable[Model]) -> Snapshot:
        """What is known now of the models' endpoints."""
        now = self._now()
        endpoints, loaded = {}, {}
        is_any_known = bool(self._breakers or self._windows)
        for model in models:
            for endpoint in model.endpoints:
                key, provider = endpoint.key, endpoint.provider
                if len(model.endpoints) > 1 or (is_any_known and self._is_known(endpoint)):
                    endpoints[key] = self._health(endpoint, now)
                if provider.one_model_at_a_time and self._load(endpoint).in_flight:
                    loaded[provider.name] = endpoint.name
        return Snapshot(
            endpoints,
            self._unreachable(now),
            frozenset(name for name, recent in self._recent.items() if not recent.may_retry(now)),
            loaded,
            self._draw(),
        )

    def _is_known(self, endpoint: Endpoint) -> bool:
        return endpoint.key in self._windows or any(
            key in self._breakers for key in _keys(endpoint)
        )

    def _health(self, endpoint: Endpoint, now: float) -> EndpointHealth:
        load = self._load(endpoint)
        return EndpointHealth(
            wait_s=max(_wait(b, now, b.open_until) for b in self._of(endpoint)),
            is_spare=self._is_spare(endpoint, now),
            window=self.window(endpoint),
            burden=(load.latency_s or 1.0) * (load.in_flight + 1) / endpoint.weight,
            draw=self._draw(),
        )

    def _is_spare(self, endpoint: Endpoint, now: float) -> bool:
        """Whether it cools down, and may be tried all the same where everything else is down.

        One request every few seconds may, unless the provider stated when to come back: a long
        cooldown must not keep calls from an endpoint that has recovered.
        """
        breakers = self._of(endpoint)
        cooling = any(b.open_until > now for b in breakers)
        return cooling and not any(_wait(b, now, b.spare_from) for b in breakers)

    def begin(self, endpoint: Endpoint, *, retry: bool = False) -> int:
        """A request is sent. Every `begin` needs exactly one of `succeed`, `fail`, `release`.

        Gives a ticket to end it with: a probe is over when it ends, not when an older request does.
        """
        now = self._now()
        self._load(endpoint).in_flight += 1
        self._recent.setdefault(endpoint.provider.name, Recent()).add(now, retry=retry)
        self._tickets += 1
        for breaker in self._of(endpoint):
            if breaker.open_until:
                breaker.probing_since, breaker.probe = now, self._tickets
        return self._tickets

    def succeed(self, endpoint: Endpoint, latency_s: float) -> None:
        """It answered: everything about it is in order again."""
        load = self._leave(endpoint)
        load.received_at = self._now()
        previous = load.latency_s or latency_s
        load.latency_s = previous + LATENCY_WEIGHT * (latency_s - previous)
        for key in _keys(endpoint):
            if self._breakers.pop(key, None) and key[0] is Scope.KEY:
                self.on_key(endpoint.provider.name, None)

    def fail(self, endpoint: Endpoint, error: ProviderError, ticket: int = 0) -> None:
        """It failed: what the fault speaks of cools down. Without a ticket it was the probe."""
        self.release(endpoint, ticket)
        if error.fault is Fault.CONTEXT_OVERFLOW and error.window:
            self._windows[endpoint.key] = error.window, self._now() + OUT_S
        if error.scope is Scope.REQUEST:
            return
        provider, name = endpoint.key
        key = (error.scope, provider) if error.scope is Scope.KEY else (error.scope, provider, name)
        breaker = self._breakers.setdefault(key, Breaker())
        if not ticket or ticket > breaker.opened:
            breaker.faults += 1
            breaker.opened = self._tickets
        breaker.fault, breaker.responded = error.fault, bool(error.status)
        now, backoff = self._now(), _backoff(breaker)
        cooldown = _cooldown(error, backoff)
        limited = error.fault is Fault.RATE_LIMITED
        spare = cooldown if limited else min(cooldown, FIRST_COOLDOWN_S)
        breaker.spare_from = max(breaker.spare_from, now + spare)
        breaker.open_until = max(breaker.open_until, now + cooldown)
        if error.scope is Scope.KEY and not limited:
            self.on_key(endpoint.provider.name, error.fault)

    def rest(self, provider: str, wait_s: float, fault: Fault) -> None:
        """Another server found the provider's key out of order."""
        breaker = self._breakers.setdefault((Scope.KEY, provider), Breaker())
        breaker.fault = fault
        breaker.open_until = max(breaker.open_until, self._now() + min(wait_s, OUT_S))

    def release(self, endpoint: Endpoint, ticket: int = 0) -> None:
        """The call was cancelled, which is no evidence about the endpoint."""
        self._leave(endpoint)
        for breaker in self._of(endpoint):
            if breaker.probe == ticket or not ticket:
                breaker.probing_since = None

    def received(self, endpoint: Endpoint) -> None:
        """A part of an answer came."""
        self._load(endpoint).received_at = self._now()

    def received_since(self, endpoint: Endpoint, when: float) -> bool:
        """Whether it has sent a part of any answer since then."""
        return self._load(endpoint).received_at > when

    def _unreachable(self, now: float) -> frozenset[str]:
        return frozenset(
            key[1]
            for key, b in self._breakers.items()
            if b.fault is Fault.CONNECTION and not b.responded and b.open_until > now
        )

    def window(self, endpoint: Endpoint) -> int | None:
        """Tokens that the endpoint proved to take, `None` where it has not refused any lately.

        Forgotten after a while: its server may have been restarted with a larger window.
        """
        window, until = self._windows.get(endpoint.key, (0, 0.0))
        return window if until > self._now() else None

    def state(self, endpoint: Endpoint) -> State:
        """For people: `check --watch`, errors, tests."""
        load = self._load(endpoint)
        worst = max(self._of(endpoint), key=lambda b: b.open_until, default=Breaker())
        return State(self.wait_s(endpoint), worst.fault, load.in_flight, load.latency_s)

    @property
    def in_flight(self) -> int:
        """Requests that were begun and have not ended."""
        return sum(load.in_flight for load in self._loads.values())

    def _of(self, endpoint: Endpoint) -> list[Breaker]:
        found = [self._breakers.get(key) for key in _keys(endpoint)]
        return [b for b in found if b is not None] or [Breaker()]

    def _load(self, endpoint: Endpoint) -> Load:
        return self._loads.setdefault(endpoint.key, Load())

    def _leave(self, endpoint: Endpoint) -> Load:
        load = self._load(endpoint)
        load.in_flight -= 1
        return load


def _keys(endpoint: Endpoint) -> tuple[tuple[str, ...], ...]:
    provider, name = endpoint.provider.name, endpoint.name
    return (Scope.KEY, provider), (Scope.MODEL, provider, name), (Scope.ENDPOINT, provider, name)


def _wait(breaker: Breaker, now: float, until: float) -> float:
    if until > now:
        return until - now
    if breaker.probing_since is not None and now - breaker.probing_since < PROBE_S:
        return PROBING_S
    return 0.0


def _backoff(breaker: Breaker) -> float:
    return min(FIRST_COOLDOWN_S * 2.0 ** min(breaker.faults - 1, 10), MOST_COOLDOWN_S)


def _cooldown(error: ProviderError, backoff: float) -> float:
    if error.fault.cooldown is Cooldown.LONG or (
        error.scope in {Scope.KEY, Scope.MODEL} and error.fault is not Fault.RATE_LIMITED
    ):
        return OUT_S
    asked = error.retry_after_s or 0.0  # a date in the past and a negative number count as none
    return min(asked, MOST_RETRY_AFTER_S) if asked > 0 else backoff
