"""`rightmodel rehearse`: an outage of the user's own set-up, with simulated providers."""

from __future__ import annotations

import asyncio
import json
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import click

from rightmodel.core.errors import TaskError
from rightmodel.core.format import listed, plain_object, usd
from rightmodel.execution.engine import effective_catalog
from rightmodel.manifest.load import load_catalog
from rightmodel.routing.router import count_tokens
from rightmodel.simulator import clock, fault
from rightmodel.simulator.outage import Outage, fitting, planned_outage
from rightmodel.simulator.samples import PICTURE, SAMPLES, Sample
from rightmodel.simulator.simulation import USUAL_TOKENS, Answers, simulate, used_providers
from rightmodel.surfaces.arguments import COMPLETE_ARGUMENTS, complete_task
from rightmodel.surfaces.cli import settings_summary, with_settings
from rightmodel.surfaces.cli.prompt_sources import json_lines
from rightmodel.surfaces.cli.show.advice import advice
from rightmodel.surfaces.cli.show.calls import Call, Totals, Try, short, totals
from rightmodel.surfaces.cli.show.run import EngineStage, Run, make_engine, phases_of
from rightmodel.surfaces.cli.show.view import Column, View
from rightmodel.surfaces.cli.terminal import echo

if TYPE_CHECKING:
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.manifest.settings import Settings

LEAST_CALLS: Final = 3
MOST_USUAL_CALLS: Final = 120
"""Unless --calls asks for more."""
EVERY_S: Final = 10.0
"""Simulated seconds from one call's start to the next one's."""
SHOWN_S: Final = 0.05
"""Shorter losses of time are not shown."""
SMALLEST: Final = Decimal("0.00001")
"""Smaller differences of cost are not mentioned."""
NAME: Final = 29
"""Length of the longest fault's name."""

KEYS: Final = tuple(name for name in COMPLETE_ARGUMENTS if name != "ref")
"""Hints that a line may have; other keys are ignored."""
LABEL_CHARS: Final = 24

COLUMNS: Final = (
    Column("#", 3, 3, lambda c, _: str(c.number)),
    Column("subtask", 20, 16, lambda c, _: c.sample.label, left=True),
    Column("first choice", 29, 17, lambda c, wide: _named(c.first, wide=wide), left=True, drop=1),
    Column("answered by", 29, 17, lambda c, wide: _answered(c, wide=wide), left=True),
    Column("tries", 5, 5, lambda c, _: str(len(c.tries)), drop=2),
    Column("lost", 6, 6, lambda c, _: f"{c.lost_s:.1f}s" if c.lost_s >= SHOWN_S else ""),
    Column("cost", 9, 9, lambda c, _: usd(c.cost_usd)),
)


@click.command("rehearse")
@click.argument("source", required=False, default="", metavar="[TASKS.jsonl]")
@click.option(
    "--fault", "faults", multiple=True, metavar="NAME", help="What goes wrong; repeatable."
)
@click.option("--on", "targets", multiple=True, metavar="PROVIDER|MODEL", help="Where; repeatable.")
@click.option(
    "--share",
    type=click.FloatRange(0, 1, min_open=True),
    default=1.0,
    help="Of the requests there that have the fault; all by default.",
)
@click.option("--calls", type=click.IntRange(min=LEAST_CALLS), help="How many in all.")
@click.option("--seed", type=int, default=0, help="Seed of everything random.")
@click.option("--list", "as_list", is_flag=True, help="List the faults and where each can happen.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, the sum last.")
@with_settings
def command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    source: str,
    faults: tuple[str, ...],
    targets: tuple[str, ...],
    share: float,
    calls: int | None,
    seed: int,
    as_list: bool,
    as_json: bool,
) -> None:
    """Rehearse an outage of your own set-up: no key, no network, nothing billed.

    Runs your manifest against simulated copies of your providers: first without faults, then with
    the faults of your choice (default: the provider that is used most is overloaded), then without.
    Tasks are lines of {"prompt": …} with any hints that `complete` takes; default: a built-in set.

    The exit code is 0 when every call got its answer, else 1.
    """
    catalog, notes = _catalog(settings)
    if as_list:
        _list(catalog, as_json=as_json)
        return
    samples = _read_tasks(source, catalog) if source else _built_in(catalog)
    count = calls or min(LEAST_CALLS * len(samples), MOST_USUAL_CALLS)
    if len(samples) * LEAST_CALLS > count:
        notes.append(f"{len(samples)} tasks, {count} calls: not every task meets the outage")
    order = [samples[n % len(samples)] for n in range(count)]
    healthy = _run(catalog, order, seed)
    outage = planned_outage(catalog, faults, targets, share, _busiest(catalog, healthy))
    view = None if as_json else View(COLUMNS)
    if view:
        view.open(
            f"rightmodel rehearse: {count} calls, the middle third in an outage",
            _opening(outage, settings_summary(settings), notes),
        )

    def listen(call: Call) -> None:
        if as_json:
            echo(json.dumps(_call_json(call, healthy[call.number - 1])))

    done = _run(catalog, order, seed, outage=lambda _: outage, view=view, listen=listen)
    sums, advised = totals(done, healthy), advice(catalog, done, healthy, outage)
    if view:
        _close(view, sums, done, outage, advised)
    else:
        echo(json.dumps(_summary(sums, done, outage, advised)))
    sys.exit(sums.answered < sums.calls)


