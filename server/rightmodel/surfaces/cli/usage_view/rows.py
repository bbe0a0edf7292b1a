"""The same as comma-separated values: a row for each attempt, or for each group."""

from __future__ import annotations

import csv
import io
from dataclasses import fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rightmodel.ledger.records import AttemptRecord
from rightmodel.ledger.reports import UsageRow
from rightmodel.surfaces.cli.usage_view.picture import TIMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def of_attempts(attempts: Iterable[AttemptRecord]) -> Iterator[str]:
    """Lines: a heading, then an attempt each, with the fields of `AttemptRecord`."""
    yield _line(AttemptRecord._fields)
    for attempt in attempts:
        yield _line(attempt)


def of_groups(rows: Iterable[UsageRow], group: str) -> Iterator[str]:
    """Lines: a heading, then a group each, with the fields of `UsageRow`."""
    names = [f.name for f in fields(UsageRow) if f.name not in TIMES]
    spread = [f"{name[:-2]}_{share}_s" for name in TIMES for share in ("p50", "p95")]
    yield _line([group, *names[1:], *spread])
    for row in rows:
        times = [time for name in TIMES for time in (getattr(row, name) or (None, None))[:2]]
        yield _line([*(getattr(row, name) for name in names), *times])


def _line(values: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([_cell(value) for value in values])
    return text.getvalue()


def _cell(value: Any) -> Any:
    """Unknown is empty. Text that a spreadsheet would take for a formula is marked as text."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} and value:
        return f"'{value}"
    return value
