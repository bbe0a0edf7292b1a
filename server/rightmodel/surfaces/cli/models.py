"""`rightmodel models`: the effective manifest."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import click

from rightmodel.core.format import counted, per_million
from rightmodel.execution.engine import effective_catalog
from rightmodel.ledger.call_rows import day_of
from rightmodel.manifest.build import DAYS
from rightmodel.manifest.local_servers import LOCAL
from rightmodel.manifest.read import shipped_names, shipped_provider
from rightmodel.surfaces.cli import learned_ratings as ratings
from rightmodel.surfaces.cli import settings_summary, with_settings
from rightmodel.surfaces.cli.terminal import echo, styled

if TYPE_CHECKING:
    from rich.table import Table

    from rightmodel.ledger.ratings import LearnedRating
    from rightmodel.manifest.catalog import Catalog, Model
    from rightmodel.manifest.price import Price, Terms
    from rightmodel.manifest.settings import Settings


WIDE: Final = 200


@click.command("models")
@click.argument("name", required=False, default="")
@click.option("--origins", is_flag=True, help="Each value with the file that it comes from.")
@click.option("--learned", is_flag=True, help="Ratings that outcomes moved.")
@click.option("--export", is_flag=True, help="The learned ratings as a manifest fragment.")
@click.option("--forget", is_flag=True, help="Forget what was learned, of NAME or of every model.")
@click.option("-y", "--yes", is_flag=True, help="With --forget: do not ask.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_settings
def command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    name: str,
    origins: bool,
    learned: bool,
    export: bool,
    forget: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Show the connected models, or one of them by NAME."""
    if learned + export + forget > 1:
        raise click.UsageError("give one of --learned, --export and --forget")
    catalog = asyncio.run(effective_catalog(settings))
    models = [catalog.find(name)] if name else list(catalog.models.values())
    if forget:
        ratings.forget(catalog, settings, name, sure=yes)
    elif export:
        ratings.export_learned(catalog, settings)
    elif learned:
        ratings.show_learned(catalog, settings, models, as_json=as_json)
    elif as_json:
        echo(json.dumps([_plain(m, catalog, origins=origins) for m in models], indent=2))
    elif origins or name:
        for model in models:
            _print_one(
                model, catalog, ratings.learned_by_model(catalog, settings).get(model.id, {})
            )
    else:
        _print_table(models, catalog, settings)


def _values(model: Model) -> dict[str, Any]:
    """A model's values under the manifest's own keys."""
    limits = {"context": model.context, "input": model.input_limit, "output": model.output_limit}
    return {
        "endpoints": [f"{e.provider.name}: {e.name}" for e in model.endpoints],
        "description": model.description,
        **{f"cost.{k}": v for k, v in _cost(model.price).items()},
        "cost_when": [_when(terms, price) for terms, price in model.price.others],
        **{f"limits.{k}": v for k, v in limits.items() if v is not None},
        "input": sorted(model.modalities),
        "features": sorted(model.features),
        **{f"skills.{k}": v for k, v in model.skills.items()},
        "effort": list(model.effort),
        "aliases": list(model.aliases),
        "source": model.source,
        "checked": model.checked,
    }


def _cost(price: Price) -> dict[str, str]:
    """What is known, as text in USD per million tokens."""
    prices = ((f.name, getattr(price, f.name)) for f in fields(price) if f.name != "others")
    return {name: per_million(usd) for name, usd in prices if usd is not None}


def _when(terms: Terms, price: Price) -> str:
    """Other prices in one line: when they hold, and what they are."""
    hours = [f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in terms.minutes]
    conditions = [
        f"input_above {terms.input_above}" if terms.input_above >= 0 else "",
        f"utc {' '.join(hours)}" if hours else "",
        f"days {' '.join(DAYS[day] for day in sorted(terms.days))}" if terms.days else "",
        f"since {day_of(terms.since)}" if terms.since is not None else "",
    ]
    prices = " ".join(f"{name} {usd}" for name, usd in _cost(price).items())
    return f"{' and '.join(filter(None, conditions))}: {prices}"


def _origin(model: Model, key: str, catalog: Catalog) -> str:
    if key == "endpoints":
        keys = ("endpoints", "provider", "name")
        found = [o for k in keys if (o := catalog.origins.get(f"{model.id}.{k}"))]
        return found[0] if found else "the id"
    is_guess = model.guessed and key.startswith("skills.")
    return catalog.origins.get(f"{model.id}.{key}", "the price" if is_guess else "default")


def _plain(model: Model, catalog: Catalog, *, origins: bool) -> dict[str, Any]:
    values = {k: v for k, v in _values(model).items() if v not in ("", [])}
    shown: dict[str, Any] = {"id": model.id, **values}
    if origins:
        shown["origins"] = {k: _origin(model, k, catalog) for k in values}
    return shown


def _print_one(model: Model, catalog: Catalog, learned: Mapping[str, LearnedRating]) -> None:
    echo(styled(model.id, bold=True))
    for key, value in _values(model).items():
        if value in ("", []):
            continue
        text = ", ".join(value) if isinstance(value, list) else str(value)
        echo(f"  {key} = {text}  ", styled(_origin(model, key, catalog), dim=True))
    for skill, one in learned.items():
        echo(f"  learned: {skill} {one.shown}")


def _print_table(models: list[Model], catalog: Catalog, settings: Settings) -> None:
    from rightmodel.surfaces.cli.console import console, print_table, table

    learned = ratings.learned_by_model(catalog, settings)
    headings = ["model", "in $/M", "out $/M", "context", "key", "best at", "reads"]
    shown = table(*headings + ["learned"] * bool(learned))
    for column in shown.columns[4:]:
        column.justify = "left"
    for model in models:
        best = sorted(model.skills.items(), key=lambda s: -s[1])[:3]
        shown.add_row(
            model.id,
            per_million(model.price.input) or "?",
            per_million(model.price.output) or "?",
            f"{model.context // 1000}k",
            _key_state(model, settings),
            " ".join(f"{skill} {rating:g}" for skill, rating in best),
            " ".join(sorted(model.modalities)),
            *[", ".join(f"{k} {v.shown}" for k, v in learned.get(model.id, {}).items())]
            * bool(learned),
        )
    screen = console(WIDE)
    if models:
        print_table(screen, shown)
    elif catalog.providers.keys().isdisjoint(shipped_names()):
        print_table(screen, _shipped_keys())
    for note in (*catalog.notes, *(f"{m}: {why}" for m, why in catalog.absent.items())):
        screen.print(note, style="yellow")
    screen.print(f"{counted(len(models), 'model')} from {settings_summary(settings)}", style="dim")


def _shipped_keys() -> Table:
    """The providers that a key connects."""
    from rightmodel.surfaces.cli.console import table

    shown = table("provider", "key")
    shown.columns[1].justify = "left"
    for name in shipped_names():
        provider = shipped_provider(name)
        if provider and provider.key_env and name not in LOCAL:
            shown.add_row(name, provider.key_env)
    return shown


def _key_state(model: Model, settings: Settings) -> str:
    if settings.missing_keys(model):
        return "unset"
    return "set" if any(settings.key(e.provider) for e in model.endpoints) else "none needed"
