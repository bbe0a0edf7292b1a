"""What was used, spent and saved, by day, model and skill: pure sums over a store's rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from rightmodel.ledger.sums import EXACT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rightmodel.ledger.records import AttemptRecord, CallRecord
    from rightmodel.ledger.store import Store

SLOW_S: Final = 30.0
"""A call that took longer is counted as slow."""
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Figures of one day, model or skill.

    Calls count where they were answered (by model: "" for none), money and tokens where they were
    used: a fallback's cost is in its own row. `failed`: calls without an answer. `faults`: attempts
    that failed. `spent_usd` = `billed_usd` (the upstream named it) + `computed_usd` (from prices);
    `unpriced`: attempts whose cost nobody knows, not in any sum. `saved_usd`: net, over the
    `compared` calls for which a baseline was set; `None` where there was none.
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
    input: int = 0
    cached: int = 0
    output: int = 0
    reasoning: int = 0
    spent_usd: Decimal = _ZERO
    billed_usd: Decimal = _ZERO
    computed_usd: Decimal = _ZERO
    baseline_usd: Decimal | None = None
    saved_usd: Decimal | None = None
    compared: int = 0
    median_s: float | None = None
    slowest_s: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """A span of days. `faults`: attempts by provider and kind of fault, most frequent first."""

    since: str
    until: str
    total: UsageRow
    by_day: tuple[UsageRow, ...]
    by_model: tuple[UsageRow, ...]
    by_skill: tuple[UsageRow, ...]
    faults: tuple[tuple[str, str, int], ...]


@dataclass(slots=True)
class _Heap:
    """A row in the making."""

    counts: Counter[str] = field(default_factory=Counter)
    money: dict[str, Decimal] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)

    def pay(self, what: str, amount: Decimal) -> None:
        self.money[what] = EXACT.add(self.money.get(what, _ZERO), amount)

    def call(self, call: CallRecord, slow_s: float) -> None:
        good = call.outcome == "answered"
        self.counts.update(
            calls=1,
            answered=good,
            failed=not good,
            slow=call.time_s > slow_s,
            judged=bool(call.judge),
        )
        self.times.append(call.time_s)
        if call.saved_usd is not None and call.baseline_usd is not None:
            self.counts["compared"] += 1
            self.pay("baseline_usd", call.baseline_usd)
            self.pay("saved_usd", call.saved_usd)

    def attempt(self, attempt: AttemptRecord) -> None:
        self.counts.update(
            attempts=1,
            faults=bool(attempt.fault),
            unpriced=attempt.cost_usd is None,
            input=attempt.input or 0,
            cached=attempt.cached or 0,
            output=attempt.output or 0,
            reasoning=attempt.reasoning or 0,
        )
        if attempt.cost_usd is not None:
            self.pay("spent_usd", attempt.cost_usd)
            billed = attempt.cost_kind == "billed"
            self.pay("billed_usd" if billed else "computed_usd", attempt.cost_usd)

    def row(self, key: str) -> UsageRow:
        times = sorted(self.times)
        median = times[len(times) // 2] if times else None
        slowest = times[-1] if times else None
        figures: dict[str, Any] = {**self.counts, **self.money}
        return UsageRow(key, **figures, median_s=median, slowest_s=slowest)


def usage(store: Store, since: str, until: str, *, slow_s: float = SLOW_S) -> Usage:
    """Everything of the UTC days from `since` to `until`, both included. One day: give it twice."""
    return summed(
        store.calls(since, until), store.attempts(since, until), since, until, slow_s=slow_s
    )


def summed(
    calls: Iterable[CallRecord],
    attempts: Iterable[AttemptRecord],
    since: str,
    until: str,
    *,
    slow_s: float = SLOW_S,
) -> Usage:
    """The same over records at hand. Rows: days in order, the rest by what was spent."""
    total = _Heap()
    days: dict[str, _Heap] = {}
    models: dict[str, _Heap] = {}
    skills: dict[str, _Heap] = {}
    faults: Counter[tuple[str, str]] = Counter()
    for call in calls:
        skill = call.skills[0][0] if call.skills else ""
        for heap in _heaps(total, (days, call.day), (models, call.model), (skills, skill)):
            heap.call(call, slow_s)
    for attempt in attempts:
        places = ((days, attempt.day), (models, attempt.model), (skills, attempt.skill))
        for heap in _heaps(total, *places):
            heap.attempt(attempt)
        if attempt.fault:
            faults[attempt.provider, attempt.fault] += 1
    return Usage(
        since,
        until,
        total.row("total"),
        tuple(days[key].row(key) for key in sorted(days)),
        _by_spent(models),
        _by_spent(skills),
        tuple((provider, fault, count) for (provider, fault), count in faults.most_common()),
    )


def _heaps(total: _Heap, *places: tuple[dict[str, _Heap], str]) -> list[_Heap]:
    return [total, *(heaps.setdefault(key, _Heap()) for heaps, key in places)]


def _by_spent(heaps: Mapping[str, _Heap]) -> tuple[UsageRow, ...]:
    rows = [heap.row(key) for key, heap in heaps.items()]
    return tuple(sorted(rows, key=lambda row: (-row.spent_usd, -row.calls, row.key)))
