"""`rightmodel calibrate`: ratings and slopes fitted to a table of outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING
from zlib import crc32

import click

from rightmodel.core.errors import TaskError
from rightmodel.core.format import listed
from rightmodel.core.task import Task
from rightmodel.evaluation.changes import (
    changed_ratings,
    changed_slopes,
    crossed_log_loss,
    ratings_of,
    with_fit,
)
from rightmodel.evaluation.fit import as_toml, fit
from rightmodel.evaluation.table import Row, read_table
from rightmodel.execution.engine import make_router
from rightmodel.manifest.load import load_catalog
from rightmodel.surfaces.cli import with_settings
from rightmodel.surfaces.cli.terminal import echo
from rightmodel.surfaces.cli.text_file import change_file, file_errors

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.evaluation.fit import Assessed, Fit
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.manifest.settings import Settings


@click.command("calibrate")
@click.argument("outcomes", metavar="OUTCOMES.jsonl")
@click.option("--write", is_flag=True, help="Put the ratings into the manifest.")
@with_settings
def command(settings: Settings, *, outcomes: str, write: bool) -> None:
    """Fit the ratings of the manifest's models to OUTCOMES.jsonl; print them as TOML.

    What changes is listed on standard error.
    """
    rows = read_table(outcomes)
    catalog = load_catalog(settings.manifest, has_key=settings.has_key)
    if write and settings.manifest is None:
        raise TaskError(
            "--write needs a manifest and none is in use: give --manifest, or save what "
            "`rightmodel calibrate` prints as rightmodel.toml"
        )
    calibration = asyncio.run(calibrate(rows, catalog))
    if not calibration.fit.outcomes:
        tried = list(dict.fromkeys(model for row in rows for model in row.outcomes))
        raise TaskError(
            f"{outcomes}: none of its models is in the manifest. "
            f"The table's: {listed(tried)}. The manifest's: {listed([*catalog.models])}"
        )
    _show_changes(catalog, calibration)
    if write and settings.manifest is not None:
        _write(settings.manifest, calibration.fit, settings)
    else:
        echo(as_toml(calibration.fit.ratings, calibration.fit.slopes), nl=False)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The fit, and the log loss before and after on prompts not fitted on."""

    fit: Fit
    loss_before: float
    loss_after: float


async def calibrate(rows: Sequence[Row], catalog: Catalog) -> Calibration:
    """Ratings and slopes. Of the table only prompts and scores are read.

    A prompt counts once, however often it was tried: with its mean score.
    """
    router = make_router(catalog, None)
    assessed: Assessed = [
        (
            (await router.route(Task(prompt=prompt))).assessment,
            {model: fmean(tried) for model, tried in scores.items() if model in catalog.models},
        )
        for prompt, scores in _by_prompt(rows)
    ]
    priors = ratings_of(catalog)
    before, after = crossed_log_loss(priors, assessed, catalog.slopes)
    return Calibration(fit(priors, assessed, catalog.slopes), before, after)


def _by_prompt(rows: Sequence[Row]) -> list[tuple[str, Mapping[str, list[float]]]]:
    """Each prompt with the scores of each model, in an order that no order of rows shows in."""
    found: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        scores = found.setdefault(row.prompt, {})
        for model, outcome in row.outcomes.items():
            scores.setdefault(model, []).append(outcome.score)
    return sorted(found.items(), key=lambda item: crc32(item[0].encode(errors="replace")))


def _show_changes(catalog: Catalog, calibration: Calibration) -> None:
    """What changes, and whether it helps on prompts that were not fitted on."""
    found = calibration.fit
    changed = changed_ratings(ratings_of(catalog), found.ratings, found.outcomes)
    for line in (*changed, *changed_slopes(catalog.slopes, found.slopes)):
        echo(line, err=True)
    without = [model for model in catalog.models if model not in found.outcomes]
    if without:
        echo(f"no outcomes of {listed(without)}: their ratings were not raised", err=True)
    before, after = calibration.loss_before, calibration.loss_after
    verdict = "" if after < before else ": no better than before; it takes more outcomes"
    echo(f"log loss on prompts not fitted on: {before:.4f} → {after:.4f}{verdict}", err=True)


def _write(manifest: Path, found: Fit, settings: Settings) -> None:
    """Replace the manifest by one with the fit in place, if that still loads; keep a backup."""
    target = manifest.resolve()
    draft = target.with_name(f".{target.name}.calibrated")
    backup = target.with_name(f"{target.name}.bak")
    again = backup.exists()

    def calibrated(text: str) -> str:
        changed = with_fit(text, found)
        draft.write_text(changed, encoding="utf-8")
        load_catalog(draft, has_key=settings.has_key)
        return changed

    try:
        with file_errors(target):
            change_file(target, calibrated, keeps=not again)
    finally:
        draft.unlink(missing_ok=True)
    echo(f"{target} is calibrated; the manifest before is in {backup.name}", err=True)
    if again:
        echo(
            "It had been calibrated before: the fit began with those ratings, and an outcome in "
            f"both tables counts twice. To begin anew, put {backup.name} back first.",
            err=True,
        )
