"""Budgets: the worst case is reserved before an attempt and settled after it, across processes.

What counts against a limit: everything charged in its UTC day or month, and everything that is
reserved. Both are read and the new reservation is written in one transaction, so that two
processes never give out the same money. What a dead process had reserved is released as soon as
somebody needs it. A limit is crossed only if a worst case was none, and an attempt whose cost
nobody knows is charged with all that was reserved for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from rightmodel.core.errors import BudgetError
from rightmodel.core.format import dollars
from rightmodel.ledger.owner import Owner, alive, this_process
from rightmodel.ledger.records import Hold, day_of, new_id, seconds_left
from rightmodel.ledger.store import Key
from rightmodel.ledger.sums import EXACT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rightmodel.ledger.records import AttemptRecord
    from rightmodel.ledger.store import Store
    from rightmodel.manifest.catalog import Budget

    Period = Literal["day", "month"]

WARN_AT: Final = 0.8
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Limit:
    """Most USD in a UTC day or month, for everything, for one model or for one skill.

    `name`: the manifest's key, for messages.
    """

    name: str
    usd: Decimal
    period: Period = "day"
    model: str = ""
    skill: str = ""

    def key(self, day: str) -> Key:
        """What is summed up for it."""
        return Key(day if self.period == "day" else day[:7], self.model, self.skill)

    def covers(self, model: str, skill: str) -> bool:
        """Whether an attempt counts against it."""
        return (not self.model or self.model == model) and (not self.skill or self.skill == skill)


@dataclass(frozen=True, slots=True)
class Limits:
    """Every budget over time of a manifest. `warn_at`: share, 0–1, from which a limit is told.

    A call's own ceiling is not here: it needs no memory, and the plan of a call keeps it.
    """

    limits: tuple[Limit, ...] = ()
    warn_at: float = WARN_AT

    @property
    def any(self) -> bool:
        """Whether there is a budget at all."""
        return bool(self.limits)


def limits_of(budget: Budget) -> Limits:
    """The limits of a manifest."""
    found = []
    if budget.per_day_usd is not None:
        found.append(Limit("per_day_usd", budget.per_day_usd))
    if budget.per_month_usd is not None:
        found.append(Limit("per_month_usd", budget.per_month_usd, "month"))
    found += [Limit(f"models.{m}", usd, model=m) for m, usd in budget.models.items()]
    found += [Limit(f"skills.{s}", usd, skill=s) for s, usd in budget.skills.items()]
    return Limits(tuple(found), budget.warn_at)


@dataclass(frozen=True, slots=True)
class Ask:
    """What an attempt may cost. `worst_usd`: at the very most, `None` where no price is known.

    `others`: further candidates (model, worst case), to name those that would fit. `lasts_s`: when
    the reservation may be taken for forgotten.
    """

    model: str
    skill: str
    worst_usd: Decimal | None
    others: tuple[tuple[str, Decimal | None], ...] = ()
    lasts_s: float = 900.0


class Standing(NamedTuple):
    """How a limit stands. `share`: of the limit that is spent, 0–1 and above."""

    limit: Limit
    spent_usd: Decimal
    held_usd: Decimal
    left_usd: Decimal
    resets_s: float

    @property
    def share(self) -> float:
        """Of the limit that is spent."""
        return float(self.spent_usd / self.limit.usd) if self.limit.usd else 1.0


def reserve(
    store: Store,
    limits: Limits,
    ask: Ask,
    *,
    now: float,
    owner: Owner,
    id: int = 0,  # noqa: A002 - the field's name
) -> Hold:
    """Reserve the worst case. Raises `BudgetError` where it does not fit; nothing is written then.

    Inside a transaction of the store. `id`: the hold's, 0 for a new one.
    """
    day = day_of(now)
    refused = _refused(store, limits, ask, now, day)
    if refused and release_dead(store, now=now):
        refused = _refused(store, limits, ask, now, day)
    if refused:
        raise refused
    worst = ask.worst_usd or _ZERO
    expires = now + ask.lasts_s
    hold = Hold(
        id or new_id(),
        owner.place,
        owner.pid,
        owner.started,
        expires,
        day,
        ask.model,
        ask.skill,
        worst,
    )
    store.add_hold(hold)
    return hold


def settled(row: AttemptRecord, hold: Hold | None) -> AttemptRecord:
    """The row as budgets count it: in the period it was reserved in, at its cost or the worst."""
    charged = row.cost_usd if row.cost_usd is not None or hold is None else hold.usd
    day = hold.day if hold else row.day
    if row.day == day and row.charged_usd == charged:
        return row
    return row._replace(day=day, charged_usd=charged)


def standings(store: Store, limits: Iterable[Limit], *, now: float, day: str) -> list[Standing]:
    """How each limit stands."""
    limits = list(limits)
    holds = store.holds() if limits else []
    found = []
    for limit in limits:
        key = limit.key(day)
        spent = store.charged(key)
        held = _ZERO
        for hold in holds:
            if limit.covers(hold.model, hold.skill) and limit.key(hold.day) == key:
                held = EXACT.add(held, hold.usd)
        left = EXACT.subtract(limit.usd, EXACT.add(spent, held))
        found.append(Standing(limit, spent, held, left, seconds_left(now, limit.period)))
    return found


def warnings(found: Iterable[Standing], warn_at: float) -> list[str]:
    """A line for each limit that is nearly used up."""
    return [
        f"budget {s.limit.name}: {s.share:.0%} of {dollars(s.limit.usd)} spent, "
        f"resets in {_span(s.resets_s)}"
        for s in found
        if s.share >= warn_at
    ]


def release_dead(store: Store, *, now: float) -> int:
    """Release what ended processes had reserved; how many. Inside a transaction.

    Where nobody can tell whether a process lives, its reservations are released once they expire;
    of one that is known to live never, whatever the clock says.
    """
    owners: dict[Owner, bool | None] = {}
    dead = []
    for hold in store.holds():
        owner = Owner(hold.owner, hold.pid, hold.started)
        if owner not in owners:
            owners[owner] = True if owner == this_process() else alive(owner)
        lives = owners[owner]
        if lives is False or (lives is None and hold.expires < now):
            dead.append(hold.id)
    store.drop_holds(dead)
    return len(dead)


def _refused(store: Store, limits: Limits, ask: Ask, now: float, day: str) -> BudgetError | None:
    """Why the worst case does not fit, `None` where it does."""
    if ask.worst_usd is None:
        return _unpriced(store, limits, ask, now, day)
    covering = [limit for limit in limits.limits if limit.covers(ask.model, ask.skill)]
    found = standings(store, covering, now=now, day=day)
    tight = [s for s in found if not _fits(store, s, ask.model, ask.worst_usd, day)]
    if not tight:
        return None
    # The one that lasts longest is told: waiting for any other would not help.
    worst = max(tight, key=lambda s: (s.resets_s, -s.left_usd))
    passing = all(ask.worst_usd <= s.left_usd + s.held_usd for s in tight)
    cheaper = _cheaper(store, limits, ask, now, day)
    return BudgetError(
        _said(ask, worst, cheaper),
        limit=worst.limit.name,
        left_usd=worst.left_usd,
        held_usd=worst.held_usd,
        resets_s=worst.resets_s,
        cheaper=cheaper,
        passing=passing,
    )


def _fits(store: Store, standing: Standing, model: str, usd: Decimal, day: str) -> bool:
    """Whether the limit has room.

    A model that costs nothing goes on when all is spent, unless it was billed all the same.
    """
    if usd or standing.left_usd > 0:
        return usd <= standing.left_usd
    return not store.charged(Key(standing.limit.key(day).period, model))


def _unpriced(store: Store, limits: Limits, ask: Ask, now: float, day: str) -> BudgetError | None:
    covering = [limit for limit in limits.limits if limit.covers(ask.model, ask.skill)]
    if not covering:
        return None
    name = covering[0].name
    cheaper = _cheaper(store, limits, ask, now, day)
    return BudgetError(
        f"{ask.model} has no known price, so the budget {name} cannot hold it: state its cost "
        f"in the manifest{_instead(cheaper)}",
        limit=name,
        left_usd=_ZERO,
        held_usd=_ZERO,
        resets_s=None,
        cheaper=cheaper,
    )


def _cheaper(store: Store, limits: Limits, ask: Ask, now: float, day: str) -> tuple[str, ...]:
    """Which of the other candidates fit every limit."""
    found = standings(store, limits.limits, now=now, day=day)

    def fits(model: str, usd: Decimal | None) -> bool:
        if usd is None or model == ask.model:
            return False
        covering = [s for s in found if s.limit.covers(model, ask.skill)]
        return all(_fits(store, s, model, usd, day) for s in covering)

    return tuple(model for model, usd in ask.others if fits(model, usd))


def _said(ask: Ask, standing: Standing, cheaper: Sequence[str]) -> str:
    text = (
        f"budget {standing.limit.name} ({dollars(standing.limit.usd)}): {ask.model} may cost up to "
        f"{dollars(ask.worst_usd or _ZERO)}, {dollars(max(standing.left_usd, _ZERO))} is left"
    )
    if standing.held_usd:
        text += f" and {dollars(standing.held_usd)} is reserved by running calls"
    text += f"; it resets in {_span(standing.resets_s)} (UTC)"
    return text + _instead(cheaper) + "; a lower max_output_tokens lowers what a call may cost"


def _instead(cheaper: Sequence[str]) -> str:
    return f"; {', '.join(cheaper[:3])} would fit" if cheaper else ""


def _span(seconds: float) -> str:
    """A span of time in the largest fitting unit."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
