"""Reads the ledger of a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from rightmodel.ledger.paths import ledger_file
from rightmodel.ledger.spill import Spill
from rightmodel.ledger.sqlite import SqliteStore, reading
from rightmodel.ledger.writer import recover

if TYPE_CHECKING:
    from collections.abc import Callable

    from rightmodel.ledger.store import Reader, Store
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.manifest.settings import Settings

_T = TypeVar("_T")


def ask_ledger(
    catalog: Catalog | None, settings: Settings, question: Callable[[Reader], _T]
) -> _T | None:
    """Read the ledger; `None` where there is none yet.

    Records that a former process could not write are written first. Raises `LedgerError`.
    """
    file = ledger_file(settings.environment)
    if catalog is None or not catalog.ledger_url:
        spill = Spill(file)
        if spill.files():
            store: Store = SqliteStore(file)
            recover(spill, store)
            store.close()
        return reading(file, question)
    from rightmodel.ledger.postgres_opener import open_postgres, spill_name

    store = open_postgres(catalog.ledger_url, settings.environment)()
    try:
        recover(Spill(file.with_name(spill_name(catalog.ledger_url))), store)
        return question(store)
    finally:
        store.close()
