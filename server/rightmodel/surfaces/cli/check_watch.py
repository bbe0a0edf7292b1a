"""`rightmodel check --watch`: probes every endpoint at an interval."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rightmodel.core.errors import TaskError
from rightmodel.core.format import counted
from rightmodel.execution.engine import effective_catalog, make_prober
from rightmodel.execution.probe import Finding, Prober, most_usd
from rightmodel.surfaces.cli import settings_summary
from rightmodel.surfaces.cli.console import console
from rightmodel.surfaces.cli.finding import as_object, described, label, price_in_words
from rightmodel.surfaces.cli.terminal import echo
from rightmodel.surfaces.cli.waiting import end_on_signals, first

if TYPE_CHECKING:
    from rightmodel.manifest.catalog import Catalog, Endpoint, Model
    from rightmodel.manifest.settings import Settings

HOUR_S: Final = 3600
BELOW: Final = 3
"""Lines of a terminal that the table leaves free."""
WIDE: Final = 100
BESIDE: Final = 40
"""Columns that a narrow terminal needs beside the model's name."""


@dataclass(slots=True)
class Row:
    """One endpoint. `since`: seconds on the monotonic clock when its state last changed."""

    model: Model
    endpoint: Endpoint
    reachable: bool = True
    found: Finding | None = None
    since: float = 0.0

    @property
    def label(self) -> str:
        """The model's name, and the provider's where that does not name it."""
        return label(self.model.id, self.endpoint)

    @property
    def works(self) -> bool:
        """Whether it answered when it was last asked."""
        return self.found is not None and self.found.works

    @property
    def state(self) -> str:
        """`ok`, the code of what is wrong, or `asking` before the first answer."""
        return "asking" if self.found is None else self.found.code or "ok"

    def take(self, found: Finding, now: float) -> str:
        """What the state was before, "" where it is the same still."""
        before = self.state
        self.found = found
        if self.state == before:
            return ""
        self.since = now
        return before


async def watch(settings: Settings, every_s: float, *, as_json: bool, agreed: bool) -> bool:
    """Until cancelled; whether at least one endpoint worked when it was last asked.

    `agreed`: the user has accepted the price already.
    """
    catalog = await effective_catalog(settings)
    rows = [
        Row(m, e, reachable=settings.has_key(e.provider))
        for m in catalog.models.values()
        for e in m.endpoints
    ]
    opening = _opening(catalog, settings, rows, every_s)
    if not agreed and _costs(rows):
        _agree(opening)
    end_on_signals()
    prober = make_prober(settings, catalog)
    view = _view(rows, as_json=as_json)
    try:
        with view, contextlib.suppress(asyncio.CancelledError):
            view.open(opening)
            async with asyncio.TaskGroup() as group:
                for row in rows:
                    group.create_task(_follow(row, prober, every_s, view))
    except BaseExceptionGroup as group_error:
        raise first(group_error) from group_error
    finally:
        await prober.close()
    view.close()
    return any(row.works for row in rows)


def _costs(rows: Sequence[Row]) -> bool:
    """Whether asking may cost money."""
    return any(most_usd(row.model) != 0 for row in rows if row.reachable)


def _agree(opening: Sequence[str]) -> None:
    """Ask the user at the terminal. Raises `TaskError` where there is none, `Abort` for a no."""
    if not sys.stdin.isatty():
        raise TaskError("; ".join([*opening[1:], "give --yes to start without being asked"]))
    for line in opening:
        echo(line, err=True)
    click.confirm("Start?", abort=True, err=True)


async def _follow(row: Row, prober: Prober, every_s: float, view: Lines | LiveTable) -> None:
    """Ask again and again; a missing key stays missing while this runs."""
    while True:
        began = time.monotonic()
        found = await prober.probe(row.model, row.endpoint)
        lasted = began - row.since
        if before := row.take(found, time.monotonic()):
            view.changed(row, before, lasted)
        if not row.reachable:
            return
        await asyncio.sleep(max(0.0, began + every_s - time.monotonic()))


def _opening(
    catalog: Catalog, settings: Settings, rows: Sequence[Row], every_s: float
) -> list[str]:
    asked = [row.model for row in rows if row.reachable]
    return [
        f"manifest: {settings_summary(settings)}: {counted(len(catalog.models), 'model')}",
        f"asking {len(asked)} endpoints every {every_s:g} s",
        f"cost: {price_in_words(asked, HOUR_S / every_s, ' an hour')}",
    ]


def _view(rows: Sequence[Row], *, as_json: bool) -> Lines | LiveTable:
    if as_json or not sys.stdout.isatty():
        return Lines(rows, as_json=as_json)
    screen = console()
    if screen.is_dumb_terminal or not screen.is_terminal:
        return Lines(rows, as_json=as_json)
    return LiveTable(rows, screen, time.monotonic)


