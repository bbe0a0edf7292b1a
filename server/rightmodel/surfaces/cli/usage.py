"""`rightmodel usage`: what was spent and saved."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from rightmodel.core.errors import RightmodelError, TaskError
from rightmodel.ledger.budget import limits_of
from rightmodel.ledger.paths import ledger_file
from rightmodel.ledger.records import day_of
from rightmodel.manifest.load import load_catalog
from rightmodel.surfaces.cli import with_settings
from rightmodel.surfaces.cli.ledger_view import ask_ledger
from rightmodel.surfaces.cli.terminal import echo
from rightmodel.surfaces.cli.usage_view import picture as pictures
from rightmodel.surfaces.cli.usage_view.picture import Picture, Span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rightmodel.manifest.catalog import Catalog
    from rightmodel.manifest.settings import Settings
    from rightmodel.surfaces.cli.usage_view.picture import Source

GROUPS: Final = ("model", "skill", "day", "provider")
DAYS: Final = 30


@click.command("usage")
@click.option("--days", type=click.IntRange(1, 36_500), help=f"The last so many days ({DAYS}).")
@click.option("--since", default="", metavar="DAY", help="From this UTC day on (2026-11-20).")
@click.option("--until", default="", metavar="DAY", help="Up to this UTC day, included.")
@click.option("--by", type=click.Choice(GROUPS), help="One table, of this only.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, every table.")
@click.option("--csv", "as_csv", is_flag=True, help="A row for each attempt; with --by, a group.")
@click.option("--html", "html_file", default="", metavar="FILE", help="Write a page with charts.")
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
) -> None:
    """Show what was spent, what was saved, and how it went.

    Reads the ledger and changes nothing; a server may be at work meanwhile.
    """
    if as_json + as_csv + bool(html_file) > 1:
        raise TaskError("give one of --json, --csv and --html", argument="json")
    now = time.time()
    span = _span(days, since, until, day_of(now))
    books = _Books(settings)
    if as_csv and by is None:
        _print(books.attempts(span))
        return
    picture = books.picture(span, now)
    if as_json:
        echo(json.dumps(picture.as_json(), ensure_ascii=False, indent=2))
    elif as_csv and by is not None:
        from rightmodel.surfaces.cli.usage_view.rows import of_groups

        _print(of_groups(getattr(picture.usage, f"by_{by}"), by))
    elif html_file:
        from rightmodel.surfaces.cli.usage_view.page import page

        _write(page(picture), html_file)
    else:
        from rightmodel.surfaces.cli.usage_view.terminal import show

        show(picture, [by] if by else GROUPS)


def _span(days: int | None, since: str, until: str, today: str) -> Span:
    if days is not None and since:
        raise TaskError("give --days or --since, not both", argument="days")
    last = _day("until", until) if until else today
    count = days or DAYS
    first = _day("since", since) if since else pictures.day_after(last, 1 - count)
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


class _Books:
    """The manifest, and where the ledger is that goes with it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.catalog, self.notes = _catalog(settings)
        self._file = ledger_file(settings.environment)

    def picture(self, span: Span, now: float) -> Picture:
        """Everything that can be shown."""
        limits = limits_of(self.catalog.budget).limits if self.catalog else ()

        def look(source: Source, place: str) -> Picture:
            return pictures.take(source, place=place, span=span, now=now, limits=limits)

        found = ask_ledger(self.catalog, self._settings, look) or pictures.nothing(
            place=str(self._file), span=span, now=now
        )
        model = self.catalog.baseline_model() if self.catalog else None
        return replace(
            found,
            baseline=self.catalog.baseline if self.catalog else "",
            asking=pictures.asking(found.usage.asked, model.price if model else None),
            notes=self.notes,
        )

    def attempts(self, span: Span) -> Iterable[str]:
        """Every attempt as a line of comma-separated values."""
        from rightmodel.surfaces.cli.usage_view.rows import of_attempts

        def look(source: Source, _: str) -> list[str]:
            return list(of_attempts(source.attempts(span.since, span.until)))

        return ask_ledger(self.catalog, self._settings, look) or of_attempts(())


def _catalog(settings: Settings) -> tuple[Catalog | None, tuple[str, ...]]:
    """The manifest, for budgets and the baseline's price; a broken one hides nothing else."""
    if settings.manifest is None:
        return None, ()
    try:
        return load_catalog(settings.manifest, has_key=settings.has_key), ()
    except RightmodelError as error:
        note = f"Budgets and the baseline are left out: the manifest cannot be used. {error}"
        return None, (note,)


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        echo(line)


def _write(text: str, file: str) -> None:
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise TaskError(f"--html {file}: cannot be written: {error.strerror}") from error
    echo(f"wrote {file}")
