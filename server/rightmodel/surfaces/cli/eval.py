"""`rightmodel eval`: how well the manifest routes, measured on a table of outcomes."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.text import Text

from rightmodel.core.errors import UnknownNameError
from rightmodel.core.format import UNKNOWN
from rightmodel.core.task import TIERS
from rightmodel.evaluation.changes import changed_ratings, changed_slopes, ratings_of
from rightmodel.evaluation.replay import Routed, replay
from rightmodel.evaluation.report import Entry, Report, make_report
from rightmodel.evaluation.samples import Samples, make_samples
from rightmodel.evaluation.table import Row, read_table
from rightmodel.execution.engine import make_router
from rightmodel.manifest.load import load_catalog
from rightmodel.surfaces.cli import with_settings
from rightmodel.surfaces.cli.console import console, print_table, table
from rightmodel.surfaces.cli.terminal import echo

if TYPE_CHECKING:
    from rich.table import Table

    from rightmodel.evaluation.metrics import Interval
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.manifest.settings import Settings

MOST_MODELS: Final = 20
_NAMES: Final = {
    "always_best": "always the best model",
    "always_cheapest": "always the cheapest",
    "single_at_quality": "best single model at that quality",
    "random_mix": "random mix of the same cost",
    "length_only": "by length, same cost",
    "oracle": "oracle",
}


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
    _show(report)
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


def _show(report: Report) -> None:
    """For people."""
    screen = console()
    echo(
        f"{report.prompts:,} prompts, {len(report.models)} models, "
        f"savings against always {report.reference}"
    )
    for note in report.notes:
        echo(f"  {note}")
    print_table(screen, _routes(report))
    if report.unrouted:
        echo(f"no candidate for {report.unrouted} prompts: counted as unanswered, unpaid")
    aiq = report.aiq
    echo(
        f"AIQ {aiq.router:.4f}, zero router {aiq.zero:.4f}: "
        f"{aiq.above:+.4f} ({aiq.interval.low:+.4f} to {aiq.interval.high:+.4f})"
    )
    if report.pair is not None:
        pair = report.pair
        echo(
            f"{pair.strong} against {pair.weak}: APGR {pair.apgr:.3f} "
            f"({pair.apgr_interval.low:.3f} to {pair.apgr_interval.high:.3f}; by length "
            f"{pair.apgr_length:.3f}), CPT(50 %) {pair.cpt50:.1%}, CPT(80 %) {pair.cpt80:.1%}"
        )
    echo(
        f"processor time of a decision: median {report.decision_ms['p50']:.2f} ms, "
        f"99 % within {report.decision_ms['p99']:.2f} ms"
    )
    print_table(screen, _models(report))


def _routes(report: Report) -> Table:
    made = table("way to route", "quality", "", "cost of a prompt", "", "saving", "kept")
    made.add_row(*_route(report.router, f"router, {report.tier}", bold=True))
    for entry in report.tiers:
        if entry.name != report.tier:
            made.add_row(*_route(entry, f"router, {entry.name}"))
    made.add_row()
    for entry in report.baselines:
        name = _NAMES.get(entry.name, entry.name)
        made.add_row(*_route(entry, f"{name}: {entry.model}" if entry.model else name))
    return made


def _route(entry: Entry, name: str, *, bold: bool = False) -> list[str | Text]:
    def share(value: float | None) -> str:
        return UNKNOWN if value is None else f"{value:.1%}"

    return [
        Text(name, style="bold" if bold else ""),
        f"{entry.quality:.3f}",
        _span(entry.intervals, "quality", ".3f"),
        f"${entry.cost_usd:.6f}",
        _span(entry.intervals, "cost_usd", ".6f"),
        share(entry.saving),
        share(entry.kept),
    ]


def _span(intervals: Mapping[str, Interval], name: str, form: str) -> str:
    found = intervals.get(name)
    return f"{found.low:{form}} – {found.high:{form}}" if found else ""


def _models(report: Report) -> Table:
    made = table("model", "chosen", "quality", "promised", "Brier", "gap", "cost of a prompt")
    ranked = sorted(report.models, key=lambda m: (-report.mix.get(m, 0.0), m))
    for model in ranked[:MOST_MODELS]:
        single, found = report.singles.get(model), report.reliability.get(model)
        figures = (found.observed, found.predicted, found.brier, found.error) if found else ()
        made.add_row(
            model,
            f"{report.mix.get(model, 0.0):.1%}",
            *([f"{figure:.3f}" for figure in figures] or [UNKNOWN] * 4),
            f"${single.cost:.6f}" if single else UNKNOWN,
        )
    if len(ranked) > MOST_MODELS:
        made.caption = f"and {len(ranked) - MOST_MODELS} more; --json has them all"
    return made
