"""`rightmodel usage --estimated` and `--correct`: what was charged for processes that died."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from rightmodel.core.errors import TaskError
from rightmodel.core.format import listed, usd
from rightmodel.execution.engine import make_ledger
from rightmodel.ledger.budget import correction, correction_number
from rightmodel.manifest.load import load_catalog
from rightmodel.surfaces.cli.terminal import echo
from rightmodel.surfaces.ledger_view import ask_ledger
from rightmodel.surfaces.usage_view.report import Span, attempts

if TYPE_CHECKING:
    from rightmodel.ledger.records import AttemptRecord
    from rightmodel.ledger.store import Reader
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.manifest.settings import Settings


def show_estimated(catalog: Catalog | None, settings: Settings, span: Span) -> None:
    """Print every estimate that was not corrected."""

    def question(reader: Reader) -> dict[str, AttemptRecord]:
        return _estimated(attempts(reader, span.since, span.until, now=time.time()))

    found = ask_ledger(catalog, settings, question)
    if not found:
        echo(f"No attempt of {span.since} to {span.until} is charged at an estimate.")
        return
    from rightmodel.surfaces.cli.console import console, print_table, table

    made = table("id", "charged", "model", "provider", "client", "noticed")
    for name, row in found.items():
        at = datetime.fromtimestamp(row.at, UTC)
        cells = (usd(row.cost_usd), row.model, row.provider, row.client, f"{at:%Y-%m-%d %H:%M}")
        made.add_row(name, *cells)
    print_table(console(), made)
    echo("Their processes were killed. Correct one with: rightmodel usage --correct ID=USD")


def correct(
    catalog: Catalog | None, settings: Settings, span: Span, corrections: Sequence[str]
) -> None:
    """Record the actual cost of estimates; nothing where one of them cannot be. Raises `TaskError`.

    The estimate stays in the ledger; a row of its own adds the difference.
    """
    asyncio.run(_correct(catalog, settings, span, dict(map(_parsed, corrections))))


async def _correct(
    catalog: Catalog | None, settings: Settings, span: Span, costs: Mapping[str, Decimal]
) -> None:
    if catalog is None:
        catalog = load_catalog(None, has_key=settings.has_key)
    ledger = make_ledger(settings, catalog)
    try:
        found = await ledger.read(
            lambda store: _estimated(list(store.attempts(span.since, span.until)))
        )
        if unknown := [name for name in costs if name not in found]:
            raise TaskError(
                f"no estimate has the id {listed(unknown)}; those of {span.since} to {span.until}: "
                f"{listed([*found])}. An estimate can be corrected once",
                argument="correct",
            )
        rows = [(found[name], cost) for name, cost in costs.items()]
        now = time.time()
        await ledger.record(
            *(correction(row, row._replace(at=now, cost_usd=cost)) for row, cost in rows)
        )
    finally:
        await ledger.close()
    for row, cost in rows:
        echo(f"{row.model}: {usd(row.cost_usd)} corrected to {usd(cost)}")


def _parsed(text: str) -> tuple[str, Decimal]:
    name, _, amount = text.partition("=")
    try:
        cost = Decimal(amount.strip().removeprefix("$"))
    except InvalidOperation:
        cost = Decimal("NaN")
    if not cost.is_finite() or cost < 0:
        raise TaskError(
            f"--correct {text!r}: write ID=USD, such as 3f9c02aa-1=0.0042; 0 for an attempt that "
            "was not billed",
            argument="correct",
        )
    return name.strip(), cost


def _estimated(rows: Iterable[AttemptRecord]) -> dict[str, AttemptRecord]:
    """By id: the call's last 32 bits and the attempt's number."""
    known = list(rows)
    corrected = {(row.call, row.number) for row in known if row.cost_kind == "corrected"}
    return {
        f"{row.call & 0xFFFFFFFF:08x}-{row.number}": row
        for row in known
        if row.cost_kind == "estimated"
        and (row.call, correction_number(row.number)) not in corrected
    }
