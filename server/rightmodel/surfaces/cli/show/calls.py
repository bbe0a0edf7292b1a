"""What became of the calls of a show, read from the receipts and errors that every caller gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rightmodel.core.fault import Fault, Recovery

if TYPE_CHECKING:
    from rightmodel.simulator import Received
    from rightmodel.simulator.samples import Sample

HEALTHY: Final = "healthy"
OUTAGE: Final = "outage"
HEALED: Final = "healed"
NOTICED_S: Final = 0.5
"""Shorter waits are not mentioned."""


class Result(NamedTuple):
    """What a caller gets from `complete`."""

    meta: Mapping[str, Any]
    """The receipt's metadata, or the error's."""
    error: str = ""
    """The error's text; "" for an answer."""


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt."""

    model: str
    provider: str
    met: str
    """Name of the simulated fault, "" for none."""
    read: Fault | None
    """How rightmodel classified it."""
    status: int
    time_s: float
    waited_s: float
    """Seconds since the attempt before."""
    message: str
    """The upstream's own words."""

    @property
    def failed_check(self) -> bool:
        """Whether an answer came and failed its check."""
        return self.read is not None and self.read.recovery is Recovery.ESCALATE


@dataclass(frozen=True, slots=True)
class Call:
    """What became of one call."""

    number: int
    sample: Sample
    phase: str
    first: str
    """The model that the decision put first, "" for none."""
    line: tuple[str, ...]
    """Providers of all candidates, best first."""
    tries: tuple[Try, ...]
    met: tuple[str, ...]
    """Names of all simulated faults on the way, harmless ones included."""
    time_s: float
    lost_s: float
    """Until the attempt began that gave the answer; all of the time where none did."""
    model: str = ""
    """That answered, "" for none."""
    skill: str = ""
    rule: str = ""
    cost_usd: Decimal | None = None
    """`None`: unknown."""
    baseline_usd: Decimal | None = None
    """What the baseline would have cost; `None` without one."""
    error: str = ""
    """As the agent gets it, with its machine-readable last line; "" for an answer."""
    code: str = ""

    @property
    def saved_usd(self) -> Decimal | None:
        """Against the baseline."""
        return _difference(self.baseline_usd, self.cost_usd)


@dataclass(frozen=True, slots=True)
class Traffic:
    """The requests that simulated providers got during one call, which began at `began`.

    `slack_s`: how far the clocks of engine and providers may differ. `closed`: providers whose port
    is closed → the fault.
    """

    began: float
    slack_s: float
    closed: Mapping[str, str]
    requests: Sequence[tuple[str, Received]]

    def faults(self) -> list[str]:
        """Every fault, in no particular order."""
        return [request.fault for _, request in self.requests if request.fault]

    def met(self, attempt: Mapping[str, Any]) -> str:
        """The fault that an attempt met, "" for none."""
        start = attempt.get("start_s", 0.0) - self.slack_s
        end = attempt.get("start_s", 0.0) + attempt.get("time_s", 0.0) + self.slack_s
        met = [
            request.fault
            for provider, request in self.requests
            if (provider, request.model) == (attempt["provider"], attempt["name"])
            and start <= request.at - self.began <= end
            and request.fault
        ]
        if met or attempt.get("fault") != Fault.CONNECTION:
            return met[-1] if met else ""
        return self.closed.get(attempt["provider"], "")


def outcome(
    sample: Sample, result: Result, traffic: Traffic, *, time_s: float, **facts: Any
) -> Call:
    """The call of a result. `facts`: number, phase, first and line."""
    meta = result.meta
    attempts: Sequence[Mapping[str, Any]] = meta.get("attempts", ())
    tries = tuple(_tries(attempts, traffic))
    met = dict.fromkeys([*traffic.faults(), *(one.met for one in tries if one.met)])
    skills: Mapping[str, float] = meta.get("skill", {})
    return Call(
        sample=sample,
        tries=tries,
        met=tuple(met),
        time_s=time_s,
        lost_s=time_s if result.error else attempts[-1].get("start_s", 0.0),
        model=meta.get("model") or "",
        skill=max(skills, key=lambda name: skills[name], default=""),
        rule=meta.get("rule") or "",
        cost_usd=_total(_usd(a.get("cost_usd", "0")) for a in attempts)
        if result.error
        else _usd(meta.get("cost_usd")),
        baseline_usd=_usd(meta.get("baseline_usd")),
        error=result.error,
        code=meta.get("code", ""),
        **facts,
    )


def _tries(attempts: Sequence[Mapping[str, Any]], traffic: Traffic) -> Iterator[Try]:
    end = 0.0
    for attempt in attempts:
        start, time_s = attempt.get("start_s", 0.0), attempt.get("time_s", 0.0)
        yield Try(
            model=attempt["model"],
            provider=attempt["provider"],
            met=traffic.met(attempt),
            read=Fault(attempt["fault"]) if attempt.get("fault") else None,
            status=attempt.get("status", 0),
            time_s=time_s,
            waited_s=start - end,
            message=attempt.get("message", ""),
        )
        end = start + time_s


def _usd(amount: str | None) -> Decimal | None:
    return None if amount is None else Decimal(amount)


