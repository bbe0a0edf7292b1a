"""`rightmodel choose`: one task, or a batch without network."""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

import click

from rightmodel.core.decision import Decision, Reading, models_by_reason
from rightmodel.core.errors import RightmodelError, TaskError
from rightmodel.core.format import dollars, listed, plain_object
from rightmodel.execution.engine import build, effective_catalog, make_router
from rightmodel.manifest.catalog import DEFAULT_SLOPE, Catalog
from rightmodel.manifest.load import load_catalog
from rightmodel.routing.decide import CERTAIN
from rightmodel.routing.signals import envelope, local_model
from rightmodel.surfaces import rendering as render
from rightmodel.surfaces.arguments import batch_task, choose_task
from rightmodel.surfaces.cli import fail, settings_summary, with_settings
from rightmodel.surfaces.cli.learned_ratings import corrected_catalog
from rightmodel.surfaces.cli.prompt_sources import json_lines, prompt_with_input
from rightmodel.surfaces.cli.terminal import echo

if TYPE_CHECKING:
    from rightmodel.core.task import Task
    from rightmodel.manifest.settings import Settings
    from rightmodel.routing.router import Router

MOST_REASONS: Final = 20
MOST_SHOWN: Final = 200
"""Characters of the instruction that are shown."""


@click.command("choose")
@click.argument("task", required=False, default="")
@click.option("--skill", default="", help="Kind of work; empty: inferred.")
@click.option("--difficulty", default="", help="easy, medium, hard or expert.")
@click.option("--tier", default="", help="cheap, balanced or best: price against quality.")
@click.option("--file", "files", multiple=True, help="A file to be sent along; repeatable.")
@click.option("--max-cost-usd", default="", help="Ceiling over the whole call.")
@click.option("--limit", default="", help="How many candidates to show.")
@click.option(
    "--batch", default="", metavar="FILE", help="JSON lines with id and prompt; - is stdin."
)
@click.option("--ranked", is_flag=True, help="With --batch: every candidate and rejection.")
@click.option("--judge", is_flag=True, help="With --batch: ask the judge where it is worth it.")
@click.option("--with-ledger", is_flag=True, help="With --batch: with what outcomes have taught.")
@click.option("--explain", is_flag=True, help="Show how the task was read and what follows.")
@click.option("--json", "as_json", is_flag=True, help="JSON; always so with --batch.")
@with_settings
def command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    batch: str,
    ranked: bool,
    judge: bool,
    with_ledger: bool,
    explain: bool,
    as_json: bool,
    **arguments: Any,
) -> None:
    """Show which model TASK would go to, and why, without calling it."""
    for_batch = {"ranked": ranked, "judge": judge, "with_ledger": with_ledger}
    unfit = {**arguments, "explain": explain} if batch else for_batch
    if given := [p.opts[0] for p in command.params if unfit.get(p.name or "")]:
        how = "not with --batch, whose lines say it all" if batch else "only with --batch"
        raise click.UsageError(f"{how}: {listed(given)}")
    if batch:
        lines = [line for _, line in json_lines(batch)]  # Ctrl-C would not end a read in the loop
        asyncio.run(_batch(settings, lines, ranked=ranked, judge=judge, with_ledger=with_ledger))
        return
    arguments["task"] = prompt_with_input(arguments["task"])
    arguments["files"] = list(arguments["files"])
    asyncio.run(_choose(settings, arguments, explain=explain, as_json=as_json))


async def _choose(
    settings: Settings, arguments: dict[str, Any], *, explain: bool, as_json: bool
) -> None:
    catalog = await effective_catalog(settings)
    for note in catalog.notes:
        echo(f"note: {note}", err=True)
    task, limit, _ = choose_task(arguments, catalog)
    decision = await make_router(
        corrected_catalog(catalog, settings), settings, clock=time.time
    ).route(task)
    if not catalog.models and not as_json:
        fail(f"no model is connected; manifest: {settings_summary(settings)}")
    if as_json:
        result = render.choice(decision, catalog, limit, {})
        if explain:
            result["explain"] = plain_object(**explanation(task, decision, catalog))
        echo(json.dumps(result, ensure_ascii=False))
        return
    if explain:
        for line in lines_of(explanation(task, decision, catalog)):
            echo(line)
    _table(decision, limit)
    if not decision.candidates:
        fail("no connected model can take this task; the table says why")


def _table(decision: Decision, limit: int) -> None:
    from rightmodel.surfaces.cli.console import console, print_table, table

    screen = console()
    assessment = decision.assessment
    skills = ", ".join(f"{skill} {weight:.0%}" for skill, weight in assessment.skills)
    screen.print(
        f"{skills}, difficulty {assessment.difficulty:.1f} "
        f"({assessment.source}, {assessment.confidence:.0%} sure: "
        f"{assessment.note or 'not recognised'}), tier {decision.tier}"
    )
    shown = table("model", "good answer", "expected cost", "expected total")
    for candidate in decision.candidates[:limit]:
        cost = "unknown" if candidate.cost_usd is None else dollars(candidate.cost_usd)
        total = "–" if candidate.cost_usd is None else dollars(Decimal(candidate.total_usd))
        shown.add_row(candidate.model, f"{candidate.p_success:.1%}", cost, total)
    print_table(screen, shown)
    if (count := len(decision.candidates)) > limit:
        screen.print(f"and {count - limit} more: --limit {count} shows them all", style="dim")
    screen.print(decision.reason, style="dim")
    for reason, models in [*models_by_reason(decision.rejections).items()][:MOST_REASONS]:
        screen.print(f"not {listed(models, most=3)}: {reason}", style="dim")


