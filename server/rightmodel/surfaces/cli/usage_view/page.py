"""What was spent and saved, as one page: no network, no script. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Final

from rightmodel.core.format import usd
from rightmodel.surfaces.cli.usage_view import charts, words
from rightmodel.surfaces.cli.usage_view.charts import Bar, text
from rightmodel.surfaces.cli.usage_view.style import STYLE
from rightmodel.surfaces.cli.usage_view.terminal import spent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rightmodel.ledger.reports import UsageRow
    from rightmodel.surfaces.cli.usage_view.picture import Picture

MOST_BARS: Final = 20
"""In a chart; the table below it has all of them."""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"
_MONEY: Final = (
    ("spent", "spent"),
    ("saved", "saved, net"),
    ("lost", "cost more than the baseline"),
)


def page(picture: Picture) -> str:
    """The whole page. Names in it come from files and servers of other people: all is escaped."""
    at = datetime.fromtimestamp(picture.now, UTC)
    span = f"{picture.span.since} to {picture.span.until}"
    sentence = words.empty(picture)
    sections = [] if sentence else _sections(picture)
    place = words.plain(picture.place)
    body = [
        "<header><h1>What was spent and saved</h1>",
        f'<p class="quiet">rightmodel usage, {span}; days are UTC</p></header>',
        "<main>",
        _caution([sentence] if sentence else words.cautions(picture)),
        *sections,
        _budgets(picture) if sentence else "",
        "</main>",
        f"<footer><p>Read on {at:%Y-%m-%d at %H:%M} UTC from {text(place)}.</p></footer>",
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>rightmodel usage, {span}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _sections(picture: Picture) -> list[str]:
    usage = picture.usage
    return [
        _cards(picture),
        f"<p>{text(words.against(picture))}</p>",
        f'<p class="quiet">{text(words.asking(picture))}</p>',
        _glance(picture),
        _budgets(picture),
        _section("Over time", _over_time(picture)),
        _section("By model", _money(usage.by_model, "model")),
        _section("By skill", _money(usage.by_skill, "skill")),
        _section("Quality, as reported", _quality(picture)),
        _section("Faults", _faults(picture)),
        _section("Times", _times(picture)),
        _section("By provider", _rows_table(usage.by_provider, "provider")),
    ]


def _section(title: str, inner: str) -> str:
    return f"<section><h2>{text(title)}</h2>\n{inner}\n</section>"


def _caution(sentences: Iterable[str]) -> str:
    inner = "".join(f"<p>{text(sentence)}</p>" for sentence in sentences)
    return f'<div class="caution" role="note">{inner}</div>' if inner else ""


def _cards(picture: Picture) -> str:
    total = picture.usage.total
    calls = f"{words.counted(total.calls, 'call')}, {total.failed:,} failed"
    share = total.saved_share
    cards = [
        ("spent", spent(total), f"{words.counted(total.attempts, 'attempt')}"),
        (
            "saved, net",
            usd(total.saved_usd),
            f"{words.percent(share)} of what the baseline costs"
            if share is not None
            else "no baseline to compare with",
        ),
        ("answered", f"{total.answered:,}", calls),
        (
            "time of a call",
            words.seconds(total.call_s.p50 if total.call_s else None),
            f"half within; 95 % within {words.seconds(total.call_s.p95)}" if total.call_s else "",
        ),
    ]
    items = "".join(
        f'<li><span class="what">{text(what)}</span><span class="much">{text(much)}</span>'
        f'<span class="what">{text(more)}</span></li>'
        for what, much, more in cards
    )
    return f'<ul class="cards" aria-label="{escape(picture.span.name)}">{items}</ul>'


def _glance(picture: Picture) -> str:
    spans = words.columns(picture)
    heads = "".join(f'<th scope="col">{text(name)}</th>' for name, _ in spans)
    lines = []
    for values in zip(*(words.glance(row) for _, row in spans), strict=True):
        name = values[0][0]
        cells = "".join(f"<td>{text(value)}</td>" for _, value in values)
        kind = ' class="part"' if name.startswith(" ") else ""
        lines.append(f'<tr{kind}><th scope="row">{text(name.strip())}</th>{cells}</tr>')
    return _framed(
        "At a glance",
        f'<table class="glance"><thead><tr><th></th>{heads}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>",
    )


def _framed(label: str, table: str) -> str:
    """A table that may be wider than a small screen scrolls by itself, by keyboard, too."""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">{table}</div>'
    )


def _table(label: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in heads)
    lines = []
    for name, *cells in rows:
        inner = "".join(f"<td>{text(cell)}</td>" for cell in cells)
        lines.append(f'<tr><th scope="row">{text(name)}</th>{inner}</tr>')
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return _framed(label, f"<table>{body}</table>")


def _folded(summary: str, inner: str) -> str:
    return f"<details><summary>{text(summary)}</summary>{inner}</details>"


def _budgets(picture: Picture) -> str:
    if not picture.budgets:
        return ""
    drawn = [
        (
            words.plain(s.limit.name),
            [Bar(s.share, words.percent(s.share), "lost" if s.left_usd <= 0 else "spent")],
        )
        for s in picture.budgets
    ]
    rows = [
        (
            words.plain(s.limit.name),
            words.limit_of(s),
            usd(s.spent_usd),
            usd(s.held_usd),
            usd(s.left_usd),
            words.resets(s),
        )
        for s in picture.budgets
    ]
    heads = ("budget", "limit", "spent", "reserved", "left", "resets")
    label = "Share of each budget that is spent"
    chart = charts.bars(drawn, label=label, whole=1.0)
    return _section("Budgets", chart + _table("Budgets", heads, rows))


def _over_time(picture: Picture) -> str:
    usage = picture.usage
    unit, columns = charts.columns_of(usage.by_day, usage.since, usage.until)
    label = f"Spent and saved in each {unit}"
    rows = [(c.name, usd(c.spent), usd(c.saved)) for c in reversed(columns)]
    return (
        f'<p class="quiet">A pair of columns is one {unit}.</p>'
        + charts.legend(_MONEY)
        + charts.over_time(columns, label=label)
        + _folded(f"Every {unit} as a table", _table(label, (unit, "spent", "saved, net"), rows))
    )


def _money(rows: Sequence[UsageRow], group: str) -> str:
    drawn = []
    for row in rows[:MOST_BARS]:
        found = [Bar(float(row.spent_usd), spent(row), "spent")]
        if row.saved_usd is not None:
            kind = "lost" if row.saved_usd < 0 else "saved"
            found.append(Bar(abs(float(row.saved_usd)), usd(row.saved_usd), kind))
        drawn.append((words.key(row, group), found))
    label = f"Spent and saved by {group}"
    note = "A saving counts where the call was answered, money where it was spent."
    return (
        (f'<p class="quiet">{note}</p>' if group == "model" else "")
        + charts.legend(_MONEY)
        + charts.bars(drawn, label=label)
        + _rows_table(rows, group)
    )


def _rows_table(rows: Sequence[UsageRow], group: str) -> str:
    by_calls = group != "provider"
    heads = [group, "spent", "of it billed"]
    heads += ["saved, net", "calls", "failed"] if by_calls else []
    heads += ["attempts", "faults", "tokens in", "tokens out"]
    lines = []
    for row in rows:
        line = [words.key(row, group), spent(row), usd(row.billed_usd)]
        line += [words.saved(row), f"{row.calls:,}", f"{row.failed:,}"] if by_calls else []
        line += [f"{row.attempts:,}", f"{row.faults:,}"]
        lines.append([*line, words.tokens(row.input), words.tokens(row.output)])
    return _table(f"By {group}", heads, lines)


def _quality(picture: Picture) -> str:
    if not picture.quality:
        return (
            '<p class="quiet">No outcome was reported in these days: report_outcome tells how an '
            "answer turned out.</p>"
        )
    reported = [q for q in picture.quality if q.reported]
    drawn = [
        (words.plain(q.model), [Bar(q.good / q.reported, words.good_share(q), "good")])
        for q in reported[:MOST_BARS]
    ]
    rows = [
        (
            words.plain(q.model),
            f"{q.reported:,}",
            words.percent(q.good / q.reported) if q.reported else words.NONE,
            f"{q.checked:,}",
            words.percent(q.passed / q.checked) if q.checked else words.NONE,
        )
        for q in picture.quality
    ]
    heads = ("model", "outcomes reported", "good", "automatic checks", "passed")
    chart = charts.bars(drawn, label="Share of good outcomes by model", whole=1.0) if drawn else ""
    return chart + _table("Quality by model", heads, rows)


def _faults(picture: Picture) -> str:
    faults = picture.usage.faults
    if not faults:
        return '<p class="quiet">No attempt failed.</p>'
    attempts = {row.key: row.attempts for row in picture.usage.by_provider}
    drawn = [
        (f"{words.plain(p)}: {words.plain(f)}", [Bar(count, f"{count:,}", "fault")])
        for p, f, count in faults[:MOST_BARS]
    ]
    rows = [
        (
            words.plain(provider),
            words.plain(fault),
            f"{count:,}",
            words.percent(count / attempts[provider]),
        )
        for provider, fault, count in faults
    ]
    heads = ("provider", "fault", "attempts", "of the provider's")
    chart = charts.bars(drawn, label="Failed attempts by provider and fault")
    return chart + _folded("Every fault as a table", _table("Faults", heads, rows))


def _times(picture: Picture) -> str:
    timed = [row for row in picture.usage.by_model if row.attempt_s]
    drawn = []
    for row in timed[:MOST_BARS]:
        found = [
            Bar(getattr(row.attempt_s, share), words.seconds(getattr(row.attempt_s, share)), kind)
            for share, kind in (("p50", "half"), ("p95", "late"))
        ]
        drawn.append((words.key(row, "model"), found))
    rows = [
        (
            words.key(row, "model"),
            *(words.seconds(t) for t in (row.attempt_s or ())),
            *(words.seconds(t) for t in (row.first_token_s or (None, None))[:2]),
        )
        for row in timed
    ]
    heads = ("model", "half within", "95 % within", "longest", "first token, half", "95 %")
    return (
        '<p class="quiet">Of attempts that gave an answer.</p>'
        + charts.legend((("half", "half of them within"), ("late", "95 % within")))
        + charts.bars(drawn, label="Time of an answer by model")
        + _table("Times by model", heads, rows)
    )
