"""Which endpoint to try next, after what has happened so far. Pure: no clock, no waiting.

A plan starts from a decision and is told of every failure. What a fault leads to:

- the endpoint is in trouble (rate limit, server, connection, timeout): elsewhere first, then here
- its key or its model is out: never again in this call, and its provider's other models last
- context overflow: only models with a larger window than the one that was exceeded
- refused, or the request itself was faulted: one model of another provider
- a failed check: a model with a better chance, where there is one; `escalate` times
- reasoning ate the output budget: the same model once more with a larger one, then as above
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rightmodel.core.fault import Fault
from rightmodel.routing import scoring as estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rightmodel.core.decision import Candidate, Decision
    from rightmodel.core.errors import ProviderError
    from rightmodel.manifest.catalog import Endpoint, Model

TRANSIENT: Final = frozenset(
    {
        Fault.RATE_LIMITED,
        Fault.OVERLOADED,
        Fault.SERVER,
        Fault.TIMEOUT,
        Fault.CONNECTION,
        Fault.MALFORMED,
    }
)
CHECKS: Final = frozenset({Fault.EMPTY, Fault.CUT_OFF, Fault.SCHEMA})
ELSEWHERE_ONCE: Final = frozenset({Fault.REFUSED, Fault.BAD_REQUEST, Fault.PARAMETER})
ROOM_BY_FAR: Final = 2
"""Times our estimate of a prompt: more than it is off by, rare scripts apart."""

MOST_SHUT: Final = 10
"""Endpoints in one call that may turn out to be shut without using up an attempt."""

LOOK_S: Final = 1.0
MOST_LOOKS: Final = 10
"""How often, and how many times, a call looks whether a provider is back before its last try."""

LARGER: Final = 4
"""Factor on the output budget when reasoning ate it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One attempt to make. `wait_s`: first wait so long. `retry`: the endpoint was tried before."""

    model: Model
    endpoint: Endpoint
    candidate: Candidate
    allowance: int
    wait_s: float = 0.0
    retry: bool = False


@dataclass(slots=True)
class Plan:
    """Where one call stands.

    `wait_s(endpoint)`: seconds until health lets it be tried. `window(endpoint)`: prompt tokens
    that it proved to read, where fewer than the manifest says. `unreachable(provider)`: whether a
    connection to it failed lately. `is_spare(endpoint)`: whether it cools down and may be
    tried all the same where all else is down. `pick(endpoints)`: balances over the fit endpoints
    of a model. `backoff_s(n)`: seconds before the n-th retry of an endpoint.
    """

    decision: Decision
    models: Mapping[str, Model]
    max_attempts: int
    max_escalations: int
    max_output_tokens: int
    wait_s: Callable[[Endpoint], float]
    window: Callable[[Endpoint], int | None]
    unreachable: Callable[[str], bool]
    pick: Callable[[Sequence[Endpoint]], Endpoint]
    may_retry: Callable[[str], bool]
    backoff_s: Callable[[int], float]
    is_spare: Callable[[Endpoint], bool]
    attempts: int = 0
    spent_usd: Decimal = Decimal(0)
    _no_room: set[str] = field(default_factory=set)
    _tried: dict[tuple[str, str], int] = field(default_factory=dict)
    _dead: set[tuple[str, str]] = field(default_factory=set)
    _dead_keys: set[str] = field(default_factory=set)
    _avoided: set[str] = field(default_factory=set)
    _troubled: set[str] = field(default_factory=set)
    _larger: dict[str, int] = field(default_factory=dict)
    _least_window: int = 0
    _looks: int = 0
    _shut: int = 0
    _escalations: int = 0
    _above: float = -1.0
    _moved: bool = False
    _over: bool = False

    def next(self) -> Step | None:
        """The next attempt, `None` when there is none to make."""
        if self._over or self.attempts >= self.max_attempts:
            return None
        options = list(self._options())
        stronger = [o for o in options if o[0].p_success > self._above] if self._above >= 0 else []
        return self._first_fit(stronger) or self._first_fit(options) or self._soonest(options)

    @property
    def has_other(self) -> bool:
        """Whether another endpoint could still be tried after one more failure."""
        return self.attempts < self.max_attempts and len(list(self._options())) > 0

    def is_lone(self, step: Step) -> bool:
        """Whether there is no other endpoint to try than the step's own."""
        place = _place(step.endpoint)
        return all(_place(e) == place for _, _, endpoints in self._options() for e in endpoints)

    def began(self, step: Step) -> None:
        """An attempt is under way."""
        self.attempts += 1
        key = _place(step.endpoint)
        self._tried[key] = self._tried.get(key, 0) + 1

    def has_no_room(self, step: Step) -> None:
        """No budget has room for the model: it is as if it were not there."""
        self._no_room.add(step.model.id)

    def allowance(self, model: Model) -> int:
        """Most output tokens that an attempt at the model may use."""
        allowed = self._larger.get(model.id) or estimate.allowance(
            model, self.decision.requirements, self.max_output_tokens
        )
        return self._within_ceiling(model, allowed)

    def spent(self, amount: Decimal | None) -> None:
        """What the attempt cost; counts against the call's ceiling."""
        self.spent_usd += amount or 0

    def failed(
        self, step: Step, error: ProviderError, *, cut: bool = False, reached: bool = True
    ) -> None:
        """The attempt failed: settle what may still be tried. `cut`: at the output limit.

        `reached`: whether a model had the request. Where not, nothing was lost but a moment, and
        it does not use up an attempt: three shut doors must not hide nine open ones.
        """
        fault, place = error.fault, _place(step.endpoint)
        shut = not reached or not fault.reached
        if shut and self._shut < MOST_SHUT and not self.is_lone(step):
            self._shut += 1
            self.attempts -= 1
        if fault in CHECKS:
            self._check_failed(step, fault, cut=cut)
        elif fault is Fault.CONTEXT_OVERFLOW:
            self._dead.add(place)
            self._least_window = max(self._least_window, error.window or self._exceeded(step.model))
        elif fault in ELSEWHERE_ONCE:
            self._over = self._moved
            self._moved = True
            self._avoided.add(step.endpoint.provider.name)
        elif fault in TRANSIENT:
            self._troubled.add(step.endpoint.provider.name)
        else:
            self._troubled.add(step.endpoint.provider.name)
            self._dead.add(place)
            if error.scope == "key":
                self._dead_keys.add(step.endpoint.provider.name)

    def _check_failed(self, step: Step, fault: Fault, *, cut: bool) -> None:
        larger = self._larger_allowance(step) if cut else 0
        if larger:
            self._larger[step.model.id] = larger
            self._tried.pop(_place(step.endpoint), None)
            return
        if fault is Fault.EMPTY:  # a provider's fault rather than a model's weakness
            self._troubled.add(step.endpoint.provider.name)
            self._dead.add(_place(step.endpoint))
            return
        self._escalations += 1
        self._over = self._escalations > self.max_escalations
        self._above = max(self._above, step.candidate.p_success)
        self._dead.update(_place(e) for e in step.model.endpoints)

    def _exceeded(self, model: Model) -> int:
        """The window that was exceeded, in tokens, where the upstream did not name it.

        The manifest's; but where that has room for the prompt by far, the endpoint has less than
        the manifest says, and nothing is known of the others'.
        """
        prompt = self.decision.requirements.input_tokens
        return model.context if prompt * ROOM_BY_FAR > model.context else prompt

    def _larger_allowance(self, step: Step) -> int:
        """A larger output budget for the same model, 0 where it has had one or cannot."""
        if step.model.id in self._larger or self.max_output_tokens:
            return 0
        most = min(step.model.output_limit, step.allowance * LARGER)
        most = self._within_ceiling(step.model, most)
        return most if most > step.allowance else 0

    def _options(self) -> Iterator[tuple[Candidate, Model, list[Endpoint]]]:
        """What may be tried at all, in order of the decision."""
        needed = self.decision.requirements
        for candidate in self.decision.candidates:
            model = self.models[candidate.model]
            if self._least_window and model.context <= self._least_window:
                continue
            if model.id in self._no_room or not self._affordable(candidate):
                continue
            alive = [
                e
                for e in model.endpoints
                if _place(e) not in self._dead
                and e.provider.name not in self._dead_keys
                and e.provider.name not in self._avoided
                and e.provider.trust >= needed.trust
                and (self.window(e) or needed.input_tokens) >= needed.input_tokens
            ]
            if alive:
                yield candidate, model, alive

    def _affordable(self, candidate: Candidate) -> bool:
        ceiling = self.decision.requirements.max_cost_usd
        if ceiling is None:
            return True
        return candidate.cost_usd is not None and candidate.cost_usd <= ceiling - self.spent_usd

    def _first_fit(self, options: list[tuple[Candidate, Model, list[Endpoint]]]) -> Step | None:
        """The first candidate with an endpoint that was not tried in this call and is good for it.

        Elsewhere before a provider that has failed in this call, even where it cools down: three
        models of a provider that is down would use up every attempt. The last one waits for it.
        """
        last = self.attempts == self.max_attempts - 1
        return (
            self._first(options, self._is_calm)
            or self._first(options, self.is_spare)
            or (self._look_elsewhere(options) if last else None)
            or self._first(options, self._is_fit)
        )

    def _first(
        self,
        options: list[tuple[Candidate, Model, list[Endpoint]]],
        is_good: Callable[[Endpoint], bool],
    ) -> Step | None:
        for candidate, model, endpoints in options:
            good = [e for e in endpoints if _place(e) not in self._tried and is_good(e)]
            if good:
                return self._step(candidate, model, self.pick(good))
        return None

    def _look_elsewhere(
        self, options: list[tuple[Candidate, Model, list[Endpoint]]]
    ) -> Step | None:
        """Wait a moment for a provider that has not failed in this call; not again and again."""
        for candidate, model, endpoints in options:
            for endpoint in endpoints:
                if endpoint.provider.name not in self._troubled and self._looks < MOST_LOOKS:
                    self._looks += 1
                    return self._step(candidate, model, endpoint, wait_s=LOOK_S)
        return None

    def _is_fit(self, endpoint: Endpoint) -> bool:
        return not self.wait_s(endpoint)

    def _is_calm(self, endpoint: Endpoint) -> bool:
        return self._is_fit(endpoint) and not self._in_trouble(endpoint.provider.name)

    def _in_trouble(self, provider: str) -> bool:
        return provider in self._troubled or self.unreachable(provider)

    def _soonest(self, options: list[tuple[Candidate, Model, list[Endpoint]]]) -> Step | None:
        """Nothing is fit and fresh: the endpoint that can be tried (again) soonest.

        The last endpoint that is left is never shut out: cooling down, it is waited for.
        """
        best: Step | None = None
        for candidate, model, endpoints in options:
            for endpoint in endpoints:
                times = self._tried.get(_place(endpoint), 0)
                if times and not self.may_retry(endpoint.provider.name):
                    continue
                wait = max(self.wait_s(endpoint), self.backoff_s(times) if times else 0.0)
                if best is None or wait < best.wait_s:
                    best = self._step(candidate, model, endpoint, wait_s=wait, retry=times > 0)
        return best

    def _step(
        self,
        candidate: Candidate,
        model: Model,
        endpoint: Endpoint,
        *,
        wait_s: float = 0.0,
        retry: bool = False,
    ) -> Step:
        return Step(model, endpoint, candidate, self.allowance(model), wait_s, retry)

    def _within_ceiling(self, model: Model, allowed: int) -> int:
        """Fewer output tokens where the whole allowance could cost more than the ceiling leaves."""
        needed = self.decision.requirements
        price = model.price.rates(needed.input_tokens)
        if needed.max_cost_usd is None or price.input is None or not price.output:
            return allowed
        left = needed.max_cost_usd - self.spent_usd - needed.input_tokens * price.input
        return max(1, min(allowed, int(left / price.output)))


def _place(endpoint: Endpoint) -> tuple[str, str]:
    return endpoint.provider.name, endpoint.name
