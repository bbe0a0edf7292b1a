"""Everything that `rightmodel usage` shows, read from the ledger at one moment."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from rightmodel.ledger.budget import estimate, standings
from rightmodel.ledger.records import day_of
from rightmodel.ledger.reports import SLOW_S, Usage, quality, summed
from rightmodel.ledger.reservations import is_dead
from rightmodel.ledger.sums import Sums

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rightmodel.ledger.budget import Limit, Standing
    from rightmodel.ledger.records import AttemptRecord, CallRecord, Hold, OutcomeRecord
    from rightmodel.ledger.reports import Asked, Quality, Spread, UsageRow
    from rightmodel.manifest.price import Price


LIST_TOKENS: Final = 600
"""What the list of tools takes of an agent's context: bytes / 4 of `tools/list`."""
RECEIPT_TOKENS: Final = 30
"""The line under each answer: bytes / 4."""

TIMES: Final = ("call_s", "attempt_s", "first_token_s")
"""The fields of a row that are spreads of times."""


class Source(Protocol):
    """Where the rows come from: see `Reader`."""

    def calls(self, since: str, until: str) -> Iterator[CallRecord]:
        """Calls of the UTC days from `since` to `until`, both included, by time."""
        ...

    def attempts(self, since: str, until: str) -> Iterator[AttemptRecord]:
        """Attempts of the UTC days from `since` to `until`, both included."""
        ...

    def outcomes(self) -> list[OutcomeRecord]:
        """Every outcome."""
        ...

    def holds(self) -> list[Hold]:
        """Everything that is reserved."""
        ...

    def days(self) -> tuple[str, str] | None:
        """The first and the last UTC day; `None` for an empty ledger."""
        ...