async def _batch(
    settings: Settings, lines: Sequence[bytes], *, ranked: bool, judge: bool, with_ledger: bool
) -> None:
    """One line out for each line in, in order. Keys are not read, so that a run can be repeated."""
    catalog = load_catalog(settings.manifest, has_key=settings.has_key)
    if with_ledger:
        catalog = corrected_catalog(catalog, settings)
    engine = build(settings, catalog) if judge else None
    router = make_router(catalog, None, engine.judge if engine else None)
    try:
        for line in lines:
            echo(_line(await _decide_line(line, router, catalog, ranked=ranked)))
    finally:
        if engine:
            await engine.close()


def _line(result: dict[str, Any]) -> str:
    """As JSON; an error where the `id` cannot be written as JSON."""
    try:
        return json.dumps(plain_object(**result), allow_nan=False)
    except (ValueError, RecursionError) as error:
        return json.dumps({"id": None, "error": f"id cannot be repeated: {error}"})


async def _decide_line(
    line: bytes, router: Router, catalog: Catalog, *, ranked: bool
) -> dict[str, Any]:
    row: Any = None
    try:
        row = json.loads(line)
        if not isinstance(row, dict):
            raise TaskError('a line is {"prompt": "…"}')
        decision = await router.route(batch_task(row, catalog))
    except (RightmodelError, ValueError, InvalidOperation, RecursionError) as error:
        why = str(error) if isinstance(row, dict) else f"not a JSON object: {error}"
        return {"id": row.get("id") if isinstance(row, dict) else None, "error": why}
    first = decision.candidates[0] if decision.candidates else None
    result: dict[str, Any] = {
        "id": row.get("id"),
        "model": first.model if first else None,
        "p_success": round(first.p_success, 4) if first else None,
        "cost_usd": _cost(first.cost_usd) if first else None,
        "skill": {k: round(v, 3) for k, v in decision.assessment.skills},
        "difficulty": round(decision.assessment.difficulty, 2),
        "source": decision.assessment.source,
        "reason": decision.reason,
    }
    if ranked:
        result["ranked"] = [
            {"model": c.model, "p_success": round(c.p_success, 4), "cost_usd": _cost(c.cost_usd)}
            for c in decision.candidates
        ]
        result["rejected"] = [{"model": r.model, "reason": r.reason} for r in decision.rejections]
    return result


def _cost(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"


def explanation(task: Task, decision: Decision, catalog: Catalog) -> dict[str, Any]:
    """The instruction without its wrapping, skills and slopes, readings and their winners."""
    instruction = " ".join(envelope.read(task.prompt, local_model.load()).sentences)
    assessment = decision.assessment
    stated = assessment.difficulty_confidence >= CERTAIN
    winners: dict[tuple[str, str], list[Reading]] = defaultdict(list)
    for reading, model in decision.winners:
        skill = " + ".join(name for name, _ in reading.skills)
        winners[skill, model].append(reading)
    return {
        "instruction": instruction[:MOST_SHOWN],
        "context_characters": max(0, len(task.prompt) - len(instruction)),
        "skills": dict(assessment.skills),
        "difficulty": assessment.difficulty,
        "difficulty_stated": stated,
        "slopes": {
            skill: catalog.slopes.get(skill, DEFAULT_SLOPE)._asdict()
            for skill, _ in assessment.skills
        },
        "level": decision.level,
        "readings": [
            {
                "share": round(sum(r.share for r in readings), 3),
                "skill": skill,
                "difficulties": [round(r.difficulty, 1) for r in readings],
                "model": model,
            }
            for (skill, model), readings in winners.items()
        ],
        "loss_usd": Decimal(f"{decision.loss_usd:.7f}"),
    }


def lines_of(explained: Mapping[str, Any]) -> Iterator[str]:
    """The same for people, short."""
    yield f"instruction: {explained['instruction']!r}"
    if explained["difficulty_stated"]:
        yield f"difficulty {explained['difficulty']:.1f}, stated: it counts in full"
    else:
        for skill, slope in explained["slopes"].items():
            difficulty, center = explained["difficulty"], slope["center"]
            level = center + slope["slope"] * (difficulty - center)
            yield (
                f"difficulty {difficulty:.1f} counts as {level:.1f} in {skill}: "
                f"{center:.1f} + slope {slope['slope']:.2f} × ({difficulty:.1f} − {center:.1f})"
            )
    for reading in explained["readings"]:
        model = reading["model"] or "no model with a known price"
        hard = " or ".join(f"{difficulty:.1f}" for difficulty in reading["difficulties"])
        yield f"if it is {reading['skill']} of difficulty {hard} ({reading['share']:.0%}): {model}"
    yield f"a wrong answer costs {dollars(explained['loss_usd'])}"
