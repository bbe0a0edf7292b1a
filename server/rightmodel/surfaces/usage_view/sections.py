"""The figures of a usage report in words: sentences and tables, the same in every rendering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rightmodel.core.fault import Fault
from rightmodel.core.format import UNKNOWN, counted, duration, usd
from rightmodel.ledger.reports import GROUPS, WHO, Spread, UsageRow
from rightmodel.surfaces.usage_view.charts import Bar, BarChart, ColumnChart, columns_of

if TYPE_CHECKING:
    from rightmodel.ledger.budget import LimitState
    from rightmodel.surfaces.usage_view.report import UsageReport

MOST_BARS: Final = 20
"""In a chart; the table below it has all of them."""
_MONEY: Final = (
    ("spent", "spent"),
    ("saved", "saved, net"),
    ("lost", "cost more than the baseline"),
)
_NOTHING: Final = frozenset({usd(Decimal(0)), "0", UNKNOWN})
_CENTS: Final = Decimal("0.01")
_THOUSAND: Final = 1000


@dataclass(frozen=True, slots=True)
class Section:
    """A table, figures as text, and the chart that a page shows above it.

    `heads`: of the columns, the most important first. `below`: lines under the table. `whole`: what
    has all rows where there are many. `folded`: the chart shows the same.
    """

    title: str
    heads: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    chart: BarChart | ColumnChart | None = None
    note: str = ""
    below: Sequence[str] = ()
    whole: str = "rightmodel usage --json"
    folded: bool = False


def sections(report: UsageReport) -> dict[str, Section]:
    """Every section by name: "budgets", `GROUPS`, "quality", "faults", "times".

    Only "budgets" where nothing was called; sections without rows are left out, but "quality" and
    "faults", whose notes say so.
    """
    found = {"budgets": _budgets(report)}
    if not empty(report):
        found |= {"day": _days(report)}
        found |= {group: _group(report, group) for group in GROUPS if group != "day"}
        found |= {"quality": _quality(report), "faults": _faults(report), "times": _times(report)}
    return {name: s for name, s in found.items() if s.rows or s.note}


def telling(report: UsageReport) -> list[str]:
    """The `GROUPS` that say something: those of `WHO` only where rows differ."""
    rows = {group: report.usage.rows(group) for group in GROUPS}
    known = {group: {row.key for row in rows[group]} - {"", "subtask"} for group in WHO}
    return [
        group
        for group in GROUPS
        if group not in WHO or (known[group] and (group == "client" or len(rows[group]) > 1))
    ]


def glance(report: UsageReport) -> Section:
    """A column for each span. A name that begins with a space is a part of the one above it.

    Parts that are nothing in every span are left out.
    """
    spans = [("today", report.today.total), ("this month", report.month.total)]
    if report.span.name != "this month":
        spans.append((report.span.name, report.usage.total))
    columns = [_glance(row) for _, row in spans]
    rows = [(lines[0][0], *(value for _, value in lines)) for lines in zip(*columns, strict=True)]
    rows = [row for row in rows if not row[0].startswith(" ") or {*row[1:]} - _NOTHING]
    return Section("At a glance", ("", *(name for name, _ in spans)), rows)


def _glance(row: UsageRow) -> list[tuple[str, str]]:
    return [
        ("spent", usd(row.spent_usd)),
        (" billed by the provider", usd(row.billed_usd)),
        (" computed from prices", usd(row.computed_usd)),
        (" estimated after a kill", usd(row.estimated_usd)),
        (" of unknown cost", counted(row.unpriced, "attempt") if row.unpriced else UNKNOWN),
        (" in failed attempts", usd(row.fault_usd)),
        (" for the judge", usd(row.judge_usd)),
        (" in calls without an answer", usd(row.lost_usd)),
        ("saved, net", saved(row)),
        ("calls", f"{row.calls:,}"),
        (" answered", f"{row.answered:,}"),
        (" failed", f"{row.failed:,}"),
        (" slower than 30 s", f"{row.slow:,}"),
        ("attempts", f"{row.attempts:,}"),
        (" failed", f"{row.faults:,}"),
        ("time of a call, 50 % / 95 %", _both(row.call_s)),
        ("first token, 50 % / 95 %", _both(row.first_token_s)),
    ]


def cards(report: UsageReport) -> list[tuple[str, str, str]]:
    """The four headline figures: name, figure, detail."""
    total = report.usage.total
    share, times = total.saved_share, total.call_s
    against_it = "no baseline to compare with"
    if share is not None:
        against_it = f"{percent(share)} of what the baseline costs"
    calls = f"{counted(total.calls, 'call')}, {total.failed:,} failed"
    slowest = f"half within; 95 % within {duration(times.p95)}" if times else ""
    return [
        ("spent", spent(total), counted(total.attempts, "attempt")),
        ("saved, net", usd(total.saved_usd), against_it),
        ("answered", f"{total.answered:,}", calls),
        ("time of a call", duration(times.p50 if times else None), slowest),
    ]


def against(report: UsageReport) -> str:
    """What savings are measured against."""
    baselines = report.usage.baselines.most_common()
    if not baselines:
        if report.baseline:
            name = plain(report.baseline)
            return f"No call of these days was compared with the baseline {name}."
        return (
            f"No baseline is set, so no saving is known: set baseline in {plain(report.place)} to "
            "the model that your agent runs on."
        )
    names = [f"{plain(model)} ({counted(calls, 'call')})" for model, calls in baselines]
    shown = plain(baselines[0][0]) if len(baselines) == 1 else ", ".join(names)
    return (
        f"Saved against always using {shown}, net: failed attempts, the judge, escalations and "
        "calls without an answer are counted against it."
    )


def overhead(report: UsageReport) -> str:
    """The estimated cost of delegating in the agent's own model; "" where no agent delegated."""
    found = report.overhead
    if found is None or not found.written:
        return ""
    cost = "its cost is unknown: no baseline with a known price is set"
    if found.usd is not None:
        cost = f"about {usd(found.usd)} at the baseline's price"
    text = (
        f"Estimate, in no other sum: to delegate, agents wrote at most about "
        f"{tokens(found.written)} tokens and read {tokens(found.read)} "
        f"({counted(found.sessions, 'session')}); {cost}"
    )
    saved_usd = report.usage.total.saved_usd
    if found.usd is not None and saved_usd is not None:
        text += f", which leaves {usd(saved_usd - found.usd)} of what was saved"
    text += "."
    if found.unsized:
        text += f" {counted(found.unsized, 'call')} of unknown size left out."
    return text


