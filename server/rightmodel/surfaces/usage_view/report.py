"""The figures of `rightmodel usage`, read from one state of the ledger; as JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rightmodel.ledger.budget import Limit, LimitState, estimate, limit_states, limits_of
from rightmodel.ledger.call_rows import day_of
from rightmodel.ledger.paths import ledger_file
from rightmodel.ledger.records import AttemptRecord, CallRecord
from rightmodel.ledger.reports import FIGURES, GROUPS, SLOW_S, Usage, UsageRow, quality, summed
from rightmodel.ledger.reservations import is_dead
from rightmodel.ledger.sqlite import SqliteStore
from rightmodel.ledger.sums import Sums
from rightmodel.surfaces.ledger_view import ask_ledger

if TYPE_CHECKING:
    from rightmodel.ledger.reports import Delegated, Quality, Spread
    from rightmodel.ledger.store import Reader
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.manifest.price import Price
    from rightmodel.manifest.settings import Settings

LIST_TOKENS: Final = 600
"""Tokens of the tool list in an agent's context: bytes / 4 of `tools/list`."""
RECEIPT_TOKENS: Final = 30
"""Tokens of the line under each answer: bytes / 4."""
TIMES: Final = ("call_s", "attempt_s", "first_token_s")
"""The properties of a row that are spreads of times."""


class Overhead(NamedTuple):
    """The estimated cost of delegating, in the agent's own model. `usd`: `None` without a price.

    `written`: tokens that the agent's model produced (prompts); `read`: that it took in (answers,
    receipts, the tool list once a session). `unsized`: calls of unknown size.
    """

    sessions: int
    written: int
    read: int
    unsized: int
    usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Span:
    """UTC days, both included. `name`: for a heading."""

    name: str
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class UsageReport:
    """`today`, `month`: of `now`. `usage`: of the requested days. `days`: first and last recorded.

    `location`: of the ledger. `baseline`: of the manifest. `place`: where its keys are written.
    `notes`: caveats about the figures.
    """

    location: str
    now: float
    span: Span
    today: Usage
    month: Usage
    usage: Usage
    quality: tuple[Quality, ...] = ()
    budgets: tuple[LimitState, ...] = ()
    days: tuple[str, str] | None = None
    baseline: str = ""
    place: str = "the manifest"
    overhead: Overhead | None = None
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain data with stable keys. Money as strings in USD, times in seconds, shares 0–1."""
        usage = self.usage
        return {
            "ledger": self.location,
            "at": _moment(self.now),
            "since": usage.since,
            "until": usage.until,
            "first_day": self.days[0] if self.days else None,
            "last_day": self.days[1] if self.days else None,
            "baseline": self.baseline or None,
            "today": _plain(self.today.total),
            "month": _plain(self.month.total),
            "total": _plain(usage.total),
            **{f"by_{group}": [_plain(row) for row in usage.rows(group)] for group in GROUPS},
            "baselines": [
                {"model": model, "calls": calls} for model, calls in usage.baselines.most_common()
            ],
            "faults": [
                {
                    "provider": provider,
                    "fault": fault,
                    "attempts": count,
                    "latest": _moment(usage.latest[provider, fault]),
                    "latest_answer": _moment(usage.latest.get((provider, ""))),
                }
                for (provider, fault), count in usage.faults.most_common()
            ],
            "quality": [q._asdict() for q in self.quality],
            "budgets": [_limit_state(s) for s in self.budgets],
            "asking_estimate": _money(self.overhead._asdict()) if self.overhead else None,
            "slow_s": SLOW_S,
            "notes": list(self.notes),
        }


def read_report(catalog: Catalog | None, settings: Settings, span: Span, now: float) -> UsageReport:
    """The report of these days; one without a row where there is no ledger yet."""
    limits = limits_of(catalog.budget, catalog.clients.values()).limits if catalog else ()

    def question(reader: Reader) -> UsageReport:
        return _read(reader, span=span, now=now, limits=limits)

    found = ask_ledger(catalog, settings, question)
    if found is None:
        location = str(ledger_file(settings.environment))
        found = replace(question(SqliteStore(None)), location=location)
    model = catalog.baseline_model if catalog else None
    return replace(
        found,
        place=settings.place,
        baseline=catalog.baseline if catalog else "",
        overhead=overhead(found.usage.delegated, model.price if model else None),
    )


def _read(reader: Reader, *, span: Span, now: float, limits: Sequence[Limit]) -> UsageReport:
    """Read the report, each row once."""
    today = day_of(now)
    spans = ((today, today), (f"{today[:7]}-01", today), (span.since, span.until))
    since, until = min(s for s, _ in spans), max(u for _, u in spans)
    known: set[int] = set()
    charged = Sums()
    charged.begin(today[:7])

    def calls() -> Iterator[CallRecord]:
        # A call that ends after midnight has attempts on the day before; and by their reservation's
        # day, attempts may lie after their call.
        for call in reader.calls(day_after(since, -1), day_after(until, 1)):
            known.add(call.id)
            yield call

    def counted() -> Iterator[AttemptRecord]:
        for row in attempts(reader, since, until, now=now):
            if limits and row.charged_usd is not None:
                usd = str(row.charged_usd)
                charged.add([(row.day, row.model, row.skill, row.client, usd)])
            yield row

    of_today, month, shown = summed(calls(), counted(), *spans, known=known)
    first, end = _start(span.since), _start(span.until) + 86_400
    held = [hold for hold in reader.holds() if not is_dead(hold, now=now)]
    return UsageReport(
        location=reader.location,
        now=now,
        span=span,
        today=of_today,
        month=month,
        usage=shown,
        quality=quality(o for o in reader.outcomes() if first <= o.at < end),
        budgets=tuple(limit_states(limits, charged.get, held, now=now)),
        days=reader.days(),
    )


def attempts(reader: Reader, since: str, until: str, *, now: float) -> Iterator[AttemptRecord]:
    """The attempts of these days, and those that the next server will charge to dead processes."""
    yield from reader.attempts(since, until)
    for hold in reader.holds():
        if since <= hold.day <= until and is_dead(hold, now=now):
            yield estimate(hold, at=now)


def overhead(delegated: Delegated, price: Price | None) -> Overhead:
    """The cost of delegating, at the price of the agent's own model where it is known."""
    written = delegated.written
    read = delegated.read + delegated.calls * RECEIPT_TOKENS + delegated.sessions * LIST_TOKENS
    usd = None
    if price is not None and price.input is not None and price.output is not None:
        usd = written * price.output + read * price.input
    unsized = max(0, delegated.calls - delegated.sized)
    return Overhead(delegated.sessions, written, read, unsized, usd)


def day_after(day: str, count: int) -> str:
    """The UTC day `count` days later; the nearest at the calendar's ends."""
    try:
        return (date.fromisoformat(day) + timedelta(days=count)).isoformat()
    except OverflowError:
        return day


def _moment(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _start(day: str) -> float:
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()


def attempts_csv(rows: Iterable[AttemptRecord]) -> Iterator[str]:
    """Lines: a heading, then an attempt each, with the fields of `AttemptRecord`."""
    yield _line(AttemptRecord._fields)
    for row in rows:
        yield _line(row)


def groups_csv(rows: Iterable[UsageRow], group: str) -> Iterator[str]:
    """Lines: a heading, then a group each, with the fields of `UsageRow`."""
    spread = [f"{name[:-2]}_{share}_s" for name in TIMES for share in ("p50", "p95")]
    yield _line([group, *FIGURES[1:], *spread])
    for row in rows:
        times = [time for name in TIMES for time in (getattr(row, name) or (None, None))[:2]]
        yield _line([*(getattr(row, name) for name in FIGURES), *times])


def _line(values: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([_cell(value) for value in values])
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Unknown is empty. Text that a spreadsheet would take for a formula is marked as text."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} and value:
        return f"'{value}"
    return value


def _plain(row: UsageRow) -> dict[str, Any]:
    times = {name: _times(getattr(row, name)) for name in TIMES}
    figures = {name: getattr(row, name) for name in FIGURES}
    return {**_money(figures), "saved_share": row.saved_share, **times}


def _times(spread: Spread | None) -> dict[str, float] | None:
    return {k: round(v, 3) for k, v in spread._asdict().items()} if spread else None


def _money(values: dict[str, Any]) -> dict[str, Any]:
    return {k: f"{v:f}" if isinstance(v, Decimal) else v for k, v in values.items()}


def _limit_state(state: LimitState) -> dict[str, Any]:
    limit = state.limit
    figures = {
        "budget": limit.name,
        "period": limit.period,
        "model": limit.model or None,
        "skill": limit.skill or None,
        "client": limit.client or None,
        "limit_usd": limit.usd,
        "spent_usd": state.spent_usd,
        "held_usd": state.held_usd,
        "left_usd": state.left_usd,
        "share": state.share,
        "resets_s": state.resets_s,
    }
    return _money(figures)
