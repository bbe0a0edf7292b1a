"""Usage, spending and savings by model, skill, day, provider, and by who made the calls. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from rightmodel.core.errors import BudgetError, NoCandidateError
from rightmodel.ledger.sums import EXACT

if TYPE_CHECKING:
    from rightmodel.ledger.records import AttemptRecord, CallRecord, OutcomeRecord

WHO: Final = ("client", "session", "kind", "host", "user")
"""The parts of an `Origin`."""
GROUPS: Final = ("model", "skill", "day", "provider", *WHO)
"""What rows are grouped by."""
SLOW_S: Final = 30.0
"""A call that took longer is counted as slow."""
PAUSE_S: Final = 1800.0
"""A call after a longer pause counts as a new session of the agent."""
PEOPLE: Final = frozenset({"cli", "check"})
"""Clients that are no agents: nothing they send was written by an agent's model."""
UNSENT: Final = frozenset({NoCandidateError.code, BudgetError.code})
"""Outcomes of calls that no model was asked to answer: their times say nothing."""
_ZERO: Final = Decimal(0)
_add: Final = EXACT.add


class Spread(NamedTuple):
    """Percentiles and maximum of times in seconds."""

    p50: float
    p95: float
    most: float


@dataclass(slots=True)
class UsageRow:
    """Figures of one day, model, client …: of one of `GROUPS`.

    Calls count where they were answered (by model: "" for none; by provider: nowhere), money and
    tokens where they were used: a fallback's cost is in its own row. `failed`: calls without an
    answer. `faults`: attempts that failed. `spent_usd` = `billed_usd` (named by the upstream) +
    `computed_usd` (from prices) + `estimated_usd` (of processes that died, corrections included);
    of it `fault_usd` went into failed attempts, `judge_usd` to the judge, `lost_usd` into calls
    without an answer or an end. `estimated`, `bounded`: attempts with such a cost, see `CostKind`;
    a bounded one is in `computed_usd`. `unpriced`: attempts of unknown cost, in no sum.
    `saved_usd`: net over the `compared` calls for which a baseline was set, less what was lost;
    `None` where there was none. `call_times`: seconds until an answer or an error, of calls that
    were sent; `attempt_times` and `first_token_times`: of attempts that gave an answer.
    """

    key: str
    calls: int = 0
    answered: int = 0
    failed: int = 0
    slow: int = 0
    attempts: int = 0
    faults: int = 0
    judged: int = 0
    unpriced: int = 0
    estimated: int = 0
    bounded: int = 0
    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    spent_usd: Decimal = _ZERO
    billed_usd: Decimal = _ZERO
    computed_usd: Decimal = _ZERO
    estimated_usd: Decimal = _ZERO
    fault_usd: Decimal = _ZERO
    judge_usd: Decimal = _ZERO
    lost_usd: Decimal = _ZERO
    baseline_usd: Decimal | None = None
    saved_usd: Decimal | None = None
    compared: int = 0
    call_times: list[float] = field(default_factory=list, repr=False)
    attempt_times: list[float] = field(default_factory=list, repr=False)
    first_token_times: list[float] = field(default_factory=list, repr=False)

    @property
    def saved_share(self) -> float | None:
        """Share of the baseline's cost; `None` where that is unknown or zero."""
        if self.saved_usd is None or not self.baseline_usd:
            return None
        return float(self.saved_usd / self.baseline_usd)

    @property
    def call_s(self) -> Spread | None:
        """Times of calls that were sent."""
        return _spread(self.call_times)

    @property
    def attempt_s(self) -> Spread | None:
        """Times of attempts that gave an answer."""
        return _spread(self.attempt_times)

    @property
    def first_token_s(self) -> Spread | None:
        """Times to the first token of attempts that gave an answer."""
        return _spread(self.first_token_times)

    def call(self, call: CallRecord, slow_s: float) -> None:
        """Count a call."""
        good = call.outcome == "answered"
        self.calls += 1
        self.answered += good
        self.failed += not good
        self.slow += call.time_s > slow_s
        self.judged += bool(call.judge)
        if call.outcome not in UNSENT:
            self.call_times.append(call.time_s)
        if call.saved_usd is not None:
            self.compared += good
            self.baseline_usd = _add(self.baseline_usd or _ZERO, call.baseline_usd or _ZERO)
            self.saved_usd = _add(self.saved_usd or _ZERO, call.saved_usd)
        if not good and call.cost_usd is not None:
            self.lose(call.cost_usd, against=bool(call.baseline) and call.saved_usd is None)

    def lose(self, amount: Decimal, *, against: bool) -> None:
        """Paid for nothing. `against`: whether there is a saving that it has yet to lessen."""
        self.lost_usd = _add(self.lost_usd, amount)
        if against:
            self.saved_usd = EXACT.subtract(self.saved_usd or _ZERO, amount)

    def attempt(self, attempt: AttemptRecord) -> None:
        """Count an attempt."""
        if attempt.cost_kind == "corrected":  # the attempt itself was counted as estimated
            self._cost(attempt, attempt.cost_usd or _ZERO)
            return
        self.attempts += 1
        self.estimated += attempt.cost_kind == "estimated"
        self.bounded += attempt.cost_kind == "bounded"
        self.input += attempt.input or 0
        self.cached += attempt.cached or 0
        self.output += attempt.output or 0
        self.reasoning += attempt.reasoning or 0
        if attempt.fault:
            self.faults += 1
        else:
            self.attempt_times.append(attempt.time_s)
            if attempt.first_token_s is not None:
                self.first_token_times.append(attempt.first_token_s)
        if attempt.cost_usd is None:
            self.unpriced += 1
        else:
            self._cost(attempt, attempt.cost_usd)

    def _cost(self, attempt: AttemptRecord, cost: Decimal) -> None:
        self.spent_usd = _add(self.spent_usd, cost)
        if attempt.cost_kind == "billed":
            self.billed_usd = _add(self.billed_usd, cost)
        elif attempt.cost_kind in {"estimated", "corrected"}:
            self.estimated_usd = _add(self.estimated_usd, cost)
        else:
            self.computed_usd = _add(self.computed_usd, cost)
        if attempt.fault:
            self.fault_usd = _add(self.fault_usd, cost)
        if attempt.role == "judge":
            self.judge_usd = _add(self.judge_usd, cost)


