"""`rightmodel rehearse`: an outage of the user's own set-up, with simulated providers."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections import Counter
from typing import TYPE_CHECKING, Final

import click

from rightmodel.core.errors import TaskError
from rightmodel.execution.engine import effective_catalog
from rightmodel.manifest.load import load_catalog
from rightmodel.simulator.fault import CATALOGUE
from rightmodel.surfaces.cli import settings_summary, with_settings
from rightmodel.surfaces.cli.rehearsal import clock, outcome, tasks
from rightmodel.surfaces.cli.rehearsal.advice import advice
from rightmodel.surfaces.cli.rehearsal.run import Run
from rightmodel.surfaces.cli.rehearsal.show import View, listing
from rightmodel.surfaces.cli.rehearsal.trouble import GROUPS, fitting, trouble
from rightmodel.surfaces.cli.rehearsal.twins import used_providers
from rightmodel.surfaces.cli.terminal import echo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rightmodel.manifest.catalog import Catalog
    from rightmodel.manifest.settings import Settings
    from rightmodel.surfaces.cli.rehearsal.run import Call
    from rightmodel.surfaces.cli.rehearsal.tasks import Sample
    from rightmodel.surfaces.cli.rehearsal.trouble import Trouble

LEAST_CALLS: Final = 3
MOST_USUAL_CALLS: Final = 120
"""Unless --calls asks for more."""
PIPE_WIDTH: Final = 112


@click.command("rehearse")
@click.argument("source", required=False, default="", metavar="[TASKS.jsonl]")
@click.option(
    "--fault", "faults", multiple=True, metavar="NAME", help="What goes wrong; repeatable."
)
@click.option("--on", "places", multiple=True, metavar="PROVIDER|MODEL", help="Where; repeatable.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    help="Of the requests there that have the fault; all by default.",
)
@click.option("--calls", type=click.IntRange(min=LEAST_CALLS), help="How many in all.")
@click.option("--seed", type=int, default=0, help="Of whatever is drawn.")
@click.option("--list", "as_list", is_flag=True, help="List the faults and where each can happen.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, the sum last.")
@with_settings
def command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    source: str,
    faults: tuple[str, ...],
    places: tuple[str, ...],
    share: float,
    calls: int | None,
    seed: int,
    as_list: bool,
    as_json: bool,
) -> None:
    """Rehearse an outage of your own set-up: no key, no network, nothing billed.

    Runs your manifest against simulated twins of your providers: well at first, then with the
    faults of your choice (overloaded, at the provider that is used most), then well again. Tasks
    are lines of {"prompt": …} with any hints that `complete` takes; without, a small built-in set.

    Ends with 0 when every call got its answer, with 1 when one did not.
    """
    catalog, notes = _catalog(settings)
    if as_list:
        _list(catalog, as_json=as_json)
        return
    samples = tasks.read(source, catalog) if source else tasks.built_in(catalog)
    count = calls or min(LEAST_CALLS * len(samples), MOST_USUAL_CALLS)
    if len(samples) * LEAST_CALLS > count:
        notes.append(f"{len(samples)} tasks, {count} calls: not every task meets the outage")
    healthy = _run(catalog, samples, count, seed, None)
    wrong = trouble(catalog, faults, places, share, _busiest(catalog, healthy))
    view = None if as_json else View(_width())
    if view:
        view.open(wrong, settings_summary(settings), count, notes)

    def tell(call: Call) -> None:
        if view:
            view.call(call, wrong)
        else:
            echo(json.dumps(outcome.call_json(call, healthy[call.number - 1])))

    done = _run(catalog, samples, count, seed, wrong, tell)
    sums = outcome.totals(done, healthy, wrong)
    told = advice(catalog, done, healthy, wrong)
    if view:
        view.close(sums, told)
    else:
        echo(json.dumps(outcome.summary_json(sums, wrong, told)))
    sys.exit(sums.answered < sums.calls)


def _catalog(settings: Settings) -> tuple[Catalog, list[str]]:
    """The effective manifest; where no key is set at all, as if every one were. And what to say."""
    catalog = asyncio.run(effective_catalog(settings))
    notes = list(catalog.notes)
    if not catalog.models:
        catalog = load_catalog(settings.manifest, has_key=lambda _: True)
        notes = ["no provider's key is set: rehearsed with every shipped one"]
    elif unset := [n for n, p in used_providers(catalog).items() if settings.missing_key(p)]:
        notes.append(f"no key for {', '.join(unset)}: rehearsed as if there were")
    if not catalog.models:
        raise TaskError(f"{settings_summary(settings)}: no model is connected")
    return catalog, notes


def _run(
    catalog: Catalog,
    samples: Sequence[Sample],
    calls: int,
    seed: int,
    wrong: Trouble | None,
    tell: Callable[[Call], object] = lambda _: None,
) -> list[Call]:
    try:
        return clock.run(Run(catalog, samples, calls, seed, wrong, tell).perform())
    except asyncio.CancelledError:
        raise click.Abort from None


def _busiest(catalog: Catalog, healthy: Sequence[Call]) -> list[str]:
    """Providers, the one that gave most of the answers first."""
    used = Counter(call.tries[-1].provider for call in healthy if call.model)
    return sorted(used_providers(catalog), key=lambda name: -used[name])


def _width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH


def _list(catalog: Catalog, *, as_json: bool) -> None:
    every = list(used_providers(catalog))
    groups = {title: [_row(name, catalog, every) for name in GROUPS[title]] for title in GROUPS}
    if not as_json:
        echo("faults: where in your set-up each can happen; how it is to be read")
        for line in listing(groups):
            echo(line)
        return
    for title, rows in groups.items():
        for name, _, _ in rows:
            read = sorted(r.value for r in CATALOGUE[name].leads_to)
            where = fitting(CATALOGUE[name], catalog)
            echo(json.dumps({"fault": name, "group": title, "read_as": read, "at": where}))


def _row(name: str, catalog: Catalog, every: Sequence[str]) -> tuple[str, str, str]:
    one = CATALOGUE[name]
    read = " or ".join(sorted(r.value for r in one.leads_to)) or "nothing is wrong"
    where = fitting(one, catalog)
    return name, "everywhere" if where == every else ", ".join(where) or "nowhere", read
