"""`rightmodel eval`: how well the manifest routes, measured on a table of outcomes."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rightmodel.core.errors import UnknownNameError
from rightmodel.core.task import TIERS
from rightmodel.evaluation.changes import changed_ratings, changed_slopes, ratings_of
from rightmodel.evaluation.replay import Routed, replay
from rightmodel.evaluation.report import Report, make_report
from rightmodel.evaluation.samples import Samples, make_samples
from rightmodel.evaluation.table import Row, read_table
from rightmodel.execution.engine import make_router
from rightmodel.manifest.load import load_catalog
from rightmodel.surfaces.cli import with_settings
from rightmodel.surfaces.cli.terminal import echo

if TYPE_CHECKING:
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.manifest.settings import Settings


@click.command("eval")
@click.argument("outcomes", metavar="OUTCOMES.jsonl")
@click.option("--tier", default="", help="cheap, balanced or best; empty: the manifest's.")
@click.option("--baseline", default="", metavar="MODEL", help="Count savings against this model.")
@click.option(
    "--against", default="", metavar="MANIFEST", help="Show what changed since this manifest."
)
@click.option("--seed", default=0, help="Seed of the bootstrap intervals.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_settings
def command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    outcomes: str,
    tier: str,
    baseline: str,
    against: str,
    seed: int,
    as_json: bool,
) -> None:
    """Route every prompt of OUTCOMES.jsonl; report quality, cost and saving."""
    if tier and tier not in TIERS:
        raise UnknownNameError("tier", tier, TIERS)
    rows = read_table(outcomes)
    catalog = load_catalog(settings.manifest, has_key=settings.has_key)
    samples = make_samples(rows, catalog)
    reference = _reference(baseline, samples, catalog)
    report = asyncio.run(_evaluate(samples, catalog, tier, reference, seed))
    changes = _changes(rows, report, catalog, against, settings) if against else []
    if as_json:
        plain = report.as_json() | ({"changes": changes} if against else {})
        echo(json.dumps(plain, ensure_ascii=False))
        return
    from rightmodel.surfaces.cli.eval_tables import show

    show(report)
    for line in changes:
        echo(line)


def _changes(
    rows: Sequence[Row], now: Report, catalog: Catalog, against: str, settings: Settings
) -> list[str]:
    """What changed since another manifest: the router's figures, ratings and slopes."""
    other = load_catalog(Path(against), has_key=settings.has_key)
    samples = make_samples(rows, other)
    reference = now.reference if now.reference in samples.complete else ""
    then = asyncio.run(_evaluate(samples, other, now.tier, reference, 0))
    pairs = {
        n: [getattr(r.router, n) or 0.0 for r in (then, now)] for n in ("quality", "saving", "kept")
    }
    figures = [f"{name} {before:.3f} → {after:.3f}" for name, (before, after) in pairs.items()]
    before, after = ratings_of(other), ratings_of(catalog)
    return [
        f"since {against}, tier {now.tier}: {', '.join(figures)}",
        *changed_ratings(before, after),
        *changed_slopes(other.slopes, catalog.slopes),
    ]


def _reference(baseline: str, samples: Samples, catalog: Catalog) -> str:
    """The id of the model that savings are counted against; "" for the best."""
    name = catalog.aliases.get(baseline, baseline)
    if name and name not in samples.complete:
        raise UnknownNameError(
            "model with a cost and an outcome on every prompt", baseline, samples.complete
        )
    return name


async def _evaluate(
    samples: Samples, catalog: Catalog, tier: str, reference: str, seed: int
) -> Report:
    """Route in every tier, keys not looked at, and report on the one in focus.

    Decisions are timed by the processor time they take: a busy machine does not count.
    """
    router = make_router(catalog, None)
    routed: dict[str, list[Routed]] = {}
    for name in dict.fromkeys((tier, *TIERS)):
        routed[name] = await replay(router, samples.rows, tier=name, clock=time.thread_time)
    return make_report(
        samples,
        routed,
        tier=tier,
        default_tier=catalog.routing.tier,
        chance=random.Random(seed),  # noqa: S311 - resamples, guards nothing
        reference=reference,
    )