FIGURES: Final = tuple(f.name for f in fields(UsageRow) if not f.name.endswith("_times"))
"""The fields of a row but for its times."""


def _spread(times: list[float]) -> Spread | None:
    if not times:
        return None
    times.sort()
    p50, p95 = (times[int(share * len(times))] for share in (0.5, 0.95))
    return Spread(p50, p95, times[-1])


class Delegated(NamedTuple):
    """Tokens that agents wrote and read to delegate, as the models count them.

    `written`: prompts, `read`: answers, of the `sized` calls whose size is known. `sessions`: runs
    of calls without a pause of `PAUSE_S`. Calls of `PEOPLE` and agents' own turns are left out.
    """

    sessions: int
    calls: int
    sized: int
    written: int
    read: int


class Quality(NamedTuple):
    """Outcomes of a model's answers.

    `good`: the sum of the `reported` outcomes, 0–1 each; `passed`: of the `checked` automatic ones.
    """

    model: str
    reported: int
    good: float
    checked: int
    passed: float


class Usage:
    """A span of UTC days, both included; calls have to be counted by time, and before attempts.

    `slow_s`: a call that took longer is slow. `faults`: attempts by provider and kind of fault.
    `latest`: when the latest of them ended, under "" the provider's latest answer (seconds since
    1970). `baselines`: calls by the model that their savings were counted against.
    """

    def __init__(self, since: str, until: str, slow_s: float = SLOW_S) -> None:
        self.since = since
        self.until = until
        self.total = UsageRow("total")
        self.faults: Counter[tuple[str, str]] = Counter()
        self.latest: dict[tuple[str, str], float] = {}
        self.baselines: Counter[str] = Counter()
        self._slow_s = slow_s
        self._groups: dict[str, dict[str, UsageRow]] = {group: {} for group in GROUPS}
        self._sizes: Counter[str] = Counter()
        self._last = float("-inf")

    def rows(self, group: str) -> tuple[UsageRow, ...]:
        """The rows of one of `GROUPS`: days in order, the others by what was spent."""
        rows = self._groups[group].values()
        if group == "day":
            return tuple(sorted(rows, key=lambda row: row.key))
        return tuple(sorted(rows, key=lambda row: (-row.spent_usd, -row.calls, row.key)))

    @property
    def delegated(self) -> Delegated:
        """What agents wrote and read to delegate."""
        return Delegated(*(self._sizes[name] for name in Delegated._fields))

    def call(self, call: CallRecord) -> None:
        """Count a call of these days; others are skipped."""
        if not self.since <= call.day <= self.until:
            return
        skill = call.skills[0][0] if call.skills else ""
        for row in self._rows(call, skill=skill):
            row.call(call, self._slow_s)
        if call.baseline:
            self.baselines[call.baseline] += 1
        if _is_delegated(call):
            self._sizes["calls"] += 1
            self._sizes["sessions"] += call.at - call.time_s - self._last > PAUSE_S
            self._last = max(self._last, call.at)

    def attempt(self, attempt: AttemptRecord, *, lost: bool) -> None:
        """Count an attempt of these days. `lost`: its call never ended."""
        if not self.since <= attempt.day <= self.until:
            return
        for row in self._rows(attempt, skill=attempt.skill, provider=attempt.provider):
            row.attempt(attempt)
            if lost and attempt.cost_usd is not None:
                row.lose(attempt.cost_usd, against=bool(self.baselines))
        if attempt.cost_kind == "corrected":
            return
        kind = attempt.provider, attempt.fault
        self.latest[kind] = max(attempt.at, self.latest.get(kind, 0.0))
        if attempt.fault:
            self.faults[kind] += 1
        elif attempt.role == "answer" and _is_delegated(attempt):
            self._size(attempt)

    def _rows(self, row: CallRecord | AttemptRecord, **keys: str) -> list[UsageRow]:
        rows = [self.total]
        keys |= {"model": row.model, "day": row.day, "client": row.client}
        keys |= {"session": row.session, "kind": row.kind, "host": row.host, "user": row.user_name}
        for group, key in keys.items():
            known = self._groups[group]
            if key not in known:
                known[key] = UsageRow(key)
            rows.append(known[key])
        return rows

    def _size(self, attempt: AttemptRecord) -> None:
        if attempt.input is not None and attempt.output is not None:
            self._sizes["sized"] += 1
            self._sizes["written"] += attempt.input
            self._sizes["read"] += attempt.output - (attempt.reasoning or 0)