def cautions(report: UsageReport) -> list[str]:
    """What the figures lack or assume, a sentence each."""
    total = report.usage.total
    found = list(report.notes)
    if total.unpriced:
        found.append(
            f"{counted(total.unpriced, 'attempt')} of unknown cost: in no sum (“+ ?”). Set the "
            f"model's price in {plain(report.place)} if it has one."
        )
    if total.estimated:
        found.append(
            f"{counted(total.estimated, 'attempt')} of killed processes: charged at an estimate. "
            "List them with rightmodel usage --estimated, correct one with --correct ID=USD."
        )
    if total.bounded:
        found.append(
            f"{counted(total.bounded, 'attempt')} with an impossible reported cost or token count: "
            "charged at the worst case of the request."
        )
    missing = total.answered - total.compared
    if report.usage.baselines and missing > 0:
        found.append(
            f"{counted(missing, 'answered call')} could not be compared with a baseline: in no "
            "saving."
        )
    return found


def empty(report: UsageReport) -> str:
    """What to do where there is nothing to show; "" where there is."""
    total = report.usage.total
    if total.calls or total.attempts:
        return ""
    location = plain(report.location)
    if report.days is None:
        return (
            f"Nothing is recorded yet in {location}. Every call that an agent or `rightmodel ask` "
            "makes is recorded there; if yours ran elsewhere, set RIGHTMODEL_STATE_DIR as that "
            "server does."
        )
    return (
        f"No calls from {report.span.since} to {report.span.until}. The ledger {location} has "
        f"calls from {report.days[0]} to {report.days[1]}: try --since {report.days[0]}."
    )