def short(model: str) -> str:
    """A model's name without its provider."""
    return model.rpartition("/")[2]


def notes(call: Call) -> Iterator[str]:
    """What happened on the way to the answer, one line each."""
    task = call.sample.task
    hints = {"skill": task.skill, "difficulty": task.difficulty, "tier": task.tier}
    if stated := ", ".join(f"{k} {v}" for k, v in hints.items() if v):
        yield f"the agent's hint: {stated}"
    if call.rule:
        yield f'rule "{call.rule}" applies'
    for one, then in zip(call.tries, [*call.tries[1:], None], strict=False):
        if one.read is not None:
            yield _failed(one, then)
        elif one.met:
            yield f"{one.provider} met {one.met} and answered all the same"
    last = call.tries[-1] if call.tries else None
    if last and not last.read and last.waited_s >= NOTICED_S:
        yield f"waited {last.waited_s:.1f} s before {short(last.model)} was asked"
    if call.error and not call.tries:
        yield call.error.splitlines()[0]
    if call.model and call.model != call.first and not any(t.read for t in call.tries):
        yield f"first choice {short(call.first)} is cooling down: {short(call.model)} was asked"


def _failed(one: Try, then: Try | None) -> str:
    waited = f"waited {one.waited_s:.1f} s; " if one.waited_s >= NOTICED_S else ""
    read = one.read.value if one.read else ""
    what = one.met if one.met in {"", read} else f"{one.met}, classified as"
    status = f" (status {one.status})" if one.status else ""
    took = f" after {one.time_s:.1f} s" if one.read is Fault.TIMEOUT or one.time_s >= 1 else ""
    end = ""
    if then and (then.model, then.provider) == (one.model, one.provider):
        end = "; retried"
    elif then:
        end = f"; {'escalated' if one.failed_check else 'failed over'} to {short(then.model)}"
    fault = " ".join(filter(None, [what if what != read else "", read]))
    return f"{waited}{short(one.model)} at {one.provider}: {fault}{status}{took}{end}"


# --- all calls ---


class Reached(NamedTuple):
    """An error that the agent saw."""

    code: str
    calls: tuple[int, ...]
    """Numbers of the calls that ended with it."""
    text: str
    """The first one's, as the agent gets it."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over calls. USD; `None` where an amount is unknown."""

    calls: int
    answered: int
    in_outage: int
    answered_in_outage: int
    failed_over: int
    escalated: int
    cost_usd: Decimal | None
    """Of calls that were answered, in both runs where there are two."""
    baseline_usd: Decimal | None
    healthy_usd: Decimal | None
    """Cost of the same calls in the run without an outage."""
    without: int
    """Answered calls of that run."""
    elsewhere: tuple[tuple[str, str, int], ...]
    """(first choice, who answered, calls), beyond those of the run without an outage."""
    reached: tuple[Reached, ...]
    lost_s: float
    slowed: int
    worst_s: float

    @property
    def saved_usd(self) -> Decimal | None:
        """Against the baseline."""
        return _difference(self.baseline_usd, self.cost_usd)

    @property
    def extra_usd(self) -> Decimal | None:
        """Cost of the outage."""
        return _difference(self.cost_usd, self.healthy_usd)


def totals(calls: Sequence[Call], healthy: Sequence[Call] | None = None) -> Totals:
    """The sums. `healthy`: the same calls without an outage."""
    answered = [c for c in calls if not c.error]
    outage = [c for c in calls if c.phase == OUTAGE]
    both = [c for c in answered if healthy is None or healthy[c.number - 1].model]
    slowed = [c.lost_s for c in calls if c.lost_s > 0]
    usual = healthy or ()
    return Totals(
        calls=len(calls),
        answered=len(answered),
        in_outage=len(outage),
        answered_in_outage=sum(not c.error for c in outage),
        failed_over=sum(any(t.read and not t.failed_check for t in c.tries) for c in answered),
        escalated=sum(any(t.failed_check for t in c.tries) for c in answered),
        cost_usd=_total(c.cost_usd for c in both),
        baseline_usd=_total(c.baseline_usd for c in both),
        healthy_usd=_total(usual[c.number - 1].cost_usd for c in both) if usual else None,
        without=sum(not c.error for c in usual),
        elsewhere=tuple((*pair, n) for pair, n in (_moved(calls) - _moved(usual)).most_common()),
        reached=tuple(_reached([c for c in calls if c.error])),
        lost_s=sum(slowed),
        slowed=len(slowed),
        worst_s=max(slowed, default=0.0),
    )


def _moved(calls: Sequence[Call]) -> Counter[tuple[str, str]]:
    return Counter((c.first, c.model) for c in calls if c.model and c.model != c.first)


def _reached(failed: Sequence[Call]) -> list[Reached]:
    by_code: dict[str, list[Call]] = {}
    for call in failed:
        by_code.setdefault(call.code, []).append(call)
    return [Reached(k, tuple(c.number for c in v), v[0].error) for k, v in by_code.items()]


def _total(amounts: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def _difference(a: Decimal | None, b: Decimal | None) -> Decimal | None:
    return None if a is None or b is None else a - b
