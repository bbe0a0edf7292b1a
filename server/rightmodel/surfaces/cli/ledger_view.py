"""Looking into the ledger that goes with a manifest, without changing anything in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from rightmodel.ledger.paths import ledger_file
from rightmodel.ledger.reader import StoreReader, reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from rightmodel.manifest.catalog import Catalog
    from rightmodel.manifest.settings import Settings
    from rightmodel.surfaces.cli.usage_view.picture import Source

_T = TypeVar("_T")


def ask_ledger(
    catalog: Catalog | None, settings: Settings, question: Callable[[Source, str], _T]
) -> _T | None:
    """Ask the ledger (what it holds, where it is); `None` where there is none yet.

    Raises `LedgerError`.
    """
    if catalog is None or not catalog.ledger_url:
        file = ledger_file(settings.environment)
        return reading(file, lambda reader: question(reader, str(file)))
    from rightmodel.ledger.team import open_postgres

    store = open_postgres(catalog.ledger_url)(None)
    try:
        return question(StoreReader(store), store.location)
    finally:
        store.close()