def _catalog(settings: Settings) -> tuple[Catalog, list[str]]:
    """The effective manifest, with every key assumed where none is set; and notes for people."""
    catalog = asyncio.run(effective_catalog(settings))
    notes = list(catalog.notes)
    if not catalog.models:
        catalog = load_catalog(settings.manifest, has_key=lambda _: True)
        notes = ["no provider's key is set: rehearsed with all shipped providers"]
    elif unset := [n for n, p in used_providers(catalog).items() if settings.missing_key(p)]:
        notes.append(f"no key for {', '.join(unset)}: rehearsed as if there were one")
    if not catalog.models:
        raise TaskError(f"{settings_summary(settings)}: no model is connected")
    return catalog, notes


def _built_in(catalog: Catalog) -> list[Sample]:
    """The built-in samples that some connected model can read."""
    readable = frozenset(kind for m in catalog.models.values() for kind in m.modalities)
    return [
        replace(sample, flawed="")
        for sample in (*SAMPLES, PICTURE)
        if all(file.modality in readable for file in sample.task.files)
    ]


def _read_tasks(source: str, catalog: Catalog) -> list[Sample]:
    """The tasks of a file of JSON lines, "-" for standard input. Raises `TaskError`."""
    found = []
    for number, line in json_lines(source):
        try:
            found.append(_sample(json.loads(line), catalog))
        except (TaskError, ValueError) as error:
            raise TaskError(f"{source}, line {number}: {error}") from error
    if not found:
        raise TaskError(f'{source}: no tasks; each line is one, like {{"prompt": "…"}}')
    return found


def _sample(row: Any, catalog: Catalog) -> Sample:
    if not isinstance(row, dict):
        raise TaskError('a line must be an object like {"prompt": "…", "skill": "code"}')
    task = complete_task({k: v for k, v in row.items() if k in KEYS}, catalog).task
    if task is None:
        raise TaskError("prompt is missing or empty")
    named = str(row.get("label") or row.get("id") or "") or " ".join(task.prompt.split())
    return Sample(named[:LABEL_CHARS], task, tokens=USUAL_TOKENS)


def _run(catalog: Catalog, order: Sequence[Sample], seed: int, **options: Any) -> list[Call]:
    """All calls, on a clock that skips waiting. `options`: of `Run`."""

    async def perform() -> list[Call]:
        now = asyncio.get_running_loop().time
        async with simulate(
            catalog, Answers(order, count_tokens), seed=seed, clock=now
        ) as simulation:
            stage = EngineStage(simulation, make_engine(simulation, seed))
            try:
                phases = phases_of(len(order))
                return await Run(stage, order, phases, every_s=EVERY_S, **options).perform()
            finally:
                await stage.engine.close()

    try:
        return clock.run(perform())
    except asyncio.CancelledError:
        raise click.Abort from None


def _busiest(catalog: Catalog, healthy: Sequence[Call]) -> list[str]:
    """Providers, the one that gave most of the answers first."""
    used = Counter(call.tries[-1].provider for call in healthy if call.model)
    return sorted(used_providers(catalog), key=lambda name: -used[name])


def _list(catalog: Catalog, *, as_json: bool) -> None:
    every = list(used_providers(catalog))
    if not as_json:
        echo("faults: where in your set-up each can happen; how it is to be read")
    for group in fault.GROUPS:
        if not as_json:
            echo(group.title)
        for one in group.faults:
            read, at = sorted(r.value for r in one.leads_to), fitting(one, catalog)
            if as_json:
                row = {"fault": one.name, "group": group.title, "read_as": read, "at": at}
                echo(json.dumps(row))
                continue
            where = "everywhere" if at == every else ", ".join(at) or "nowhere"
            text = f"  {one.name:{NAME}} {where}; {' or '.join(read) or 'nothing is wrong'}"
            echo(textwrap.fill(text, 80, subsequent_indent=" " * (NAME + 3)))


def _call_json(call: Call, healthy: Call) -> dict[str, Any]:
    return plain_object(
        call=call.number,
        phase=call.phase,
        task=call.sample.label,
        first=call.first or None,
        model=call.model or None,
        attempts=[_try_json(one) for one in call.tries],
        faults=list(call.met),
        time_s=round(call.time_s, 3),
        lost_s=round(call.lost_s, 3),
        cost_usd=call.cost_usd,
        without_outage={"model": healthy.model or None, "cost_usd": healthy.cost_usd},
        error=call.error or None,
        code=call.code or None,
    )


