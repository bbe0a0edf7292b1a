"""How the endpoints are doing: cooldown, half-open probes, load, retry budgets.

Pure: the clock and the randomness are handed in, and nothing here waits.

A fault puts out of order what it speaks of: the *key* (quota, auth), the *model* at a provider (no
such model) or the *endpoint* (server and connection faults, rate limits). What is out of order
cools down; when the cooldown is over it is half-open: one probe is let through, and its outcome
closes or re-opens it. A cooldown never gets shorter by a later fault.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from rightmodel.core.fault import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from rightmodel.core.errors import ProviderError
    from rightmodel.manifest.catalog import Endpoint

FIRST_COOLDOWN_S: Final = 5.0
"""Cooldown after a first fault; doubled by each further one in a row."""
MOST_COOLDOWN_S: Final = 120.0
OUT_S: Final = 600.0
"""How long a key without quota or a model that does not exist stays out before it is probed."""
MOST_RETRY_AFTER_S: Final = 3600.0
PROBE_S: Final = 60.0
"""A probe that was let through and never heard of again is forgotten after this."""
PROBING_S: Final = 1.0
"""While a probe is under way: look elsewhere, or come back after this."""
RETRY_WINDOW_S: Final = 60.0
RETRY_FLOOR: Final = 3
"""Retries that are always allowed in a window, so that a lone model can be waited for."""
RETRY_SHARE: Final = 0.2
LATENCY_WEIGHT: Final = 0.3
"""Weight of the newest latency in the moving average."""

_SCOPES: Final = ("key", "model", "endpoint")


@dataclass(slots=True)
class Breaker:
    """State of one key, model or endpoint.

    `open_until`: 0 is closed. `spare_from`: when it may be tried where all else is down. `faults`:
    in a row; those of requests that were under way when it opened are one. `opened`: the last
    ticket by then. `probe`: the ticket of the probe.
    """

    open_until: float = 0.0
    spare_from: float = 0.0
    faults: int = 0
    probing_since: float | None = None
    probe: int = 0
    opened: int = 0
    fault: Fault | None = None


@dataclass(slots=True)
class Load:
    """Calls in flight at an endpoint and how long they take, seconds."""

    in_flight: int = 0
    latency_s: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """What a person sees of an endpoint. `wait_s`: until it is tried again, 0 is fit."""

    wait_s: float
    fault: Fault | None
    in_flight: int
    latency_s: float


class Health:
    """State of every endpoint. `now`: monotonic seconds. Not thread-safe: one event loop.

    `on_key`: told of a provider whose key is out of order by a fault, or (no fault) works again.
    """

    def __init__(self, now: Callable[[], float], random: Random) -> None:
        self._now = now
        self._random = random
        self._breakers: dict[tuple[str, ...], Breaker] = {}
        self._loads: dict[tuple[str, str], Load] = {}
        self._calls: dict[str, deque[tuple[float, bool]]] = {}
        self._windows: dict[tuple[str, str], int] = {}
        self.on_key: Callable[[str, Fault | None], None] = lambda _provider, _fault: None
        self._tickets = 0

    def wait_s(self, endpoint: Endpoint) -> float:
        """Seconds until the endpoint may be tried; 0 when it is fit or a probe is free."""
        now = self._now()
        return max(_wait(b, now, b.open_until) for b in self._of(endpoint))

    def is_spare(self, endpoint: Endpoint) -> bool:
        """Whether it cools down, and may be tried all the same where all else is down.

        Every few seconds one request may, unless the provider itself said when to come back: what
        is back should not be waited for because it was down for long, or its key was out.
        """
        now = self._now()
        breakers = self._of(endpoint)
        cooling = any(b.open_until > now for b in breakers)
        return cooling and not any(_wait(b, now, b.spare_from) for b in breakers)

    def begin(self, endpoint: Endpoint, *, retry: bool = False) -> int:
        """A request is sent. Every `begin` needs exactly one of `succeed`, `fail`, `release`.

        Gives a ticket to end it with: a probe is over when it ends, not when an older request does.
        """
        now = self._now()
        self._load(endpoint).in_flight += 1
        self._recent(endpoint.provider.name).append((now, retry))
        self._tickets += 1
        for breaker in self._of(endpoint):
            if breaker.open_until:
                breaker.probing_since, breaker.probe = now, self._tickets
        return self._tickets

    def succeed(self, endpoint: Endpoint, latency_s: float) -> None:
        """It answered: everything about it is in order again."""
        load = self._leave(endpoint)
        previous = load.latency_s or latency_s
        load.latency_s = previous + LATENCY_WEIGHT * (latency_s - previous)
        for key in _keys(endpoint):
            if self._breakers.pop(key, None) and key[0] == "key":
                self.on_key(endpoint.provider.name, None)

    def fail(self, endpoint: Endpoint, error: ProviderError, ticket: int = 0) -> None:
        """It failed: what the fault speaks of cools down. Without a ticket it was the probe."""
        self.release(endpoint, ticket)
        if error.fault is Fault.CONTEXT_OVERFLOW and error.window:
            self._windows[endpoint.provider.name, endpoint.name] = error.window
        if error.scope not in _SCOPES:
            return
        key = _keys(endpoint)[_SCOPES.index(error.scope)]
        breaker = self._breakers.setdefault(key, Breaker())
        if not ticket or ticket > breaker.opened:
            breaker.faults += 1
            breaker.opened = self._tickets
        breaker.fault = error.fault
        now, backoff = self._now(), _backoff(breaker)
        cooldown = _cooldown(error, backoff)
        limited = error.fault is Fault.RATE_LIMITED
        spare = cooldown if limited else min(cooldown, FIRST_COOLDOWN_S)
        breaker.spare_from = max(breaker.spare_from, now + spare)
        breaker.open_until = max(breaker.open_until, now + cooldown)
        if error.scope == "key" and not limited:
            self.on_key(endpoint.provider.name, error.fault)

    def rest(self, provider: str, wait_s: float, fault: Fault) -> None:
        """Another server found the provider's key out of order."""
        breaker = self._breakers.setdefault(("key", provider), Breaker())
        breaker.fault = fault
        breaker.open_until = max(breaker.open_until, self._now() + min(wait_s, OUT_S))

    def release(self, endpoint: Endpoint, ticket: int = 0) -> None:
        """The call was cancelled: says nothing about the endpoint."""
        self._leave(endpoint)
        for breaker in self._of(endpoint):
            if breaker.probe == ticket or not ticket:
                breaker.probing_since = None

    def unreachable(self, provider: str) -> bool:
        """Whether a connection to the provider failed lately: its other models may be no better."""
        now = self._now()
        return any(
            key[1] == provider and b.fault is Fault.CONNECTION and b.open_until > now
            for key, b in self._breakers.items()
        )

    def window(self, endpoint: Endpoint) -> int | None:
        """Tokens that the endpoint proved to take, `None` where it never refused any."""
        return self._windows.get((endpoint.provider.name, endpoint.name))

    def pick(self, endpoints: Sequence[Endpoint]) -> Endpoint:
        """The better of two chosen at random, by latency × calls in flight / weight."""
        if len(endpoints) == 1:
            return endpoints[0]
        return min(self._random.sample(list(endpoints), 2), key=self._burden)

    def may_retry(self, provider: str) -> bool:
        """Whether the provider's retry budget allows one more retry."""
        calls = self._recent(provider)
        retries = sum(retry for _, retry in calls)
        return retries < max(RETRY_FLOOR, RETRY_SHARE * len(calls))

    def state(self, endpoint: Endpoint) -> State:
        """For people: `check --watch`, errors, tests."""
        load = self._load(endpoint)
        worst = max(self._of(endpoint), key=lambda b: b.open_until, default=Breaker())
        return State(self.wait_s(endpoint), worst.fault, load.in_flight, load.latency_s)

    @property
    def in_flight(self) -> int:
        """Requests that were begun and have not ended."""
        return sum(load.in_flight for load in self._loads.values())

    def _recent(self, provider: str) -> deque[tuple[float, bool]]:
        """The calls of the last minute: when, and whether it was a retry."""
        calls = self._calls.setdefault(provider, deque())
        oldest = self._now() - RETRY_WINDOW_S
        while calls and calls[0][0] < oldest:
            calls.popleft()
        return calls

    def _of(self, endpoint: Endpoint) -> list[Breaker]:
        found = [self._breakers.get(key) for key in _keys(endpoint)]
        return [b for b in found if b is not None] or [Breaker()]

    def _load(self, endpoint: Endpoint) -> Load:
        return self._loads.setdefault((endpoint.provider.name, endpoint.name), Load())

    def _leave(self, endpoint: Endpoint) -> Load:
        load = self._load(endpoint)
        load.in_flight -= 1
        return load

    def _burden(self, endpoint: Endpoint) -> float:
        load = self._load(endpoint)
        return (load.latency_s or 1.0) * (load.in_flight + 1) / endpoint.weight


def _keys(endpoint: Endpoint) -> tuple[tuple[str, ...], ...]:
    provider, name = endpoint.provider.name, endpoint.name
    return ("key", provider), ("model", provider, name), ("endpoint", provider, name)


def _wait(breaker: Breaker, now: float, until: float) -> float:
    if until > now:
        return until - now
    if breaker.probing_since is not None and now - breaker.probing_since < PROBE_S:
        return PROBING_S
    return 0.0


def _backoff(breaker: Breaker) -> float:
    return min(FIRST_COOLDOWN_S * 2.0 ** min(breaker.faults - 1, 10), MOST_COOLDOWN_S)


def _cooldown(error: ProviderError, backoff: float) -> float:
    if error.scope in {"key", "model"} and error.fault is not Fault.RATE_LIMITED:
        return OUT_S
    asked = error.retry_after_s or 0.0  # a date in the past and a negative number say nothing
    return min(asked, MOST_RETRY_AFTER_S) if asked > 0 else backoff
