"""`rightmodel demo`: the whole thing with no key and no network."""

from __future__ import annotations

import asyncio
import sys
import tomllib
from collections import Counter
from collections.abc import Collection, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.text import Text

from rightmodel.core.decision import Trust
from rightmodel.core.format import usd
from rightmodel.ledger.ledger import LINGER_S
from rightmodel.manifest.load import load_catalog
from rightmodel.routing.router import count_tokens
from rightmodel.simulator import fault
from rightmodel.simulator.outage import Outage, Target
from rightmodel.simulator.samples import SAMPLES, TURNS
from rightmodel.simulator.simulation import Answers, simulate
from rightmodel.surfaces.cli.show.calls import HEALED, HEALTHY, OUTAGE, Call, Totals, short, totals
from rightmodel.surfaces.cli.show.main_loop import Shown, gateway, session
from rightmodel.surfaces.cli.show.run import Run, ServerStage, server_stage
from rightmodel.surfaces.cli.show.view import Column, View
from rightmodel.surfaces.cli.terminal import echo
from rightmodel.surfaces.cli.waiting import end_on_signals, first
from rightmodel.surfaces.usage_view.sections import percent

if TYPE_CHECKING:
    from rightmodel.manifest.catalog import Catalog

MANIFEST: Final = Path(__file__).with_suffix(".toml")
BASELINE: Final[str] = tomllib.loads(MANIFEST.read_text(encoding="utf-8"))["baseline"]
TITLE: Final = f"rightmodel demo: an agent hands over {len(SAMPLES)} subtasks"
SPEEDUP: Final = 6.0
PHASES: Final = [HEALTHY] * 7 + [OUTAGE] * 4 + [HEALED] * 3
COOLDOWN_S: Final = 3
"""What the provider that is down asks for in its `retry-after`."""
MARGIN_S: Final = 0.3
LOG_LINES: Final = 30
"""How much of the server's log is shown when an answer is missing."""

COLUMNS: Final = (
    Column("#", 2, 2, lambda c, _: str(c.number), style="dim"),
    Column("subtask", 20, 16, lambda c, _: c.sample.label, left=True),
    Column("kind", 9, 9, lambda c, _: c.skill, left=True, style="cyan", drop=1),
    Column("answered by", 27, 17, lambda c, wide: _answered(c, wide=wide), left=True),
    Column("tries", 5, 5, lambda c, _: str(len(c.tries)), drop=2),
    Column("cost", 9, 9, lambda c, _: _cell(c, c.cost_usd)),
    Column("baseline", 9, 0, lambda c, _: _cell(c, c.baseline_usd), style="dim"),
    Column("saved", 9, 9, lambda c, _: _cell(c, c.saved_usd), style="green"),
    Column("time", 5, 5, lambda c, _: f"{c.time_s:.1f}s", style="dim", drop=3),
)


LOOP_TITLE: Final = "The agent's own turns: one session, its model set to rightmodel/auto"
LOOP_HEAD: Final = (
    f"{'#':>2} {'turn':<22} {'served by':<27} {'cached':>7} {'cost':>9} {'saved':>9} {'time':>5}"
)


@click.command("demo")
@click.option("--usage", is_flag=True, help="Then show `rightmodel usage` of the demo's ledger.")
def command(*, usage: bool) -> None:
    """Show routing, failover and the saving with simulated providers: no key, no network.

    The exit code is 0 when every subtask and every turn got its answer.
    """
    try:
        calls, failed = asyncio.run(_perform(usage=usage))
    except BaseExceptionGroup as group:
        raise first(group) from group
    except asyncio.CancelledError:
        raise click.Abort from None
    sys.exit(failed or any(call.error for call in calls))


async def _perform(*, usage: bool) -> tuple[list[Call], bool]:
    end_on_signals()
    catalog = load_catalog(MANIFEST, has_key=lambda _: True)
    answers = Answers((*SAMPLES, *TURNS), count_tokens, speedup=SPEEDUP)
    clock = asyncio.get_running_loop().time
    with View(COLUMNS, SAMPLES, partial(_status, catalog)) as view:
        view.open(TITLE, _opening(catalog))
        async with (
            simulate(catalog, answers, seed=0, clock=clock) as simulated,
            server_stage(simulated, MANIFEST.read_text(encoding="utf-8")) as stage,
        ):
            run = Run(
                stage,
                SAMPLES,
                PHASES,
                outage=lambda calls: _outage(catalog, calls),
                view=view,
                settle=lambda: _cooled(stage),
            )
            calls = await run.perform()
            view.close(_closing(totals(calls)))
            failed = await _main_loop(stage, view)
            if usage:
                await asyncio.sleep(LINGER_S * 4)  # the last records are being written
                echo("\n$ rightmodel usage")
                await stage.print_usage()
            if any(call.error for call in calls):
                echo(stage.log(LOG_LINES), err=True)
    return calls, failed


