"""What was spent and saved, on a terminal or as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from rightmodel.core.format import usd
from rightmodel.surfaces.cli.console import console
from rightmodel.surfaces.cli.usage_view import words

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from rightmodel.ledger.reports import UsageRow
    from rightmodel.surfaces.cli.usage_view.picture import Picture

MOST_ROWS: Final = 31
PLAIN_WIDTH: Final = 150
"""Piped output is not cut to 80 columns."""
WIDE: Final = 120
NARROW: Final = ("spent", "saved", "calls", "faults", "time 50 %")
"""What fits on a terminal that is less wide than `WIDE` columns."""


def show(picture: Picture, groups: Iterable[str]) -> None:
    """Print it. `groups`: which tables, by day, model, skill or provider."""
    screen = console(PLAIN_WIDTH)
    if sentence := words.empty(picture):
        _say(screen, sentence)
    else:
        _first(screen, picture)
    _budgets(screen, picture)
    if not sentence:
        for group in groups:
            _group(screen, picture, group)
        _faults(screen, picture)
        _quality(screen, picture)
        _last(screen, picture)


def _table(*headings: str) -> Table:
    """Names to the left, figures to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        table.add_column(
            heading, justify="right" if number else "left", no_wrap=bool(number), overflow="fold"
        )
    return table


def _say(console: Console, sentence: str, style: str = "") -> None:
    """A sentence; piped, it is one line."""
    console.print(Text(sentence, style=style), soft_wrap=not console.is_terminal)


def _heading(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold"))


def _first(console: Console, picture: Picture) -> None:
    spans = words.columns(picture)
    table = _table("", *(name for name, _ in spans))
    for lines in zip(*(words.glance(row) for _, row in spans), strict=True):
        name = lines[0][0]
        part = name.startswith(" ")
        style = "dim" if part else "bold" if name in {"spent", "saved, net"} else ""
        cells = [Text(" " + name if part else name), *(Text(value) for _, value in lines)]
        table.add_row(*cells, style=style)
    console.print(table)
    _say(console, words.against(picture))
    if sentence := words.asking(picture):
        _say(console, sentence, "dim")


def _budgets(console: Console, picture: Picture) -> None:
    if not picture.budgets:
        return
    _heading(console, "budgets")
    table = _table("", "limit", "spent", "", "reserved", "left", "resets")
    for s in picture.budgets:
        style = "red" if s.left_usd <= 0 else ""
        table.add_row(
            Text(words.plain(s.limit.name)),
            words.limit_of(s),
            usd(s.spent_usd),
            words.percent(s.share),
            usd(s.held_usd),
            usd(s.left_usd),
            words.resets(s),
            style=style,
        )
    console.print(table)


def _group(console: Console, picture: Picture, group: str) -> None:
    rows: tuple[UsageRow, ...] = getattr(picture.usage, f"by_{group}")
    if not rows:
        return
    _heading(console, f"by {group}, {picture.usage.since} to {picture.usage.until}")
    shown = rows[-MOST_ROWS:] if group == "day" else rows[:MOST_ROWS]
    cells = [_cells(row, group) for row in shown]
    headings = [h for h in cells[0] if console.width >= WIDE or h in NARROW]
    table = _table(group, *headings)
    for row, found in zip(shown, cells, strict=True):
        table.add_row(Text(words.key(row, group)), *(found[h] for h in headings))
    console.print(table)
    if len(rows) > len(shown):
        console.print(f"and {len(rows) - len(shown)} more; --json has them all", style="dim")


def _cells(row: UsageRow, group: str) -> dict[str, str]:
    """The figures of a row under their headings. Calls are no provider's: several may answer."""
    time = row.attempt_s if group in {"model", "provider"} else row.call_s
    first = row.first_token_s
    calls = {} if group == "provider" else {"saved": words.saved(row), "calls": f"{row.calls:,}"}
    failed = {} if group == "provider" else {"failed": f"{row.failed:,}"}
    return {
        "spent": spent(row),
        **calls,
        **failed,
        "attempts": f"{row.attempts:,}",
        "faults": f"{row.faults:,}",
        "tokens in": words.tokens(row.input),
        "out": words.tokens(row.output),
        "time 50 %": words.seconds(time.p50 if time else None),
        "95 %": words.seconds(time.p95 if time else None),
        "first token": words.seconds(first.p50 if first else None),
    }


def spent(row: UsageRow) -> str:
    """A sum that leaves something out says so."""
    if row.unpriced and row.unpriced == row.attempts:
        return "unknown"
    return usd(row.spent_usd) + (" + ?" if row.unpriced else "")


def _faults(console: Console, picture: Picture) -> None:
    if not picture.usage.faults:
        return
    _heading(console, "faults")
    table = _table("provider", "fault", "attempts")
    table.columns[1].justify = "left"
    for provider, fault, count in picture.usage.faults[:MOST_ROWS]:
        table.add_row(Text(words.plain(provider)), Text(words.plain(fault)), f"{count:,}")
    console.print(table)


def _quality(console: Console, picture: Picture) -> None:
    if not picture.quality:
        return
    _heading(console, "quality, as reported")
    table = _table("model", "good", "checks passed")
    for q in picture.quality[:MOST_ROWS]:
        checks = f"{q.passed:g} of {q.checked:,}" if q.checked else words.NONE
        table.add_row(Text(words.plain(q.model)), words.good_share(q), checks)
    console.print(table)


def _last(console: Console, picture: Picture) -> None:
    console.print()
    for sentence in words.cautions(picture):
        _say(console, sentence, "yellow")
    _say(console, f"Days are UTC. Ledger: {words.plain(picture.place)}", "dim")