def _budgets(report: UsageReport) -> Section:
    rows, bars = [], []
    for s in report.budgets:
        name, share = plain(s.limit.name), percent(s.share)
        bars.append((name, (Bar(s.share, share, "lost" if s.left_usd <= 0 else "spent"),)))
        money = (_limit(s), usd(s.spent_usd), share, usd(s.held_usd), usd(s.left_usd))
        rows.append((name, *money, f"in {duration(s.resets_s)}"))
    heads = ("budget", "limit", "spent", "share", "reserved", "left", "resets")
    chart = BarChart("Share of each budget that is spent", bars, whole=1.0)
    return Section("Budgets", heads, rows, chart)


def _days(report: UsageReport) -> Section:
    usage = report.usage
    unit, drawn = columns_of(usage.rows("day"), usage.since, usage.until)
    chart = ColumnChart(f"Spent and saved in each {unit}", drawn, _MONEY)
    whole = _group(report, "day")
    note = f"A pair of columns is one {unit}."
    return Section("Over time", whole.heads, whole.rows, chart, note, folded=True)


def _group(report: UsageReport, group: str) -> Section:
    """Calls are no provider's: several may answer one."""
    rows = report.usage.rows(group)
    if group == "model":
        rows = _gathered(rows)
    named = [(key(row, group), row) for row in rows]
    cells = [{group: name, **_cells(row, group)} for name, row in named]
    bars = []
    for name, row in named[:MOST_BARS]:
        pair = [Bar(float(row.spent_usd), spent(row), "spent")]
        if row.saved_usd is not None:
            kind = "lost" if row.saved_usd < 0 else "saved"
            pair.append(Bar(abs(float(row.saved_usd)), usd(row.saved_usd), kind))
        bars.append((name, tuple(pair)))
    note = "A saving counts where the call was answered, money where it was spent."
    return Section(
        f"By {group}",
        tuple(cells[0]) if cells else (),
        [tuple(line.values()) for line in cells],
        BarChart(f"Spent and saved by {group}", bars, _MONEY),
        note if group == "model" and rows else "",
    )


def _gathered(rows: tuple[UsageRow, ...]) -> tuple[UsageRow, ...]:
    """The rows of models; those with nothing but failed attempts for nothing share the last."""
    silent = [
        row
        for row in rows
        if row.attempts and row.attempts == row.faults and not (row.calls or row.spent_usd)
    ]
    if len(silent) <= 1:
        return rows
    together = UsageRow(f"{len(silent)} models without an answer")
    for name in ("attempts", "faults", "unpriced", "bounded", "input", "output"):
        setattr(together, name, sum(getattr(row, name) for row in silent))
    return (*(row for row in rows if row not in silent), together)


def _cells(row: UsageRow, group: str) -> dict[str, str]:
    by_calls = group != "provider"
    time = row.attempt_s if group in {"model", "provider"} else row.call_s
    first = row.first_token_s
    cells = {"spent": spent(row)}
    if by_calls:
        cells |= {"saved": saved(row), "calls": f"{row.calls:,}", "failed": f"{row.failed:,}"}
    return cells | {
        "attempts": f"{row.attempts:,}",
        "faults": f"{row.faults:,}",
        "time 50 %": duration(time.p50 if time else None),
        "95 %": duration(time.p95 if time else None),
        "first token": duration(first.p50 if first else None),
        "tokens in": tokens(row.input),
        "out": tokens(row.output),
        "billed": usd(row.billed_usd),
    }


def _quality(report: UsageReport) -> Section:
    rows, bars = [], []
    for q in report.quality:
        name = plain(q.model)
        share = percent(q.good / q.reported) if q.reported else UNKNOWN
        good = f"{share} of {counted(q.reported, 'outcome')}" if q.reported else UNKNOWN
        checks = f"{q.passed:g} of {q.checked:,}" if q.checked else UNKNOWN
        rows.append((name, good, checks))
        if q.reported:
            bars.append((name, (Bar(q.good / q.reported, good, "good"),)))
    note = "" if rows else "No outcome was reported in these days: report_outcome records them."
    chart = BarChart("Share of good outcomes by model", bars[:MOST_BARS], whole=1.0)
    heads = ("model", "good", "checks passed")
    return Section("Quality, as reported", heads, rows, chart, note)


