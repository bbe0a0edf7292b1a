"""Budget arithmetic. Pure: sums, reservations and times come in as arguments.

A limit counts everything charged in its UTC day or month, and everything reserved. An attempt is
refused if its worst case does not fit. So a limit is exceeded only if a worst case was wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from rightmodel.core.errors import BudgetError
from rightmodel.core.format import dollars, duration
from rightmodel.ledger.call_rows import day_of, seconds_left
from rightmodel.ledger.records import AttemptRecord, Hold, HoldRequest
from rightmodel.ledger.sums import EXACT, Key, Reserved

if TYPE_CHECKING:
    from rightmodel.manifest.catalog import Budget, Client

    Period = Literal["day", "month"]
    Charged = Callable[[Key], Decimal]

WARN_AT: Final = 0.8
INTERRUPTED: Final = "interrupted"
"""The fault of an attempt whose process died."""
_ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Limit:
    """Most USD in a UTC day or month, for everything, one model, one skill or one client.

    `name`: the manifest's key, for messages.
    """

    name: str
    usd: Decimal
    period: Period = "day"
    model: str = ""
    skill: str = ""
    client: str = ""

    def key(self, day: str) -> Key:
        """The sum that it limits."""
        return Key(day if self.period == "day" else day[:7], self.model, self.skill, self.client)

    def covers(self, model: str, skill: str, client: str) -> bool:
        """Whether an attempt counts against it."""
        return (
            (not self.model or self.model == model)
            and (not self.skill or self.skill == skill)
            and (not self.client or self.client == client)
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """Every budget over time of a manifest. `warn_at`: share spent, 0–1, from which to warn.

    The ceiling of a single call is not among them: it needs no ledger.
    """

    limits: tuple[Limit, ...] = ()
    warn_at: float = WARN_AT

    def covering(self, request: HoldRequest) -> list[Limit]:
        """Those that the attempt counts against."""
        model, skill, client = request.model, request.skill, request.origin.client
        return [limit for limit in self.limits if limit.covers(model, skill, client)]


def limits_of(budget: Budget, clients: Iterable[Client] = ()) -> Limits:
    """The limits of a manifest."""
    limits = _over_time(budget)
    for client in clients:
        limits += _over_time(client, f"clients.{client.name}.", client.name)
    limits += [Limit(f"models.{m}", usd, model=m) for m, usd in budget.models.items()]
    limits += [Limit(f"skills.{s}", usd, skill=s) for s, usd in budget.skills.items()]
    return Limits(tuple(limits), budget.warn_at)


def _over_time(table: Budget | Client, prefix: str = "", client: str = "") -> list[Limit]:
    day, month = table.per_day_usd, table.per_month_usd
    found = []
    if day is not None:
        found.append(Limit(f"{prefix}per_day_usd", day, client=client))
    if month is not None:
        found.append(Limit(f"{prefix}per_month_usd", month, "month", client=client))
    return found


class LimitState(NamedTuple):
    """The state of a limit. `held_usd`: reserved by running attempts."""

    limit: Limit
    spent_usd: Decimal
    held_usd: Decimal
    left_usd: Decimal
    resets_s: float

    @property
    def share(self) -> float:
        """Spent share of the limit, 0–1 and above."""
        return float(self.spent_usd / self.limit.usd) if self.limit.usd else 1.0

    def after(self, usd: Decimal) -> LimitState:
        """Once so much more is spent."""
        return self._replace(spent_usd=EXACT.add(self.spent_usd, usd))

    def may_reach(self, share: float, usd: Decimal) -> bool:
        """Whether it does once so much more is spent, and all that other calls have reserved."""
        spent = EXACT.add(EXACT.add(self.spent_usd, usd), self.held_usd)
        return not self.limit.usd or float(spent / self.limit.usd) >= share


def limit_states(
    limits: Iterable[Limit], charged: Charged, holds: Sequence[Hold | Reserved], *, now: float
) -> list[LimitState]:
    """The state of each limit. `charged`: the sum for a key."""
    day = day_of(now)
    found = []
    for limit in limits:
        key = limit.key(day)
        spent = charged(key)
        # A month's name is the beginning of its days'.
        counted = [hold for hold in holds if hold.day.startswith(key.period)]
        if limit.model or limit.skill or limit.client:
            counted = [h for h in counted if limit.covers(h.model, h.skill, h.client)]
        held = reduce(EXACT.add, [hold.usd for hold in counted], _ZERO)
        left = EXACT.subtract(limit.usd, EXACT.add(spent, held))
        found.append(LimitState(limit, spent, held, left, seconds_left(now, limit.period)))
    return found


def warning(state: LimitState) -> str:
    """A line about a limit that is nearly spent."""
    return (
        f"budget {state.limit.name}: {state.share:.0%} of {dollars(state.limit.usd)} spent, "
        f"resets in {duration(state.resets_s)}"
    )


class Mark(NamedTuple):
    """What people are told once: that a limit is nearly spent, or (`is_wall`) spent.

    The wall is also a call that was refused. `period`: UTC day or month.
    """

    limit: Limit
    period: str
    is_wall: bool

    @property
    def threshold(self) -> str:
        """With the amount: a limit that was raised is another one."""
        return f"{'wall' if self.is_wall else 'warning'} of {self.limit.usd}"


class Alert(NamedTuple):
    """What to tell about a mark. `text`: for people."""

    mark: Mark
    state: LimitState
    text: str


def mark_of(state: LimitState, *, now: float, refused: bool = False) -> Mark:
    """The mark that a limit has reached, if it is at least nearly spent."""
    period = state.limit.key(day_of(now)).period
    return Mark(state.limit, period, is_wall=refused or state.share >= 1.0)


def check(
    request: HoldRequest,
    limits: Limits,
    charged: Charged,
    holds: Sequence[Hold | Reserved],
    *,
    now: float,
) -> list[LimitState]:
    """The state of the limits that cover the request. Raises `BudgetError` if one has no room."""
    covering = limits.covering(request)
    if not covering:
        return []
    found = limit_states(covering, charged, holds, now=now)
    worst, model = request.worst_usd, request.model
    month = day_of(now)[:7]
    tight = found if worst is None else _tight(found, model, worst, charged, month)
    if not tight:
        return found
    every = limit_states(limits.limits, charged, holds, now=now)
    skill, client = request.skill, request.origin.client
    cheaper = tuple(
        other
        for other, usd in request.others()
        if usd is not None
        and other != model
        and not _tight(
            [s for s in every if s.limit.covers(other, skill, client)], other, usd, charged, month
        )
    )
    if worst is None:
        raise _unpriced(request, covering[0], cheaper)
    # The limit that resets last is reported: waiting for any other would not help.
    last = max(tight, key=lambda s: (s.resets_s, -s.left_usd))
    raise BudgetError(
        _explained(request, last, cheaper),
        limit=last.limit.name,
        left_usd=last.left_usd,
        held_usd=last.held_usd,
        resets_s=last.resets_s,
        cheaper=cheaper,
        passing=all(worst <= s.left_usd + s.held_usd for s in tight),
    )


def _tight(
    found: Sequence[LimitState], model: str, usd: Decimal, charged: Charged, month: str
) -> list[LimitState]:
    """The limits without room.

    A model that costs nothing may run when everything is spent, unless it was billed in this month
    although its price is zero.
    """
    if usd:
        return [s for s in found if s.left_usd < usd]
    return [s for s in found if s.left_usd <= 0] if charged(Key(month, model)) else []


def _unpriced(request: HoldRequest, limit: Limit, cheaper: tuple[str, ...]) -> BudgetError:
    return BudgetError(
        f"{request.model} has no known price, so the budget {limit.name} cannot cover it: set its "
        f"cost in the manifest{_instead(cheaper)}",
        limit=limit.name,
        left_usd=_ZERO,
        held_usd=_ZERO,
        resets_s=None,
        cheaper=cheaper,
    )


def _explained(request: HoldRequest, standing: LimitState, cheaper: Sequence[str]) -> str:
    worst, left = request.worst_usd or _ZERO, max(standing.left_usd, _ZERO)
    text = (
        f"budget {standing.limit.name} ({dollars(standing.limit.usd)}): {request.model} may cost "
        f"up to {dollars(worst)}, {dollars(left)} is left"
    )
    if standing.held_usd:
        text += f" and {dollars(standing.held_usd)} is reserved by running calls"
    text += f"; it resets in {duration(standing.resets_s)} (UTC)"
    return text + _instead(cheaper) + _fewer_tokens(request, left)


def _fewer_tokens(request: HoldRequest, left: Decimal) -> str:
    if request.fits is None:
        return ""
    tokens = request.fits(left)
    if tokens < 1:
        return "; its prompt alone may cost more"
    return f"; {request.model} would fit with a max_output_tokens of at most {tokens}"


def _instead(cheaper: Sequence[str]) -> str:
    return f"; {', '.join(cheaper[:3])} would fit" if cheaper else ""


def estimate(hold: Hold, *, at: float) -> AttemptRecord:
    """The row of an attempt whose process died: its whole reservation counts as its cost."""
    return AttemptRecord(
        call=hold.call or hold.id,
        number=hold.number if hold.call else 1,
        at=at,
        day=hold.day,
        role="answer" if hold.number or not hold.call else "judge",
        provider=hold.provider,
        model=hold.model,
        name=hold.name,
        skill=hold.skill,
        fault=INTERRUPTED,
        cost_usd=hold.usd,
        cost_kind="estimated",
        charged_usd=hold.usd,
        client=hold.client,
        session=hold.session,
        kind=hold.kind,
        host=hold.host,
        user_name=hold.user_name,
    )


def correction(estimated: AttemptRecord, actual: AttemptRecord) -> AttemptRecord:
    """The row that turns the sums of an estimate into those of the attempt's actual row."""
    charged = estimated.charged_usd or _ZERO
    cost = charged if actual.cost_usd is None else actual.cost_usd
    difference = EXACT.subtract(cost, charged)
    return actual._replace(
        number=correction_number(estimated.number),
        day=estimated.day,
        fault=INTERRUPTED,
        cost_usd=difference,
        cost_kind="corrected",
        charged_usd=difference,
    )


def correction_number(number: int) -> int:
    """The number of the row that corrects the attempt with that number."""
    return -1 - number