def _try_json(one: Try) -> dict[str, Any]:
    return {
        "model": one.model,
        "provider": one.provider,
        "fault": one.met or None,
        "read_as": one.read.value if one.read else None,
        "status": one.status or None,
        "waited_s": round(one.waited_s, 3),
        "time_s": round(one.time_s, 3),
        "message": one.message or None,
    }


def _summary(
    sums: Totals, calls: Sequence[Call], outage: Outage, advised: Sequence[str]
) -> dict[str, Any]:
    fatal = {name: len(_met(name, calls, fatal=True)) for name in outage.names}
    summary = plain_object(
        calls=sums.calls,
        answered=sums.answered,
        outage={
            "calls": sums.in_outage,
            "answered": sums.answered_in_outage,
            "faults": outage.names,
            "at": [str(target) for target in outage.faults],
            "share": outage.share,
        },
        answered_without_outage=sums.without,
        failed_over=[{"first": f, "answered_by": a, "calls": n} for f, a, n in sums.elsewhere],
        faults_met={name: len(_met(name, calls)) for name in outage.names},
        faults_that_reached_the_agent={name: n for name, n in fatal.items() if n},
        errors=[{"code": r.code, "calls": list(r.calls), "text": r.text} for r in sums.reached],
        lost_s=round(sums.lost_s, 3),
        cost_usd=sums.cost_usd,
        without_outage_usd=sums.healthy_usd,
        extra_usd=sums.extra_usd,
        advice=list(advised),
        simulated=True,
    )
    return {"summary": summary}


def _met(name: str, calls: Sequence[Call], *, fatal: bool = False) -> list[Call]:
    """Calls that met a fault. `fatal`: those of them without an answer."""
    return [c for c in calls if name in c.met and (c.error or not fatal)]


def _named(model: str, *, wide: bool) -> str:
    return (model if wide else short(model)) or "none"


def _answered(call: Call, *, wide: bool) -> str:
    if call.error:
        return "no answer"
    return "as chosen" if call.model == call.first else _named(call.model, wide=wide)


def _opening(outage: Outage, manifest: str, notes: Sequence[str]) -> list[tuple[str, str]]:
    simulated = (
        "copies of your providers on loopback: answers, their lengths, speeds, faults and the "
        f"clock. One call after the other, every {EVERY_S:.0f} s; waiting is skipped. Your keys "
        "are not used, nothing leaves this machine, nothing is billed."
    )
    real = (
        "your manifest with its prices, rules and limits; routing (no judge is asked), failover, "
        "the wire protocols and the providers' own error bodies."
    )
    return [
        ("manifest", manifest),
        ("outage", str(outage)),
        ("simulated", simulated),
        ("real", real),
        *(("note", note) for note in notes),
    ]


def _close(
    view: View, sums: Totals, calls: Sequence[Call], outage: Outage, advised: Sequence[str]
) -> None:
    answered = (
        f"{sums.answered} of {sums.calls}; {sums.answered_in_outage} of {sums.in_outage} during "
        "the outage"
    )
    moved = [f"{short(f)} -> {short(a)} ({n})" for f, a, n in sums.elsewhere]
    lost = f"{sums.lost_s:.1f} s over {sums.slowed} calls, at most {sums.worst_s:.1f} s in one"
    view.close(
        [
            ("answered", answered),
            *([("failed over", listed(moved, most=6))] if moved else []),
            ("faults", "; ".join(_fault_line(name, calls) for name in outage.names)),
            ("lost", lost if sums.slowed else "no time"),
            ("cost", _cost(sums)),
        ]
    )
    for reached in sums.reached:
        word = "calls" if len(reached.calls) > 1 else "call"
        numbers = listed([str(n) for n in reached.calls], most=8)
        view.quote(f"what the agent reads, code {reached.code} ({word} {numbers}):", reached.text)
    advised = advised or ("no weak point was found with these tasks and this fault.",)
    simulated = (
        "everything the providers did. The rehearsal does not show how good, long or fast real "
        "answers are; prices are your manifest's."
    )
    view.paragraphs([*(("advice", line) for line in advised), ("simulated", simulated)])


def _fault_line(name: str, calls: Sequence[Call]) -> str:
    met, fatal = len(_met(name, calls)), len(_met(name, calls, fatal=True))
    if not met:
        return f"{name}: met by no call"
    end = f"{fatal} of them got no answer" if fatal else "none reached the agent"
    return f"{name}: met by {met} call{'s' if met > 1 else ''}, {end}"


def _cost(sums: Totals) -> str:
    extra, healthy = sums.extra_usd, sums.healthy_usd
    if extra is None or healthy is None:
        return "unknown: a model has no price, or reported no usage"
    cost = usd(sums.cost_usd)
    if sums.answered < sums.calls:
        cost += " for the calls with an answer in both runs"
    if abs(extra) < SMALLEST:
        return f"{cost}, as much as the same calls without an outage"
    share = f" ({100 * extra / healthy:+.0f} %)" if healthy else ""
    word = "more" if extra >= 0 else "less"
    return f"{cost}, {usd(abs(extra))} {word} than the same calls without an outage{share}"
