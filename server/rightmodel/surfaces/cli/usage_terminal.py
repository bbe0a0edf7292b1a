"""A usage report on a terminal, or as plain text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from rich.text import Text

from rightmodel.surfaces.cli.console import console, print_table, table
from rightmodel.surfaces.usage_view import sections as words

if TYPE_CHECKING:
    from rich.console import Console

    from rightmodel.surfaces.usage_view.report import UsageReport
    from rightmodel.surfaces.usage_view.sections import Section

MOST_ROWS: Final = 31


def show(report: UsageReport, groups: Iterable[str] = ()) -> None:
    """Print it. `groups`: which of `GROUPS`; default: those that say something."""
    screen = console()
    sentence = words.empty(report)
    if sentence:
        _say(screen, sentence)
    else:
        _glance(screen, report)
    found = words.sections(report)
    for name in ("budgets", *(groups or words.telling(report)), "faults", "quality"):
        if name in found and found[name].rows:
            _section(screen, found[name], newest=name == "day")
    if not sentence:
        screen.print()
        for caution in words.cautions(report):
            _say(screen, caution, "yellow")
        _say(screen, f"Days are UTC. Ledger: {words.plain(report.location)}", "dim")


def _say(screen: Console, sentence: str, style: str = "") -> None:
    """A sentence; piped, it is one line."""
    screen.print(Text(sentence, style=style), soft_wrap=not screen.is_terminal)


def _glance(screen: Console, report: UsageReport) -> None:
    glance = words.glance(report)
    made = table(*glance.heads)
    for name, *values in glance.rows:
        part = name.startswith(" ")
        style = "dim" if part else "bold" if name in {"spent", "saved, net"} else ""
        made.add_row(Text(f" {name}" if part else name), *map(Text, values), style=style)
    screen.print(made)
    _say(screen, words.against(report))
    if sentence := words.overhead(report):
        _say(screen, sentence, "dim")


def _section(screen: Console, section: Section, *, newest: bool) -> None:
    screen.print()
    screen.print(Text(section.title.lower(), style="bold"))
    made = table(*section.heads)
    rows = section.rows[-MOST_ROWS:] if newest else section.rows[:MOST_ROWS]
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    print_table(screen, made)
    for line in section.below:
        _say(screen, line)
    if len(section.rows) > len(rows):
        screen.print(f"and {len(section.rows) - len(rows)} more; --json has them all", style="dim")
