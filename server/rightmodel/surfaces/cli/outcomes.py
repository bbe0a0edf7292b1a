"""`rightmodel outcomes`: what the ledger knows of how models did, as a table of outcomes."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from rightmodel.core.errors import TaskError
from rightmodel.ledger.call_rows import day_of
from rightmodel.manifest.load import load_catalog
from rightmodel.surfaces.cli import with_settings
from rightmodel.surfaces.cli.terminal import echo
from rightmodel.surfaces.ledger_view import ask_ledger

if TYPE_CHECKING:
    from rightmodel.ledger.records import AttemptRecord, OutcomeRecord
    from rightmodel.ledger.store import Reader
    from rightmodel.manifest.settings import Settings

    Table = dict[str, dict[str, Any]]

DAY_S: Final = 86_400.0
GOOD: Final = 0.5
NONE_YET: Final = "no outcomes yet: report_outcome and failed checks of answers write them"


@click.command("outcomes")
@click.option("--export", "export", is_flag=True, help="Print the table, a prompt in a line.")
@click.option("--days", type=click.IntRange(1, 36_500), help="The last so many days (all).")
@with_settings
def command(settings: Settings, *, export: bool, days: int | None) -> None:
    """Show how many outcomes the ledger holds; --export prints them for `calibrate` and `eval`.

    Prompts are in the ledger only where the manifest says `[privacy] store_text = true`; an outcome
    without its prompt is counted and left out. What is exported holds these prompts.
    """
    catalog = load_catalog(settings.manifest, has_key=settings.has_key)
    since = time.time() - days * DAY_S if days else 0.0

    def question(reader: Reader) -> tuple[list[OutcomeRecord], Table]:
        found = [o for o in in_force(reader.outcomes()) if o.at >= since]
        return found, table_of(found, reader) if export else {}

    outcomes, table = ask_ledger(catalog, settings, question) or ([], {})
    if not export:
        _show(outcomes)
        return
    for number, (prompt, row) in enumerate(table.items(), start=1):
        line = {"id": row["id"] or str(number), "prompt": prompt, "outcomes": row["outcomes"]}
        echo(json.dumps(line, ensure_ascii=False))
    kept = sum(len(row["outcomes"]) for row in table.values())
    if not kept:
        raise TaskError(
            f"{len(outcomes)} outcomes, none with its prompt: set [privacy] store_text = true in "
            "the manifest, and calls from then on can be exported"
            if outcomes
            else NONE_YET
        )
    echo(
        f"{len(table)} prompts, {kept} outcomes of {len(outcomes)} exported on "
        f"{day_of(time.time())}; the others have no prompt, or a later outcome took their place",
        err=True,
    )


def in_force(outcomes: Iterable[OutcomeRecord]) -> list[OutcomeRecord]:
    """The outcomes that no later reset took back. In order of their ids."""
    kept: list[OutcomeRecord] = []
    for one in outcomes:
        if one.kind != "reset":
            kept.append(one)
        else:
            gone = {skill for skill, _ in one.skills}
            kept = [
                o
                for o in kept
                if (one.model and o.model != one.model)
                or (gone and gone.isdisjoint(skill for skill, _ in o.skills))
            ]
    return kept


def table_of(outcomes: Sequence[OutcomeRecord], reader: Reader) -> Table:
    """Prompt → its id and the outcome of every model: a caller's report before a check, the latest.

    The shape of an outcome is `rightmodel.evaluation.table`'s.
    """
    table: Table = {}
    for one in sorted(outcomes, key=lambda o: (o.kind == "reported", o.id)):
        texts = reader.find_texts(one.call)
        if texts is None or not texts.prompt.strip():
            continue
        row = table.setdefault(texts.prompt, {"id": one.task, "outcomes": {}})
        attempts = [a for a in reader.attempts_of(one.call) if a.model == one.model]
        answered = [a for a in attempts if a.role == "answer" and not a.fault]
        row["outcomes"][one.model] = {"score": one.good, **_spent(answered)}
    return table


def _spent(answered: Sequence[AttemptRecord]) -> dict[str, int | float | None]:
    if not answered:
        return {}
    last = answered[-1]
    cost = None if last.cost_usd is None else float(last.cost_usd)
    return {"input_tokens": last.input, "output_tokens": last.output, "cost_usd": cost}


def _show(outcomes: Sequence[OutcomeRecord]) -> None:
    if not outcomes:
        echo(NONE_YET)
        return
    good = Counter[str]()
    reported, checked = Counter[str](), Counter[str]()
    for one in outcomes:
        (reported if one.kind == "reported" else checked)[one.model] += 1
        good[one.model] += one.good >= GOOD
    for model in sorted(good):
        total = reported[model] + checked[model]
        echo(
            f"{model}: {total} outcomes ({reported[model]} reported, {checked[model]} of checks), "
            f"{good[model]} good"
        )
