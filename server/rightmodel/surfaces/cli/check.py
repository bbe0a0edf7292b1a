"""`rightmodel check`: manifest, keys, ledger, and which models answer."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from rightmodel.core.errors import LedgerError
from rightmodel.core.format import counted, listed
from rightmodel.execution.engine import effective_catalog, make_prober
from rightmodel.execution.probe import PATIENCE_S, Finding, Prober
from rightmodel.routing.signals.rule_effects import ineffective
from rightmodel.surfaces.cli import settings_summary, with_settings
from rightmodel.surfaces.cli.finding import as_object, described, label, price_in_words
from rightmodel.surfaces.cli.terminal import echo, styled
from rightmodel.surfaces.cli.waiting import REMIND_S, reminder

if TYPE_CHECKING:
    from rightmodel.manifest.catalog import Catalog, Endpoint, Model
    from rightmodel.manifest.settings import Settings


USUAL_WATCH_S: Final = 30
MOST_WATCH_S: Final = 86_400


@click.command("check")
@click.option("--no-call", is_flag=True, help="Check manifest, keys and ledger; call no model.")
@click.option(
    "--watch",
    "every_s",
    type=click.IntRange(1, MOST_WATCH_S),
    is_flag=False,
    flag_value=USUAL_WATCH_S,
    metavar="[SECONDS]",
    help=f"Repeat, every {USUAL_WATCH_S} s by default, until Ctrl-C; asks first if it costs.",
)
@click.option("--yes", is_flag=True, help="With --watch: do not ask before spending money.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_settings
def command(
    settings: Settings, *, no_call: bool, every_s: int | None, yes: bool, as_json: bool
) -> None:
    """Check the manifest, the keys and the ledger, and ask every connected model for one word.

    The calls are paid for: the price is printed first, and the ledger records them. The exit code
    is 0 when at least one model works and the ledger can be used. With --watch, a terminal shows a
    table that is kept up to date; a pipe gets a line whenever the state of an endpoint changes.
    """
    if every_s is not None:
        if no_call:
            raise click.UsageError("--watch calls models; --no-call calls none")
        from rightmodel.surfaces.cli.check_watch import watch

        works = asyncio.run(watch(settings, every_s, as_json=as_json, agreed=yes))
    else:
        works = asyncio.run(check_once(settings, no_call=no_call, as_json=as_json)).is_usable
    sys.exit(0 if works else 1)


class Checked(NamedTuple):
    """How many of the endpoints work, and whether the ledger can be used."""

    works: int
    endpoints: int
    has_ledger: bool

    @property
    def is_usable(self) -> bool:
        """Whether tasks can be done."""
        return self.works > 0 and self.has_ledger


async def check_once(settings: Settings, *, no_call: bool, as_json: bool = False) -> Checked:
    """Check and print."""
    catalog = await effective_catalog(settings)
    prober = make_prober(settings, catalog)
    endpoints = [(m, e) for m in catalog.models.values() for e in m.endpoints]
    # (provider, what is wrong, what to do) → endpoints: shown together, after what works.
    failed: dict[tuple[str, str, str], list[str]] = defaultdict(list)

    def show_failed() -> None:
        for (_, message, advice), names in failed.items():
            echo(styled("FAIL", fg="red"), f" {listed(names, most=6)}: {message}")
            if advice:
                echo(f"     → {advice}")
        failed.clear()

    try:
        ledger_problem = await _ledger_problem(prober)
        for line in _opening(settings, catalog, ledger_problem):
            echo(line, err=as_json)
        called = [m for m, e in endpoints if settings.has_key(e.provider)]
        if called and not no_call:
            price = price_in_words(called)
            echo(f"cost of {counted(len(called), 'call')}: {price}", err=as_json)
        works = 0
        async for model, finding in _findings(prober, endpoints, show_failed, no_call=no_call):
            works += finding.works
            name = label(model, finding.endpoint)
            if as_json:
                echo(json.dumps(as_object(model, finding), ensure_ascii=False))
            elif finding.works:
                echo(styled("ok  ", fg="green"), f" {name}: {described(finding)}")
            else:
                about = finding.endpoint.provider.name, finding.message, finding.advice
                failed[about].append(name)
    finally:
        show_failed()
        await prober.close()
    if not as_json:
        verb = "could be called" if no_call else "answered"
        echo(f"{works} of {len(endpoints)} endpoints {verb}")
    return Checked(works, len(endpoints), not ledger_problem)


def _opening(settings: Settings, catalog: Catalog, ledger_problem: str) -> list[str]:
    return [
        f"manifest: {settings_summary(settings)}: {counted(len(catalog.models), 'model')}",
        *(f"note: {note}" for note in (*catalog.notes, *warnings_of(catalog))),
        *([f"FAIL ledger: {ledger_problem}"] if ledger_problem else []),
    ]


def warnings_of(catalog: Catalog) -> list[str]:
    """What is allowed and probably not meant."""
    plain_http = [
        f"{p.name}: plain http to {p.base_url}: everyone in that network can read prompts, answers "
        "and the key (allow_http = true)"
        for p in catalog.providers.values()
        if p.allow_http and p.base_url.startswith("http:")
    ]
    rules = [f"rule {rule.name!r}: {why}" for rule, why in ineffective(catalog.rules)]
    return plain_http + rules


async def _ledger_problem(prober: Prober) -> str:
    """Why the ledger cannot be used, "" where it can."""
    try:
        await prober.records.read(lambda store: store.recent_attempts(1))
    except LedgerError as error:
        return str(error)
    return ""


async def _findings(
    prober: Prober,
    endpoints: Iterable[tuple[Model, Endpoint]],
    show_failed: Callable[[], None],
    *,
    no_call: bool,
) -> AsyncIterator[tuple[str, Finding]]:
    """Every endpoint's finding: in the manifest's order without calls, else as they end.

    `show_failed` is called wherever the wait for the others is long.
    """

    async def ask(model: Model, endpoint: Endpoint) -> tuple[str, Finding]:
        return model.id, await prober.probe(model, endpoint)

    if no_call:
        for model, endpoint in endpoints:
            yield model.id, prober.without_call(model, endpoint)
        return
    tasks = {asyncio.create_task(ask(m, e)): label(m.id, e) for m, e in endpoints}

    def waits_for() -> str:
        show_failed()
        silent = [name for task, name in tasks.items() if not task.done()]
        return f"waiting for {listed(silent, most=4)}; the most is {PATIENCE_S:.0f} s"

    try:
        async with reminder(REMIND_S, waits_for):
            for next_done in asyncio.as_completed(tasks):
                yield await next_done
    finally:  # what was interrupted is recorded before the ledger closes
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