async def _main_loop(stage: ServerStage, view: View) -> bool:
    """A few turns of the agent's main loop through the gateway; whether one failed."""
    turns = []
    view.text("")
    view.text(LOOP_TITLE, style="bold")
    view.text(LOOP_HEAD, style="bold underline")
    async with gateway(stage.folder) as url:
        async for turn in session(url):
            turns.append(turn)
            view.text(_line(len(turns), turn), style="red" if turn.error else "")
            view.note(turn.error or turn.reason)
    view.text("")
    view.paragraphs(_loop_closing(turns))
    return any(turn.error for turn in turns)


def _line(number: int, turn: Shown) -> str:
    cost, saved = ("" if turn.error else usd(one) for one in (turn.cost_usd, turn.saved_usd))
    return (
        f"{number:>2} {turn.label:<22} {turn.model or 'no answer':<27} {turn.cached:>7,} "
        f"{cost:>9} {saved:>9} {turn.time_s:>4.1f}s"
    )


def _loop_closing(turns: Sequence[Shown]) -> list[tuple[str, str]]:
    cost = sum((t.cost_usd for t in turns if t.cost_usd), Decimal(0))
    saved = sum((t.saved_usd for t in turns if t.saved_usd), Decimal(0))
    share = f" ({percent(float(saved / (cost + saved)))})" if cost + saved else ""
    return [
        ("turns", f"{len(turns)}, in the Messages API over HTTP; two requests need a tool call"),
        ("cost", usd(cost)),
        ("saved", f"{usd(saved)}{share} against {short(BASELINE)} with its own cache warm"),
        ("simulated", "the answers, the tool and what each provider has cached."),
    ]


def _status(catalog: Catalog, calls: Sequence[Call], down: Collection[str]) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    for name in dict.fromkeys(m.endpoints[0].provider.name for m in catalog.models.values()):
        mark = ("✖ ", "bold red") if name in down else ("● ", "green")
        text.append(*mark).append(f"{name}  ")
    return text.append(f"saved {_saved(totals(calls))}", style="green")


def _outage(catalog: Catalog, calls: Sequence[Call]) -> Outage:
    """The provider that gave most of the answers is overloaded; never the local one."""
    used = Counter(call.tries[-1].provider for call in calls if call.model)
    remote = [n for n, p in catalog.providers.items() if p.trust is not Trust.local]
    busiest = max(remote, key=lambda name: used[name])
    overloaded = fault.overloaded().with_headers(retry_after=str(COOLDOWN_S))
    return Outage({Target(busiest): [overloaded]}, share=1.0)


async def _cooled(stage: ServerStage) -> None:
    """Wait until the last cooldown that was asked for is over."""
    providers = stage.simulation.providers.values()
    refused = [request.at for one in providers for request in one.requests if request.fault]
    until = max(refused, default=0.0) + COOLDOWN_S + MARGIN_S
    await asyncio.sleep(max(0.0, until - asyncio.get_running_loop().time()))


def _answered(call: Call, *, wide: bool) -> str:
    if call.error:
        return "no answer"
    return call.model if wide else short(call.model)


def _cell(call: Call, amount: Decimal | None) -> str:
    return "" if call.error else usd(amount)


def _saved(sums: Totals) -> str:
    if sums.saved_usd is None or not sums.baseline_usd:
        return usd(sums.saved_usd)
    return f"{usd(sums.saved_usd)} ({percent(float(sums.saved_usd / sums.baseline_usd))})"


def _opening(catalog: Catalog) -> list[tuple[str, str]]:
    checked = min(model.checked for model in catalog.models.values())
    simulated = (
        "four providers on loopback: their answers, speeds (faster than real ones) and faults. "
        "No key, no network, nothing is billed."
    )
    real = (
        f"list prices and ratings of the shipped manifests (checked {checked}), the wire "
        "protocols, an MCP client and the server over stdio, routing and failover."
    )
    baseline = f"{BASELINE}: the model that the agent itself would run on."
    return [("simulated", simulated), ("real", real), ("baseline", baseline)]


def _closing(sums: Totals) -> list[tuple[str, str]]:
    answered = (
        f"{sums.answered} of {sums.calls}, {sums.answered_in_outage} of them during the outage; "
        f"{sums.failed_over} failed over, {sums.escalated} escalated"
    )
    baseline = (
        f"{usd(sums.baseline_usd)} ({short(BASELINE)}, same prompts and answers, its reasoning not "
        "counted)"
    )
    simulated = (
        "the answers and their length, the speeds and the faults; prices are list prices. The demo "
        "does not show how good the answers of real models are."
    )
    return [
        ("answered", answered),
        ("cost", f"{usd(sums.cost_usd)}, failed attempts included"),
        ("baseline", baseline),
        ("saved", _saved(sums)),
        ("simulated", simulated),
    ]
