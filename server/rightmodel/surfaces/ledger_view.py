"""Reads the ledger of a manifest."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from rightmodel.core.errors import RightmodelError
from rightmodel.ledger.paths import ledger_file
from rightmodel.ledger.spill import Spill
from rightmodel.ledger.sqlite import SqliteStore, reading
from rightmodel.ledger.writer import recover
from rightmodel.manifest.load import load_catalog

if TYPE_CHECKING:
    from rightmodel.ledger.store import Reader, Store
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.manifest.settings import Settings

_T = TypeVar("_T")


def manifest_of(settings: Settings) -> tuple[Catalog | None, tuple[str, ...]]:
    """The manifest, which names the ledger; a broken one hides nothing else, and is a note."""
    if settings.manifest is None:
        return None, ()
    try:
        return load_catalog(settings.manifest, has_key=settings.has_key), ()
    except RightmodelError as error:
        note = f"Budgets and the baseline are left out: the manifest cannot be used. {error}"
        return None, (note,)


def ask_ledger(
    catalog: Catalog | None,
    settings: Settings,
    question: Callable[[Reader], _T],
    *,
    is_checked: bool = True,
) -> _T | None:
    """Read the ledger; `None` where there is none yet.

    Records that a former process could not write are written first. `is_checked`: a small file is
    checked for damage before. Raises `LedgerError`.
    """
    file = ledger_file(settings.environment)
    if catalog is None or not catalog.ledger_url:
        spill = Spill(file)
        if spill.files():
            store: Store = SqliteStore(file)
            recover(spill, store)
            store.close()
        return reading(file, question, is_checked=is_checked)
    from rightmodel.ledger.postgres_opener import open_postgres, spill_name

    store = open_postgres(catalog.ledger_url, settings.environment)()
    try:
        recover(Spill(file.with_name(spill_name(catalog.ledger_url))), store)
        return question(store)
    finally:
        store.close()