def _faults(report: UsageReport) -> Section:
    usage, now = report.usage, report.now
    attempts = {row.key: row.attempts for row in usage.rows("provider")}
    advice = {f.value: f.advice.format(key="the key", near="") for f in Fault}
    rows, bars = [], []
    for (provider, fault), count in usage.faults.most_common():
        share = percent(count / attempts[provider])
        times = (_ago(usage.latest.get((provider, kind)), now) for kind in (fault, ""))
        rows.append((plain(provider), plain(fault), f"{count:,}", share, *times))
        bars.append((f"{plain(provider)}: {plain(fault)}", (Bar(count, f"{count:,}", "fault"),)))
    chart = BarChart("Failed attempts by provider and fault", bars[:MOST_BARS])
    heads = ("provider", "fault", "attempts", "of the provider's", "latest", "last answer")
    note = "" if rows else "No attempt failed."
    kinds = dict.fromkeys(row[1] for row in rows)
    below = [f"{kind} → {advice[kind]}" for kind in kinds if kind in advice]
    return Section("Faults", heads, rows, chart, note, below)


def _ago(at: float | None, now: float) -> str:
    return "none" if at is None else f"{duration(max(now - at, 0.0))} ago"


def _times(report: UsageReport) -> Section:
    rows, bars = [], []
    for row in report.usage.rows("model"):
        times = row.attempt_s
        if times is None:
            continue
        name, first = key(row, "model"), (row.first_token_s or (None, None))[:2]
        rows.append((name, *(duration(t) for t in (*times, *first))))
        half, late = duration(times.p50), duration(times.p95)
        bars.append((name, (Bar(times.p50, half, "half"), Bar(times.p95, late, "late"))))
    legend = (("half", "half of them within"), ("late", "95 % within"))
    chart = BarChart("Time of an answer by model", bars[:MOST_BARS], legend)
    heads = ("model", "half within", "95 % within", "longest", "first token, half", "95 %")
    note = "Of attempts that gave an answer." if rows else ""
    return Section("Times", heads, rows, chart, note)


def spent(row: UsageRow) -> str:
    """The sum; "+ ?" where attempts of unknown cost are not in it."""
    if row.unpriced and row.unpriced == row.attempts:
        return "unknown"
    return usd(row.spent_usd) + (" + ?" if row.unpriced else "")


def saved(row: UsageRow) -> str:
    """What was saved and its share of the baseline's cost."""
    share = row.saved_share
    return usd(row.saved_usd) + (f" ({percent(share)})" if share is not None else "")


def percent(share: float) -> str:
    """A share in whole percents, small ones with a decimal."""
    text = f"{share:,.0%}" if abs(share) >= 0.1 or not share else f"{share:.1%}"  # noqa: PLR2004
    return text.replace("%", " %").replace("-", "−")


def tokens(count: int) -> str:
    """A number of tokens in about three digits: "1.5k"."""
    for unit in ("", "k", "M", "G"):
        if count < _THOUSAND or unit == "G":
            break
        count /= _THOUSAND  # type: ignore[assignment]
    return f"{count:.0f}{unit}" if not unit or count >= 100 else f"{count:.1f}{unit}"  # noqa: PLR2004


def key(row: UsageRow, group: str) -> str:
    """The name of a row, fit to print: names come from files and servers of other people."""
    if not row.key:
        return "(no answer)" if group == "model" else "(unknown)"
    return plain(row.key)


def plain(text: str) -> str:
    """The text without control characters, which could take over a terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)


def _both(spread: Spread | None) -> str:
    return f"{duration(spread.p50)} / {duration(spread.p95)}" if spread else UNKNOWN


def _limit(standing: LimitState) -> str:
    """What the limit allows: "$5.00 a day"."""
    amount, period = standing.limit.usd, standing.limit.period
    in_cents = amount % 1 and not (amount * 100) % 1
    return f"${amount.quantize(_CENTS) if in_cents else amount.normalize():,f} a {period}"
