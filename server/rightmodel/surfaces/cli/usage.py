"""`rightmodel usage`: what was spent and saved."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from rightmodel.core.errors import TaskError
from rightmodel.ledger.call_rows import day_of
from rightmodel.ledger.reports import GROUPS
from rightmodel.surfaces.cli import with_settings
from rightmodel.surfaces.cli.terminal import echo
from rightmodel.surfaces.cli.text_file import file_errors
from rightmodel.surfaces.ledger_view import ask_ledger, manifest_of
from rightmodel.surfaces.usage_view import report as reports
from rightmodel.surfaces.usage_view.report import Span, UsageReport, read_report

if TYPE_CHECKING:
    from rightmodel.ledger.store import Reader
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.manifest.settings import Settings

DAYS: Final = 30


@click.command("usage")
@click.option("--days", type=click.IntRange(1, 36_500), help=f"The last so many days ({DAYS}).")
@click.option("--since", default="", metavar="DAY", help="From this UTC day on (2026-11-20).")
@click.option("--until", default="", metavar="DAY", help="Up to this UTC day, included.")
@click.option("--by", type=click.Choice(GROUPS), help="One table, of this only.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, every table.")
@click.option("--csv", "as_csv", is_flag=True, help="A row for each attempt; with --by, a group.")
@click.option("--html", "html_file", default="", metavar="FILE", help="Write a page with charts.")
@click.option("--estimated", is_flag=True, help="List what was charged for killed processes.")
@click.option(
    "--correct",
    "corrections",
    multiple=True,
    metavar="ID=USD",
    help="The actual cost of one that --estimated lists; repeatable.",
)
@with_settings
def command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    days: int | None,
    since: str,
    until: str,
    by: str | None,
    as_json: bool,
    as_csv: bool,
    html_file: str,
    estimated: bool,
    corrections: tuple[str, ...],
) -> None:
    """Show what was spent, what was saved, and how it went.

    Reads the ledger; servers may write to it meanwhile. Only --correct adds to it.
    """
    if as_json + as_csv + bool(html_file) + estimated + bool(corrections) > 1:
        raise click.UsageError("give one of --json, --csv, --html, --estimated and --correct")
    now = time.time()
    span = _span(days, since, until, day_of(now))
    catalog, notes = manifest_of(settings)
    if estimated or corrections:
        from rightmodel.surfaces.cli.usage_estimates import correct, show_estimated

        if corrections:
            correct(catalog, settings, span, corrections)
        show_estimated(catalog, settings, span)
    elif as_csv and by is None:
        _print(_attempts(catalog, settings, span, now))
    else:
        report = replace(read_report(catalog, settings, span, now), notes=notes)
        _render(report, by, as_json=as_json, as_csv=as_csv, html_file=html_file)


def _render(
    report: UsageReport, by: str | None, *, as_json: bool, as_csv: bool, html_file: str
) -> None:
    if as_json:
        echo(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
    elif as_csv and by is not None:
        _print(reports.groups_csv(report.usage.rows(by), by))
    elif html_file:
        from rightmodel.surfaces.usage_view.page import page

        _write(page(report), html_file)
    else:
        from rightmodel.surfaces.cli.usage_terminal import show

        show(report, [by] if by else ())


def _span(days: int | None, since: str, until: str, today: str) -> Span:
    if days is not None and since:
        raise click.UsageError("give --days or --since, not both")
    last = _day("until", until) if until else today
    count = days or DAYS
    first = _day("since", since) if since else reports.day_after(last, 1 - count)
    if first > last:
        raise TaskError(f"--since {first} is after --until {last}", argument="since")
    name = f"{first} – {last}"
    if not since and not until:
        name = "last day" if count == 1 else f"last {count} days"
    return Span(name, first, last)


def _day(option: str, text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise TaskError(
            f"--{option} {text!r}: a day is written 2026-11-20", argument=option
        ) from error


def _attempts(catalog: Catalog | None, settings: Settings, span: Span, now: float) -> Iterable[str]:
    def question(reader: Reader) -> list[str]:
        return list(reports.attempts_csv(reports.attempts(reader, span.since, span.until, now=now)))

    return ask_ledger(catalog, settings, question) or reports.attempts_csv(())


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        echo(line)


def _write(text: str, file: str) -> None:
    with file_errors(Path(file)):
        Path(file).write_text(text, encoding="utf-8")
    echo(f"wrote {file}")
