"""Charts as HTML without scripts: bars that wrap to any width, columns over time. Pure.

Names and texts are escaped here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from html import escape
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Final, NamedTuple

from rightmodel.core.format import usd
from rightmodel.ledger.sums import EXACT

if TYPE_CHECKING:
    from rightmodel.ledger.reports import UsageRow

MOST_COLUMNS: Final = 62
"""Days drawn one by one; more of them are drawn as weeks, months or years."""
_UNIT: Final = re.compile(r"(?<=\d) (?=(?:%|s|ms|min|h|d)(?!\w))")
_MONTH_DAYS: Final = 30
_ZERO: Final = Decimal(0)


def text(words: str) -> str:
    """The words escaped; names may break after a slash, a figure not from its sign and unit."""
    bound = _UNIT.sub("\u00a0", words).replace("−$", "−\u2060$")
    return escape(bound).replace("/", "/<wbr>")


class Bar(NamedTuple):
    """`size`: how long, of `Bars.whole`. `text`: its figure. `kind`: which colour."""

    size: float
    text: str
    kind: str


class Column(NamedTuple):
    """One span of time: its name, what was spent in it, what saved (`None`: unknown)."""

    name: str
    spent: Decimal
    saved: Decimal | None


class BarChart(NamedTuple):
    """Named rows with a bar or two. `whole`: the size of a full bar; 0: the longest.

    `label`: what the chart shows, for those who cannot see it. `legend`: kind of bar and its text.
    """

    label: str
    rows: Sequence[tuple[str, Sequence[Bar]]]
    legend: Sequence[tuple[str, str]] = ()
    whole: float = 0.0


class ColumnChart(NamedTuple):
    """Spent and saved over time, side by side, as columns from the zero line."""

    label: str
    columns: Sequence[Column]
    legend: Sequence[tuple[str, str]] = ()


def draw(chart: BarChart | ColumnChart) -> str:
    """The chart as HTML; "" without anything to draw."""
    if not chart[1]:
        return ""
    drawn = _bars(chart) if isinstance(chart, BarChart) else _columns(chart)
    return _legend(chart.legend) + drawn if chart.legend else drawn


@dataclass(frozen=True, slots=True)
class _Axis:
    """From `low` to `high` in whole steps, zero among them."""

    low: float
    high: float
    step: float

    def percent(self, value: float) -> float:
        """How far down from the top, 0–100."""
        return 100 * (self.high - value) / (self.high - self.low)

    def ticks(self) -> list[float]:
        count = round((self.high - self.low) / self.step)
        return [self.high - self.step * k for k in range(count + 1)]


def _bars(chart: BarChart) -> str:
    kind = "bars whole" if chart.whole else "bars"
    shown = [bar for _, found in chart.rows for bar in found]
    whole = chart.whole or max((bar.size for bar in shown), default=0.0)
    widest = max((len(bar.text) for bar in shown), default=0)
    rows = "".join(
        f'<div class="row"><div class="name">{text(name)}</div>'
        f"<div>{''.join(_bar(bar, whole) for bar in found)}</div></div>"
        for name, found in chart.rows
    )
    return (
        f'<div class="{kind}" style="--figure:{widest}ch" role="img" '
        f'aria-label="{escape(chart.label)}">{rows}</div>'
    )


def _bar(bar: Bar, whole: float) -> str:
    share = min(100.0, 100 * bar.size / whole) if whole > 0 else 0.0
    width = f"max(2px,{share:.2f}%)" if share else "0"
    return (
        f'<div class="line"><div class="track"><div class="bar {bar.kind}" '
        f'style="width:{width}"></div></div><div class="figure">{text(bar.text)}</div></div>'
    )


def _legend(entries: Iterable[tuple[str, str]]) -> str:
    items = "".join(
        f'<li><span class="swatch {kind}"></span>{escape(what)}</li>' for kind, what in entries
    )
    return f'<ul class="legend" aria-hidden="true">{items}</ul>'


def columns_of(rows: Sequence[UsageRow], since: str, until: str) -> tuple[str, list[Column]]:
    """Days as columns, gaps filled; the unit's name ("day", "week", "month", "year").

    A long span begins with the first and ends with the last day on which anything happened.
    """
    first, last = date.fromisoformat(since), date.fromisoformat(until)
    if (last - first).days >= MOST_COLUMNS and rows:
        first = max(first, date.fromisoformat(rows[0].key))
        last = min(last, date.fromisoformat(rows[-1].key))
    unit = _unit((last - first).days + 1)
    sums: dict[str, tuple[Decimal, Decimal | None]] = {}
    for number in range((last - first).days + 1):
        sums.setdefault(_column(first + timedelta(days=number), unit), (_ZERO, None))
    for row in rows:
        name = _column(date.fromisoformat(row.key), unit)
        spent, saved = sums.get(name, (_ZERO, None))
        if row.saved_usd is not None:
            saved = EXACT.add(saved or _ZERO, row.saved_usd)
        sums[name] = (EXACT.add(spent, row.spent_usd), saved)
    return unit, [Column(name, *sums[name]) for name in sorted(sums)]


def _unit(days: int) -> str:
    for unit, length in (("day", 1), ("week", 7), ("month", _MONTH_DAYS)):
        if days <= MOST_COLUMNS * length:
            return unit
    return "year"


def _column(day: date, unit: str) -> str:
    """A week is named after its Monday."""
    if unit == "week":
        return date.fromordinal(max(1, day.toordinal() - day.weekday())).isoformat()
    return day.isoformat()[: {"day": 10, "month": 7, "year": 4}[unit]]


def _columns(chart: ColumnChart) -> str:
    columns = chart.columns
    amounts = [float(c.spent) for c in columns] + [float(c.saved or 0) for c in columns]
    axis = _axis(min(0.0, *amounts), max(0.0, *amounts))
    ticks = [(tick, _tick(tick, axis.step)) for tick in axis.ticks()]
    widest = max(len(shown) for _, shown in ticks)
    marks = "".join(
        f'<div class="mark{" zero" if abs(tick) < axis.step / 2 else ""}" '
        f'style="top:{axis.percent(tick):.2f}%"><span>{text(shown)}</span></div>'
        for tick, shown in ticks
    )
    shapes = "".join(_shapes(axis, number, column) for number, column in enumerate(columns))
    names = "".join(
        f'<span class="{kind}" style="left:{100 * (number + 0.5) / len(columns):.2f}%">'
        f"{escape(columns[number].name)}</span>"
        for number, kind in _named(len(columns))
    )
    return (
        f'<div class="time" style="--axis:{widest}ch" role="img" '
        f'aria-label="{escape(chart.label)}"><div class="plot">{marks}'
        f'<svg viewBox="0 0 {10 * len(columns)} 100" preserveAspectRatio="none">{shapes}</svg>'
        f'</div><div class="names">{names}</div></div>'
    )


def _shapes(axis: _Axis, number: int, column: Column) -> str:
    saved = column.saved
    shown = f"{column.name}: spent {usd(column.spent)}, saved {usd(saved)}"
    left = 10 * number
    kind = "lost" if saved is not None and saved < 0 else "saved"
    return (
        f"<g><title>{escape(shown)}</title>"
        f'<rect class="hover" x="{left}" y="0" width="10" height="100"/>'
        f"{_shape(axis, left + 1, float(column.spent), 'spent')}"
        f"{_shape(axis, left + 5, float(saved or 0), kind)}</g>"
    )


def _shape(axis: _Axis, left: float, value: float, kind: str) -> str:
    top, bottom = sorted((axis.percent(value), axis.percent(0.0)))
    if bottom - top <= 0:
        return ""
    return f'<rect class="{kind}" x="{left}" y="{top:.3f}" width="4" height="{bottom - top:.3f}"/>'


def _named(count: int) -> list[tuple[int, str]]:
    """Which columns are named: both ends always, more where there is room."""
    if count == 1:
        return [(0, "only")]
    between = [(count * k // 4, "between") for k in (1, 2, 3)] if count >= 9 else []  # noqa: PLR2004
    return [(0, "first"), *between, (count - 1, "last")]


def _axis(low: float, high: float) -> _Axis:
    """About four steps of 1, 2 or 5 times a power of ten."""
    span = high - low or 1.0
    rough = span / 4
    size = 10.0 ** floor(log10(rough))
    step = next(size * k for k in (1, 2, 5, 10) if size * k >= rough * 0.999)
    return _Axis(
        floor(low / step) * step, max(ceil(high / step), floor(low / step) + 1) * step, step
    )


def _tick(value: float, step: float) -> str:
    digits = max(2 if step < 1 else 0, -floor(log10(step)))
    sign = "−" if value < -step / 2 else ""
    return f"{sign}${abs(value):,.{digits}f}"
