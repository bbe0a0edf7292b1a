"""Reads a whole usage report from the ledger."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rightmodel.ledger.budget import limits_of
from rightmodel.ledger.paths import ledger_file
from rightmodel.ledger.sqlite import SqliteStore
from rightmodel.surfaces.ledger_view import ask_ledger
from rightmodel.surfaces.usage_view import report as reports

if TYPE_CHECKING:
    from rightmodel.ledger.store import Reader
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.manifest.settings import Settings
    from rightmodel.surfaces.usage_view.report import Span, UsageReport


def read_report(catalog: Catalog | None, settings: Settings, span: Span, now: float) -> UsageReport:
    """The report of these days; one without a row where there is no ledger yet."""
    limits = limits_of(catalog.budget, catalog.clients.values()).limits if catalog else ()

    def question(reader: Reader) -> UsageReport:
        return reports.read(reader, span=span, now=now, limits=limits)

    found = ask_ledger(catalog, settings, question)
    if found is None:
        location = str(ledger_file(settings.environment))
        found = replace(question(SqliteStore(None)), location=location)
    model = catalog.baseline_model if catalog else None
    return replace(
        found,
        place=settings.place,
        baseline=catalog.baseline if catalog else "",
        overhead=reports.overhead(found.usage.delegated, model.price if model else None),
    )