def _is_delegated(row: CallRecord | AttemptRecord) -> bool:
    """Whether an agent wrote the prompt, beside its own turns."""
    return row.client not in PEOPLE and row.kind in {"", "subtask"}


def summed(
    calls: Iterable[CallRecord],
    attempts: Iterable[AttemptRecord],
    *spans: tuple[str, str],
    known: Container[int] | None = None,
) -> list[Usage]:
    """The usage of each span of UTC days.

    `known`: ids of the calls in the ledger, those of other days too; the call of any other attempt
    never ended, so its cost is lost. Attempts of the judge and of `rightmodel check` belong to no
    call. `None`: every attempt's call is known.
    """
    usages = [Usage(since, until) for since, until in spans]
    for call in calls:
        for usage in usages:
            usage.call(call)
    for attempt in attempts:
        lost = (
            known is not None
            and attempt.role != "judge"
            and attempt.client != "check"
            and attempt.call not in known
        )
        for usage in usages:
            usage.attempt(attempt, lost=lost)
    return usages


def quality(outcomes: Iterable[OutcomeRecord]) -> tuple[Quality, ...]:
    """Outcomes by model, the most frequent first."""
    counts: dict[str, Counter[str]] = {}
    goods: dict[str, dict[str, float]] = {}
    for outcome in outcomes:
        if outcome.kind != "reset":
            counts.setdefault(outcome.model, Counter())[outcome.kind] += 1
            good = goods.setdefault(outcome.model, {"reported": 0.0, "check": 0.0})
            good[outcome.kind] += outcome.good
    found = [
        Quality(m, n["reported"], goods[m]["reported"], n["check"], goods[m]["check"])
        for m, n in counts.items()
    ]
    return tuple(sorted(found, key=lambda q: (-q.reported, -q.checked, q.model)))
