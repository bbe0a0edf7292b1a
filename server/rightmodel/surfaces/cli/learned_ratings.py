"""What outcomes made of the manifest's ratings: shown, exported as a manifest, or forgotten."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from rightmodel.core.errors import LedgerError, RightmodelError, TaskError
from rightmodel.core.format import visible
from rightmodel.execution.engine import make_ledger
from rightmodel.execution.learning import RECENT, corrected, ratings_of
from rightmodel.ledger.call_rows import day_of, new_id
from rightmodel.ledger.records import AttemptRecord, OutcomeRecord
from rightmodel.surfaces.cli.terminal import echo
from rightmodel.surfaces.ledger_view import ask_ledger

if TYPE_CHECKING:
    from rightmodel.ledger.ratings import LearnedRating, Ratings
    from rightmodel.ledger.store import Reader
    from rightmodel.manifest.catalog import Catalog, Model
    from rightmodel.manifest.settings import Settings


HABITS_S: Final = 30 * 86_400.0
"""How far back speeds and verbosity are looked for."""


def learned_ratings(catalog: Catalog, settings: Settings) -> Ratings:
    """The ratings as the ledger's outcomes have moved them by now. Raises `LedgerError`."""
    found = ask_ledger(catalog, settings, lambda reader: reader.outcomes()) or []
    return ratings_of(catalog, found, now=time.time())


def corrected_catalog(catalog: Catalog, settings: Settings) -> Catalog:
    """The catalog as a server would have corrected it by now. Raises `LedgerError`."""
    now = time.time()
    since, until = day_of(now - HABITS_S), day_of(now)

    def question(reader: Reader) -> tuple[list[OutcomeRecord], list[AttemptRecord]]:
        return reader.outcomes(), list(reader.attempts(since, until))[-RECENT:]

    if not catalog.routing.learn:
        return catalog
    found = ask_ledger(catalog, settings, question)
    outcomes, attempts = found or ([], [])
    return corrected(catalog, ratings_of(catalog, outcomes, now=now), attempts, now=now)


def learned_by_model(catalog: Catalog, settings: Settings) -> dict[str, dict[str, LearnedRating]]:
    """Model → skill → rating; empty, with a warning, where the ledger cannot be read."""
    by_model: dict[str, dict[str, LearnedRating]] = {}
    try:
        ratings = learned_ratings(catalog, settings)
    except LedgerError as error:
        echo(f"learned ratings are not shown: {error}", err=True)
        return by_model
    for one in ratings.all(now=time.time()):
        by_model.setdefault(one.model, {})[one.skill] = one
    return by_model


def show_learned(
    catalog: Catalog, settings: Settings, models: Sequence[Model], *, as_json: bool
) -> None:
    """Every rating that outcomes moved, the manifest's beside it."""
    names = {model.id for model in models}
    ratings = learned_ratings(catalog, settings)
    rows = [one for one in ratings.all(now=time.time()) if one.model in names and one.outcomes]
    if as_json:
        echo(json.dumps([one._asdict() for one in rows], indent=2))
    elif not rows:
        echo("nothing was learned yet: ratings move with report_outcome and failed checks")
    else:
        _print_table(rows)


def export_learned(catalog: Catalog, settings: Settings) -> None:
    """The learned ratings as a fragment of a manifest."""
    from rightmodel.evaluation.fit import as_toml

    ratings = learned_ratings(catalog, settings).by_model(now=time.time())
    if not ratings:
        echo("# nothing was learned yet")
        return
    echo("# In your manifest these replace the same models' `skills`.")
    echo(as_toml(ratings))


def forget(catalog: Catalog, settings: Settings, name: str, *, sure: bool) -> None:
    """Reset the ratings of one model, or of all (""), to the manifest's; asks unless `sure`."""
    model = catalog.find(name).id if name else ""
    if not sure:
        what = model or f"all {len(catalog.models)} models"
        if not sys.stdin.isatty():
            raise TaskError(f"--forget resets the learned ratings of {what}: add --yes to confirm")
        click.confirm(f"Reset the learned ratings of {visible(what)}?", abort=True, err=True)

    async def write() -> None:
        ledger = make_ledger(settings, catalog)
        try:
            reset = OutcomeRecord(new_id(), time.time(), model, (), 0.0, 0.0, kind="reset")
            await ledger.record(reset)
        finally:
            await ledger.close()

    try:
        asyncio.run(write())
    except RightmodelError as error:
        raise click.ClickException(str(error)) from error
    echo(f"ratings of {model or 'every model'} are the manifest's again")


def _print_table(rows: Sequence[LearnedRating]) -> None:
    from rightmodel.surfaces.cli.console import console, print_table, table

    shown = table("model", "skill", "manifest → learned", "sure within")
    for one in rows:
        shown.add_row(one.model, one.skill, one.shown, f"± {one.sd:.1f}")
    print_table(console(), shown, least=3)
