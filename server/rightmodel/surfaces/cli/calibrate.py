"""`rightmodel calibrate`: ratings for the manifest's models, fitted to a table of outcomes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from rightmodel.core.errors import TaskError
from rightmodel.core.format import listed
from rightmodel.core.task import Task
from rightmodel.evaluation.fit import as_toml, fit_ratings
from rightmodel.evaluation.table import read_table
from rightmodel.execution.engine import make_router
from rightmodel.manifest.load import load_catalog
from rightmodel.surfaces.cli import with_settings
from rightmodel.surfaces.cli.terminal import echo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rightmodel.core.decision import Assessment
    from rightmodel.evaluation.table import Row
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.manifest.settings import Settings


@click.command("calibrate")
@click.argument("outcomes", metavar="OUTCOMES.jsonl")
@with_settings
def command(settings: Settings, *, outcomes: str) -> None:
    """Fit the ratings of the manifest's models to OUTCOMES.jsonl; print them as TOML."""
    rows = read_table(outcomes)
    catalog = load_catalog(settings.manifest, has_key=settings.has_key)
    ratings = asyncio.run(calibrate(rows, catalog))
    if not ratings:
        tried = list(dict.fromkeys(model for row in rows for model in row.outcomes))
        raise TaskError(
            f"{outcomes}: none of its models is in the manifest. "
            f"The table's: {listed(tried)}. The manifest's: {listed([*catalog.models])}"
        )
    without = [model for model in catalog.models if model not in ratings]
    if without:
        echo(f"rightmodel: no outcomes of {listed(without)}: not rated", err=True)
    echo(as_toml(ratings), nl=False)


async def calibrate(rows: Sequence[Row], catalog: Catalog) -> dict[str, dict[str, float]]:
    """Ratings by model and skill. Of the table only prompts and scores are looked at."""
    router = make_router(catalog, None)
    assessed: list[tuple[Assessment, Row]] = []
    for row in rows:
        decision = await router.route(Task(prompt=row.prompt))
        assessed.append((decision.assessment, row))
    ratings = {}
    for model in catalog.models.values():
        found = [
            (a, row.outcomes[model.id].score) for a, row in assessed if model.id in row.outcomes
        ]
        if found:
            ratings[model.id] = fit_ratings(model.skills, found)
    return ratings
