"""A usage report as one HTML page: no network, no script. Pure but for its own style sheet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from rightmodel.ledger.reports import WHO
from rightmodel.surfaces.usage_view import charts
from rightmodel.surfaces.usage_view import sections as words
from rightmodel.surfaces.usage_view.charts import text

if TYPE_CHECKING:
    from rightmodel.surfaces.usage_view.report import UsageReport
    from rightmodel.surfaces.usage_view.sections import Section

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'"
MOST_ROWS: Final = 100
"""In a table, but for those of days and faults, which are folded away: sessions may be many."""
_ORDER: Final = (
    "budgets", "day", "model", "skill", *WHO, "quality", "faults", "times", "provider",
)  # fmt: skip


def page(report: UsageReport, *first: Section) -> str:
    """The page, with other sections before the report's.

    Names in it come from files and servers of other people: everything is escaped.
    """
    at = datetime.fromtimestamp(report.now, UTC)
    span = f"{report.span.since} to {report.span.until}"
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    location = text(words.plain(report.location))
    sentence = words.empty(report)
    found = words.sections(report)
    left_out = set(WHO).difference(words.telling(report))
    body = [
        "<header><h1>What was spent and saved</h1>",
        f'<p class="quiet">rightmodel usage, {span}; days are UTC</p></header>',
        "<main>",
        _caution([sentence] if sentence else words.cautions(report)),
        "" if sentence else _summary(report),
        *map(_section, first),
        *(_section(found[name]) for name in _ORDER if name in found and name not in left_out),
        "</main>",
        f"<footer><p>Read on {at:%Y-%m-%d at %H:%M} UTC from {location}.</p></footer>",
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>rightmodel usage, {span}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        + "\n".join(part for part in body if part)
        + "\n</body>\n</html>\n"
    )


def _caution(sentences: Iterable[str]) -> str:
    inner = "".join(f"<p>{text(sentence)}</p>" for sentence in sentences)
    return f'<div class="caution" role="note">{inner}</div>' if inner else ""


def _summary(report: UsageReport) -> str:
    glance = words.glance(report)
    items = "".join(
        f'<li><span class="what">{text(what)}</span><span class="much">{text(much)}</span>'
        f'<span class="what">{text(more)}</span></li>'
        for what, much, more in words.cards(report)
    )
    return (
        f'<ul class="cards" aria-label="{escape(report.span.name)}">{items}</ul>'
        f'<p>{text(words.against(report))}</p><p class="quiet">{text(words.overhead(report))}</p>'
        + _table(glance.title, glance.heads, glance.rows, kind="glance")
    )


def _section(section: Section) -> str:
    rows = section.rows if section.folded else section.rows[:MOST_ROWS]
    table = _table(section.title, section.heads, rows) if rows else ""
    if len(rows) < len(section.rows):
        more = f"and {len(section.rows) - len(rows):,} more; {section.whole} has them all"
        table += f'<p class="quiet">{more}</p>'
    if section.folded and table:
        table = f"<details><summary>{text(section.title)} as a table</summary>{table}</details>"
    drawn = charts.draw(section.chart) if section.chart and section.rows else ""
    note = f'<p class="quiet">{text(section.note)}</p>' if section.note else ""
    below = "".join(f'<p class="quiet">{text(line)}</p>' for line in section.below)
    return f"<section><h2>{text(section.title)}</h2>\n{note}{drawn}{table}{below}\n</section>"


def _table(
    label: str, heads: Sequence[str], rows: Iterable[Sequence[str]], *, kind: str = ""
) -> str:
    """A table that may be wider than a small screen scrolls by itself, by keyboard, too."""
    head = "".join(f'<th scope="col">{text(name)}</th>' if name else "<th></th>" for name in heads)
    lines = []
    for name, *cells in rows:
        part = ' class="part"' if name.startswith(" ") else ""
        inner = "".join(f"<td>{text(cell)}</td>" for cell in cells)
        lines.append(f'<tr{part}><th scope="row">{text(name.strip())}</th>{inner}</tr>')
    named = f' class="{kind}"' if kind else ""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">'
        f"<table{named}><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )
