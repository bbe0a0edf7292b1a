"""What the next attempt of a call depends on: health, what it attempted, what that rules out. Pure.

The ledger and the receipt read the state; only the executor changes it. What a fault leads to is a
column of the table in `core.fault`; `CallState.failed` applies it. Its next attempt: `next_step`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rightmodel.core.call import Usage
from rightmodel.core.fault import Fault, Recovery, Scope

if TYPE_CHECKING:
    from rightmodel.core.call import Attempt
    from rightmodel.core.decision import Candidate, Decision
    from rightmodel.core.errors import BudgetError, ProviderError
    from rightmodel.core.task import Task
    from rightmodel.manifest.catalog import Endpoint, Model

MOST_UNCOUNTED: Final = 10
"""Attempts of one call that may fail without a model having received the request."""
CHECKS: Final = frozenset({Fault.EMPTY, Fault.CUT_OFF, Fault.SCHEMA})
"""Faults of an answer that a larger output budget may cure where the budget was used up."""
ROOM_BY_FAR: Final = 2
"""Times our estimate of a prompt: more than it is off by, rare scripts apart."""
LEAST_ALLOWANCE: Final = 16_384
"""Least output tokens allowed for an answer, where the model can: room to reason in."""
LEAST_FIRST_TOKEN_S: Final = 2.0
PROBE_S: Final = 5.0
"""Least time to a first token for an endpoint that kept silent the last time, and is probed."""
CHAT_TEMPLATE_TOKENS: Final = 100
"""Tokens that an upstream's chat template adds to a prompt."""
LARGER: Final = 4
"""Factor on the output budget when reasoning used it up."""

EndpointKey = tuple[str, str]
"""Provider and the model's name on the wire."""
Outcomes = Mapping[str | EndpointKey, Fault | None]
"""The latest one at each provider, by any of its models, and at each endpoint.

A fault, or (`None`) an answer; nothing is known of the others.
"""


class EndpointHealth(NamedTuple):
    """One endpoint at one moment.

    `wait_s`: seconds until it may be tried, 0 is fit. `is_spare`: it cools down, and may be tried
    all the same where everything else is down. `window`: prompt tokens that it proved to read.
    `burden`: latency × requests in flight / weight. `draw`: random, from 0 to 1. `fault`: its
    latest. `latency_s`: of its answers, 0 is unknown. `in_flight`: requests.
    """

    wait_s: float = 0.0
    is_spare: bool = False
    window: int | None = None
    burden: float = 1.0
    draw: float = 0.0
    fault: Fault | None = None
    latency_s: float = 0.0
    in_flight: int = 0


ORDINARY: Final = EndpointHealth()
_NOTHING: Final[Mapping[Any, Any]] = {}


class Snapshot(NamedTuple):
    """All that the next step depends on. `endpoints`: those that are not `ORDINARY`.

    `unreachable`: providers that lately refused or dropped a connection, or kept silent: their
    other models may be no better. `latest`: outcomes. `out_of_retries`: providers whose retry
    budget is used up. `loaded`: for a busy provider that holds one model at a time, the name of
    that model. `jitter`: random, from 0 to 1. `now`: monotonic seconds.
    """

    endpoints: Mapping[EndpointKey, EndpointHealth] = _NOTHING
    unreachable: frozenset[str] = frozenset()
    out_of_retries: frozenset[str] = frozenset()
    loaded: Mapping[str, str] = _NOTHING
    jitter: float = 1.0
    latest: Outcomes = _NOTHING
    now: float = 0.0

    def of(self, endpoint: Endpoint) -> EndpointHealth:
        """One endpoint's."""
        return self.endpoints.get(endpoint.key, ORDINARY)

    def would_unload(self, endpoint: Endpoint) -> bool:
        """Whether the server is busy with another model, and cannot hold both."""
        return self.loaded.get(endpoint.provider.name, endpoint.name) != endpoint.name

    def is_fit(self, endpoint: Endpoint) -> bool:
        """Whether a request can be sent now, without another model being unloaded for it."""
        return not self.of(endpoint).wait_s and not self.would_unload(endpoint)

    def balanced(self, endpoints: Sequence[Endpoint], warm: str = "") -> Endpoint:
        """The less burdened of two that were drawn, at the provider `warm` where one is there."""
        endpoints = [e for e in endpoints if e.provider.name == warm] or endpoints
        drawn = sorted(endpoints, key=lambda e: self.of(e).draw)[:2]
        return min(drawn, key=lambda e: self.of(e).burden)


