"""The report of `rightmodel eval` for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from rich.text import Text

from rightmodel.core.format import UNKNOWN
from rightmodel.surfaces.cli.console import console, print_table, table
from rightmodel.surfaces.cli.terminal import echo

if TYPE_CHECKING:
    from rich.table import Table

    from rightmodel.evaluation.metrics import Interval
    from rightmodel.evaluation.report import Entry, Report

MOST_MODELS = 20


_NAMES: Final = {
    "always_best": "always the best model",
    "always_cheapest": "always the cheapest",
    "single_at_quality": "best single model at that quality",
    "random_mix": "random mix of the same cost",
    "length_only": "by length, same cost",
    "oracle": "oracle",
}


def show(report: Report) -> None:
    """Print it."""
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
