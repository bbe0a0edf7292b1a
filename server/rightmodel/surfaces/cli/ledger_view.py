"""Reads the ledger of a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from rightmodel.ledger.paths import ledger_file
from rightmodel.ledger.reader import StoreReader, reading
from rightmodel.ledger.spill import Spill
from rightmodel.ledger.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from rightmodel.ledger.store import Store
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.manifest.settings import Settings
    from rightmodel.surfaces.cli.usage_view.report import Source

_T = TypeVar("_T")


def ask_ledger(
    catalog: Catalog | None, settings: Settings, question: Callable[[Source, str], _T]
) -> _T | None:
    """The answer to a question (rows, location); `None` where there is no ledger yet.

    Records that a former process could not write are written first. Raises `LedgerError`.
    """
    file = ledger_file(settings.environment)
    if catalog is None or not catalog.ledger_url:
        spill = Spill(file)
        if spill.files():
            store: Store = SqliteStore(file)
            spill.recover(store)
            store.close()
        return reading(file, lambda reader: question(reader, str(file)))
    from rightmodel.ledger.team import open_postgres, spill_name

    store = open_postgres(catalog.ledger_url, settings.environment)()
    try:
        Spill(file.with_name(spill_name(catalog.ledger_url))).recover(store)
        return question(StoreReader(store), store.location)
    finally:
        store.close()