class Step(NamedTuple):
    """One attempt. `wait_s`: first wait so long. `retry`: the endpoint was tried before.

    `allowance`: output tokens it may use. `rechecks`: the wait is for a provider to come back.
    `is_lone`: no other endpoint may be tried. `health`: the endpoint's. `reason`: why another model
    than the decision's first one is tried, "" where it is that one.
    """

    model: Model
    endpoint: Endpoint
    candidate: Candidate
    health: EndpointHealth
    allowance: int
    wait_s: float
    retry: bool
    rechecks: bool
    is_lone: bool
    reason: str


@dataclass(slots=True)
class CallState:
    """`candidates`: all of the decision's, best first; `models`: theirs, by id.

    `billable`: tokens of the prompt with the estimate's worst error. `began`, `deadline`,
    `give_up`: on the event loop's clock.

    `counted`: attempts that count against `max_attempts`. `tried`: endpoint → times. `dead`: not
    to be tried again in this call, with `dead_keys` (providers whose key is out), `avoided`
    (providers that refused the request) and `over_budget` (models). `troubled`: providers that
    failed, tried last. `soon`: to be retried before they have cooled down. `held`: provider that
    holds one model at a time, or was not reached → the one that failed. `larger`: model → output
    budget raised once. `least_window`: tokens that were too few. `above`: chance of a good answer
    that the next model should exceed. `over`: nothing more may be tried.
    """

    task: Task
    decision: Decision
    candidates: Sequence[Candidate]
    models: Mapping[str, Model]
    billable: int
    max_attempts: int
    max_escalations: int
    began: float
    deadline: float
    give_up: float
    attempts: list[Attempt] = field(default_factory=list)
    errors: list[ProviderError] = field(default_factory=list)
    retryable: list[Endpoint] = field(default_factory=list)
    no_room: BudgetError | None = None
    counted: int = 0
    tried: dict[EndpointKey, int] = field(default_factory=dict)
    dead: set[EndpointKey] = field(default_factory=set)
    dead_keys: set[str] = field(default_factory=set)
    avoided: set[str] = field(default_factory=set)
    over_budget: set[str] = field(default_factory=set)
    troubled: set[str] = field(default_factory=set)
    soon: set[EndpointKey] = field(default_factory=set)
    held: dict[str, str] = field(default_factory=dict)
    larger: dict[str, int] = field(default_factory=dict)
    least_window: int = 0
    rechecks: int = 0
    uncounted: int = 0
    escalations: int = 0
    above: float = -1.0
    moved: bool = False
    over: bool = False

    @property
    def spent_usd(self) -> Decimal:
        """What the attempts and the judge cost, as far as it is known."""
        judge = (self.decision.judge_usd if self.decision.judge else None) or Decimal(0)
        return sum((a.cost_usd for a in self.attempts if a.cost_usd), judge)

    @property
    def cost_usd(self) -> Decimal | None:
        """What the attempts and the judge cost, `None` where one of the costs is unknown."""
        if self.decision.judge and self.decision.judge_usd is None:
            return None
        return None if any(a.cost_usd is None for a in self.attempts) else self.spent_usd

    def countable(self, usage: Usage, allowance: int) -> Usage:
        """The counts that a saving is computed from: an upstream that inflates them invents none.

        `allowance`: output tokens that were allowed. Reasoning tokens are left out: what the
        baseline would have thought is unknown, and claiming the other model's would inflate the
        saving.
        """
        most = self.billable + CHAT_TEMPLATE_TOKENS
        return Usage(min(usage.input, most), min(usage.output - usage.reasoning, allowance))

    def allowance(self, model: Model) -> int:
        """Most output tokens of an attempt: the caller's cap or ample room, within the ceiling."""
        allowed = self.larger.get(model.id)
        if not allowed:
            needed, cap = self.decision.requirements, self.task.max_output_tokens
            room = max(model.context - needed.input_tokens, 1)
            ample = max(LEAST_ALLOWANCE, 4 * needed.output_tokens)
            if self.task.turn is not None:  # a cut of our own would look like the model's
                ample = model.output_limit
            allowed = min(cap or ample, model.output_limit, room)
        return self._within_ceiling(model, allowed)

    @property
    def left_usd(self) -> Decimal | None:
        """What the call's ceiling leaves, `None` where there is none."""
        ceiling = self.decision.requirements.max_cost_usd
        return None if ceiling is None else ceiling - self.spent_usd

    def end(self, now: float) -> float:
        """What time is shared out up to: the deadline; in the background, giving up."""
        return self.deadline if now < self.deadline else self.give_up

    def limit(self, step: Step, now: float) -> float:
        """When silence ends the attempt: its share of what is left, the last one has it all.

        It has it up to the deadline where another model was not tried: the client tries a turn
        again by itself, and reaches that one; a task goes on there in the background.
        """
        if self.counted >= self.max_attempts:
            is_kept = self.max_attempts == 1 and self.task.turn is None
            return self.end(now) if self.has_untried() and not is_kept else self.give_up
        if step.is_lone:  # it may be loading, and nothing else could answer
            return now + (self.give_up - now) / 2
        shares = max(1, min(self.max_attempts - self.counted, 2)) + 1
        if "reasoning" in step.model.features and self.task.effort != "none":
            shares = 2  # it may think for long before the first token, and that is no fault
        share = max(LEAST_FIRST_TOKEN_S, (self.end(now) - now) / shares)
        if step.health.fault is Fault.TIMEOUT:  # another call should not lose as much to it
            share = min(share, max(PROBE_S, 3 * step.health.latency_s))
        return min(self.give_up, now + share)

    def has_untried(self) -> bool:
        """Whether there is an endpoint that was not tried, at a provider that has not failed."""
        models = (self.models[candidate.model] for candidate in self.candidates)
        out = self.troubled
        return any(
            e.key not in self.tried and e.provider.name not in out
            for m in models
            for e in m.endpoints
        )

    def lacks_budget(self, model: Model, error: BudgetError) -> None:
        """No budget has room for the model. The error kept is one that passes, where one does."""
        if not self.over_budget or error.passing:
            self.no_room = error
        self.over_budget.add(model.id)

    def started(self, step: Step) -> None:
        """An attempt is under way."""
        self.counted += 1
        key = step.endpoint.key
        self.tried[key] = self.tried.get(key, 0) + 1

    def failed(
        self,
        step: Step,
        error: ProviderError,
        *,
        cut: bool = False,
        counts: bool = True,
        is_unreached: bool = False,
    ) -> None:
        """The attempt failed: rule out what cannot help. `cut`: at the output limit.

        `counts`: whether it uses up an attempt. `is_unreached`: the provider did not receive it, so
        another of its models would not be reached either.
        """
        self.errors.append(error)
        if error.fault.retryable:
            self.retryable.append(step.endpoint)
        if not counts and self.uncounted < MOST_UNCOUNTED:
            self.uncounted += 1
            self.counted -= 1
        if not (cut and error.fault in CHECKS and self._raise_allowance(step)):
            self._rule_out(step, error)
        if is_unreached:
            key = step.endpoint.key
            self.held.setdefault(*key)
            if self.task.client == "cli":  # a person, who starts the server and asks again
                (self.soon if self.tried[key] == 1 else self.dead).add(key)

    def _rule_out(self, step: Step, error: ProviderError) -> None:
        provider, key = step.endpoint.provider, step.endpoint.key
        match error.fault.recovery:
            case Recovery.RETRY:
                # A person waits for a turn, and the client tries it again by itself.
                is_soon = self.task.turn is not None and not error.retry_after_s
                (self.soon.add if is_soon else self.soon.discard)(key)
                self.troubled.add(provider.name)
                if provider.one_model_at_a_time:
                    self.held.setdefault(provider.name, step.endpoint.name)
            case Recovery.LARGER_WINDOW:
                self.dead.add(key)
                window = error.window or self._exceeded(step.model)
                self.least_window = max(self.least_window, window)
                if window < step.model.context and not error.window:  # a limit of its server's
                    self.troubled.add(provider.name)
            case Recovery.ANOTHER_PROVIDER:
                self.over = self.moved
                self.moved = True
                self.avoided.add(provider.name)
            case Recovery.ESCALATE:
                self.escalations += 1
                self.over = self.escalations > self.max_escalations
                self.above = max(self.above, step.candidate.p_success)
                self.dead.update(e.key for e in step.model.endpoints)
            case Recovery.FAIL_OVER:
                self.troubled.add(provider.name)
                self.dead.add(key)
                if error.scope is Scope.KEY:
                    self.dead_keys.add(provider.name)

    def _raise_allowance(self, step: Step) -> bool:
        """Whether the same model can be tried once more with a larger output budget."""
        if step.model.id in self.larger or self.task.max_output_tokens:
            return False
        larger = min(step.model.output_limit, step.allowance * LARGER)
        most = self._within_ceiling(step.model, larger)
        if most <= step.allowance:
            return False
        self.larger[step.model.id] = most
        self.tried.pop(step.endpoint.key, None)
        return True

    def _exceeded(self, model: Model) -> int:
        """The window that was exceeded, in tokens, where the upstream did not name it.

        The manifest's; where that has room for the prompt by far, the endpoint's is smaller.
        """
        prompt = self.decision.requirements.input_tokens
        return model.context if prompt * ROOM_BY_FAR > model.context else prompt

    def _within_ceiling(self, model: Model, allowed: int) -> int:
        left, input_tokens = self.left_usd, self.decision.requirements.input_tokens
        if left is None:
            return allowed
        price = model.price.rates(input_tokens)
        if price.input is None or not price.output:
            return allowed
        return max(1, min(allowed, int((left - input_tokens * price.input) / price.output)))