class Lines(contextlib.nullcontext[None]):
    """A line whenever a state changes; everything else goes to standard error."""

    def __init__(self, rows: Sequence[Row], *, as_json: bool) -> None:
        super().__init__()
        self._rows = rows
        self._as_json = as_json

    def open(self, lines: Sequence[str]) -> None:
        """Before the first answer."""
        for line in lines:
            echo(line, err=True)

    def changed(self, row: Row, before: str, lasted_s: float) -> None:
        """One endpoint's new state."""
        if row.found is None:
            return
        at = datetime.now().astimezone().isoformat(timespec="seconds")
        known = before != "asking"
        if self._as_json:
            was = {"was": before, "was_for_s": round(lasted_s, 1)} if known else {}
            shown = {"at": at, **as_object(row.model.id, row.found), **was}
            echo(json.dumps(shown, ensure_ascii=False))
            return
        mark = "ok  " if row.works else "FAIL"
        was_text = f"; was {before} for {duration(lasted_s)}" if known else ""
        echo(f"{at} {mark} {row.label}: {described(row.found)}{was_text}")

    def close(self) -> None:
        """At the end."""
        echo(_count(self._rows), err=True)


class LiveTable(Live):
    """A table in a terminal, drawn anew twice a second; its last state stays."""

    def __init__(self, rows: Sequence[Row], console: Console, now: Callable[[], float]) -> None:
        self._rows = rows
        self._now = now
        self._opening: Sequence[str] = ()
        super().__init__(console=console, get_renderable=self.region, refresh_per_second=2)

    def open(self, lines: Sequence[str]) -> None:
        """The lines above the table."""
        self._opening = lines

    def changed(self, _row: Row, _before: str, _lasted_s: float) -> None:
        """A state that changed is seen at once."""
        self.refresh()

    def close(self) -> None:
        """The table says it all."""

    def region(self) -> Group:
        """All of it. Where it does not fit, what fails comes first and what works is counted."""
        wide = self.console.width >= WIDE
        advice = [] if wide else _advices(self._rows)
        rows = list(self._rows)
        room = max(3, self.console.height - len(self._opening) - len(advice) - BELOW)
        if len(rows) > room:
            rows = sorted(rows, key=lambda row: row.works)[: room - 1]
        rest = len(self._rows) - len(rows)
        more = [f"and {rest} more"] if rest else []
        count = f"{_count(self._rows)}; Ctrl-C ends"
        return Group(
            *(_line(text, "dim") for text in self._opening),
            self._table(rows, wide=wide),
            *(_line(text, "dim") for text in more),
            *(_line(f"- {text}", "yellow") for text in advice),
            _line(count, "bold"),
        )

    def _table(self, rows: Sequence[Row], *, wide: bool) -> Table:
        table = Table(box=None, pad_edge=False, expand=wide)
        room = max(16, min(40, self.console.width - BESIDE))
        table.add_column("model", no_wrap=True, overflow="ellipsis", max_width=room)
        table.add_column("state", no_wrap=True, overflow="ellipsis")
        table.add_column("last", no_wrap=True, justify="right")
        table.add_column("since", no_wrap=True, justify="right")
        if wide:
            table.add_column("advice", no_wrap=True, overflow="ellipsis", ratio=1)
        for row in rows:
            style = "green" if row.works else "red" if row.found else "dim"
            failed = row.found is not None and not row.works
            cells: list[Text | str] = [
                row.label,
                Text(f"FAIL {row.state}" if failed else row.state, style=style),
                f"{row.found.time_s:.1f} s" if row.found and row.found.time_s else "",
                duration(self._now() - row.since) if row.found else "",
            ]
            table.add_row(*cells, *([_advice(row)] if wide else []))
        return table


def _line(text: str, style: str) -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _advices(rows: Sequence[Row]) -> list[str]:
    """Every piece of advice once, with the fault that it is about."""
    failed = [row for row in rows if row.found and row.found.advice and not row.works]
    keyless = [_advice(row) for row in rows if row.found and not row.found.advice]
    lines = [f"{row.state}: {_advice(row)}" for row in failed] + keyless
    return [text for text in dict.fromkeys(lines) if text]


def _advice(row: Row) -> str:
    """What to do about what fails."""
    if row.found is None or row.works:
        return ""
    return row.found.advice or row.found.message


def _count(rows: Sequence[Row]) -> str:
    return f"{sum(row.works for row in rows)} of {len(rows)} endpoints answer"


def duration(seconds: float) -> str:
    """`12 s`, `3 min`, `2.5 h`."""
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < HOUR_S else f"{seconds / HOUR_S:.1f} h"