class Asking(NamedTuple):
    """An estimate of what asking cost the agent itself. `usd`: `None` where no price is known.

    `written` are tokens that the agent's model put out (prompts), `read` that it took in (answers,
    receipts, and the list of tools once a session). `unsized`: calls whose size nobody knows.
    """

    sessions: int
    written: int
    read: int
    unsized: int
    usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Span:
    """Which days are shown, as UTC days, both included. `name`: for a heading."""

    name: str
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class Picture:
    """`today`, `month`: of `now`. `usage`: of the days asked for. `days`: the ledger's ends.

    `baseline`: of the manifest in force. `notes`: what a reader has to know about the figures.
    """

    place: str
    now: float
    span: Span
    today: Usage
    month: Usage
    usage: Usage
    quality: tuple[Quality, ...] = ()
    budgets: tuple[Standing, ...] = ()
    days: tuple[str, str] | None = None
    baseline: str = ""
    asking: Asking | None = None
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain data with stable keys. Money as strings in USD, times in seconds, shares 0–1."""
        usage = self.usage
        groups = {"day": usage.by_day, "model": usage.by_model, "skill": usage.by_skill}
        groups["provider"] = usage.by_provider
        return {
            "ledger": self.place,
            "at": datetime.fromtimestamp(self.now, UTC).isoformat(timespec="seconds"),
            "since": usage.since,
            "until": usage.until,
            "first_day": self.days[0] if self.days else None,
            "last_day": self.days[1] if self.days else None,
            "baseline": self.baseline or None,
            "today": _plain(self.today.total),
            "month": _plain(self.month.total),
            "total": _plain(usage.total),
            **{
                f"by_{group}": [_plain(r) for r in getattr(usage, f"by_{group}")]
                for group in groups
            },
            "baselines": [{"model": model, "calls": calls} for model, calls in usage.baselines],
            "faults": [
                {"provider": provider, "fault": fault, "attempts": count}
                for provider, fault, count in usage.faults
            ],
            "quality": [q._asdict() for q in self.quality],
            "budgets": [_standing(s) for s in self.budgets],
            "asking_estimate": _money(self.asking._asdict()) if self.asking else None,
            "slow_s": SLOW_S,
            "notes": list(self.notes),
        }


def take(source: Source, *, place: str, span: Span, now: float, limits: Sequence[Limit]) -> Picture:
    """Read what is to be shown, each row once."""
    spans = _spans(span, now)
    since, until = min(s for s, _ in spans), max(u for _, u in spans)
    known: set[int] = set()
    charged = Sums()
    charged.begin(day_of(now)[:7])

    def calls() -> Iterator[CallRecord]:
        # A call that ends after midnight has attempts on the day before; and by their reservation's
        # day, attempts may lie behind their call.
        for call in source.calls(day_after(since, -1), day_after(until, 1)):
            known.add(call.id)
            yield call

    dead = [hold for hold in source.holds() if is_dead(hold, now=now)]
    held = [hold for hold in source.holds() if hold not in dead]

    def attempts() -> Iterator[AttemptRecord]:
        # The next server that starts charges what dead processes had reserved.
        unsettled = [estimate(hold, at=now) for hold in dead if since <= hold.day <= until]
        for row in chain(source.attempts(since, until), unsettled):
            if limits and row.charged_usd is not None:
                charged.add([(row.day, row.model, row.skill, str(row.charged_usd))])
            yield row

    today, month, shown = summed(calls(), attempts(), *spans, known=known)
    first, end = day_time(span.since), day_time(span.until) + 86_400
    return Picture(
        place=place,
        now=now,
        span=span,
        today=today,
        month=month,
        usage=shown,
        quality=quality(o for o in source.outcomes() if first <= o.at < end),
        budgets=tuple(standings(limits, charged.get, held, now=now)),
        days=source.days(),
    )


def nothing(*, place: str, span: Span, now: float) -> Picture:
    """Of a ledger that is not there."""
    today, month, shown = summed((), (), *_spans(span, now))
    return Picture(place, now, span, today, month, shown)


def _spans(span: Span, now: float) -> tuple[tuple[str, str], ...]:
    """Today, this month, the days asked for."""
    today = day_of(now)
    return (today, today), (f"{today[:7]}-01", today), (span.since, span.until)


def asking(asked: Asked, price: Price | None) -> Asking:
    """What the agent's own tokens came to, at its own model's price where that is known."""
    written = asked.written
    read = asked.read + asked.calls * RECEIPT_TOKENS + asked.sessions * LIST_TOKENS
    usd = None
    if price is not None and price.input is not None and price.output is not None:
        usd = written * price.output + read * price.input
    return Asking(asked.sessions, written, read, max(0, asked.calls - asked.sized), usd)


def day_time(day: str) -> float:
    """When a UTC day begins, in seconds since 1970."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


def day_after(day: str, count: int) -> str:
    """The UTC day so many days later; the nearest there is at the calendar's ends."""
    try:
        return (date.fromisoformat(day) + timedelta(days=count)).isoformat()
    except OverflowError:
        return day


def _plain(row: UsageRow) -> dict[str, Any]:
    times = {name: _times(getattr(row, name)) for name in TIMES}
    return {**_money(asdict(row)), "saved_share": row.saved_share, **times}


def _times(spread: Spread | None) -> dict[str, float] | None:
    return {k: round(v, 3) for k, v in spread._asdict().items()} if spread else None


def _money(values: dict[str, Any]) -> dict[str, Any]:
    return {k: f"{v:f}" if isinstance(v, Decimal) else v for k, v in values.items()}


def _standing(standing: Standing) -> dict[str, Any]:
    limit = standing.limit
    figures = {
        "budget": limit.name,
        "period": limit.period,
        "model": limit.model or None,
        "skill": limit.skill or None,
        "limit_usd": limit.usd,
        "spent_usd": standing.spent_usd,
        "held_usd": standing.held_usd,
        "left_usd": standing.left_usd,
        "share": standing.share,
        "resets_s": standing.resets_s,
    }
    return _money(figures)
