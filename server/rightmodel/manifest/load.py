"""Files → catalog: the user's manifest over the shipped ones, every value with its origin."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import nearest
from rightmodel.core.format import fits, listed
from rightmodel.core.task import SKILLS, WireFormat
from rightmodel.manifest.build import build_budget, build_rules
from rightmodel.manifest.catalog import (
    DEFAULT_SLOPE,
    DEFAULT_SLOPES,
    Catalog,
    FilePolicy,
    Provider,
    Routing,
    Slope,
    by_id,
)
from rightmodel.manifest.clients import build_clients
from rightmodel.manifest.layers import Workbench, connected, shipped_draft
from rightmodel.manifest.problems import Problems
from rightmodel.manifest.read import key_lines, read_manifest, shipped_manifest
from rightmodel.manifest.schema import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rightmodel.manifest.catalog import Model
    from rightmodel.manifest.local_servers import Served

_FEATURES: Final = frozenset({"json_schema", "tools", "reasoning"})
_LEAST_PRICE: Final = Decimal("0.0002")
"""USD per million tokens; the lowest price in the shipped manifests is fifteen times that."""


def load_catalog(
    path: Path | None,
    *,
    has_key: Callable[[Provider], bool],
    near_miss: Callable[[Provider], str] = lambda _: "",
    urls: Mapping[str, str] | None = None,
    served: Mapping[str, Served] | None = None,
) -> Catalog:
    """The effective manifest.

    `path`: the user's manifest, `None` for none at all. `has_key`: whether a provider's key is
    set. `near_miss`: a misspelt variable that may hold it. `urls`: local provider → base URL from
    the environment. `served`: local provider → what its running server lists. Raises
    `ManifestError` with every error of the schema, else with every other error.
    """
    user = read_manifest(path) if path else Manifest(version=1)
    folder = path.resolve().parent if path else Path.cwd()
    problems = Problems(str(path) if path else "(no manifest)")
    bench = Workbench(user, folder, problems, has_key, near_miss, urls or {}, served or {})
    models = _connected_models(bench)
    aliases = _aliases(bench, models)
    catalog = Catalog(
        models=models,
        providers=bench.providers,
        own_skills=_own_skills(bench),
        slopes=_slopes(user),
        routing=Routing(**user.routing.model_dump(exclude_none=True)),
        store_text=user.privacy.store_text,
        ledger_url=user.ledger.url or "",
        files=_file_policy(bench),
        baseline=user.baseline or "",
        reference=_baseline_reference(bench, models, aliases),
        aliases=aliases,
        excludes=tuple(user.exclude or ()),
        origins=bench.origins,
        notes=(*bench.notes, *_hardly_meant(user)),
        absent=_absent(models, bench.served),
        loaded=_loaded(bench.served),
        file=bench.file,
    )
    with problems.at("routing.judge"):
        if catalog.routing.judge:
            catalog.find(catalog.routing.judge)
    catalog = build_budget(catalog, user.budget, problems)
    catalog = build_clients(catalog, user, problems)
    catalog = build_rules(catalog, user.rules, problems)
    problems.raise_any(lambda: key_lines(path))
    return catalog


def _hardly_meant(user: Manifest) -> Iterator[str]:
    """Valid values that change money or choices in a way that their author hardly had in mind."""
    required = {name for rule in user.rules for name in rule.require.features or ()}
    for model in user.models:
        prices = model.cost.model_dump(exclude_none=True).values() if model.cost else ()
        low = min(filter(None, prices), default=_LEAST_PRICE)
        if low < _LEAST_PRICE:
            yield f"{model.id}: cost is per million tokens; {low:f} looks like the price of one"
        for name in sorted({*(model.features or ())} - required - _FEATURES):
            known = ", ".join(sorted(_FEATURES))
            yield f"{model.id}: no call or rule requires the feature {name!r}; calls know {known}"


def _connected_models(bench: Workbench) -> dict[str, Model]:
    for name in bench.user.providers:
        with bench.problems.at(f"providers.{name}"):
            bench.provider(name, f"providers.{name}")
        # One with an error stands for itself from here on: its models have no further error.
        bench.providers.setdefault(name, Provider(name, WireFormat.OPENAI_CHAT, ""))
    drafts = connected(bench)
    models = by_id(bench.model(draft, model_id) for model_id, draft in drafts.items())
    excluded = _excluded(bench, models)
    return {k: m for k, m in models.items() if k not in excluded}


def _absent(models: Mapping[str, Model], served: Mapping[str, Served]) -> dict[str, str]:
    """Models that a running local server does not list → what to do about it."""
    names = {name: {model.name for model in listed.models} for name, listed in served.items()}
    found = {}
    for model in models.values():
        local = [e for e in model.endpoints if e.provider.name in names]
        has = any({e.name, f"{e.name}:latest"} & names[e.provider.name] for e in local)
        if local and len(local) == len(model.endpoints) and not has:
            first = local[0]
            found[model.id] = f"{first.provider.name} does not have {first.name}: pull or load it"
    return found


def _loaded(served: Mapping[str, Served]) -> dict[str, frozenset[str]]:
    return {
        name: frozenset(model.name for model in listed.models if model.loaded)
        for name, listed in served.items()
        if any(model.loaded is not None for model in listed.models)
    }


def _excluded(bench: Workbench, models: Mapping[str, Model]) -> set[str]:
    out: set[str] = set()
    for pattern in bench.user.exclude or ():
        hit = {model_id for model_id in models if fits(model_id, pattern)}
        if not hit:
            bench.notes.append(f"exclude {pattern!r} matches no connected model")
        out |= hit
    if out and len(out) == len(models):
        bench.notes.append("exclude leaves no model")
    return out


def _aliases(bench: Workbench, models: Mapping[str, Model]) -> dict[str, str]:
    """Alias → id. The user's aliases win over shipped ones. Any other clash is an error."""
    shipped: dict[str, str] = {}
    own: dict[str, str] = {}
    for model in models.values():
        users = bench.origins.get(f"{model.id}.aliases") == bench.file
        for alias in model.aliases:
            key = f'models."{model.id}".aliases'
            if alias in models and users:
                bench.problems.add(
                    key,
                    f"alias {alias!r} is the id of another model; an alias names one model "
                    "and never leads to a further alias",
                )
            elif users and own.get(alias, model.id) != model.id:
                bench.problems.add(key, f"alias {alias!r} already names {own[alias]!r}")
            (own if users else shipped).setdefault(alias, model.id)
    return {a: i for a, i in {**shipped, **own}.items() if a not in models}


def _baseline_reference(
    bench: Workbench, models: Mapping[str, Model], aliases: Mapping[str, str]
) -> dict[str, Model]:
    """The shipped entry of a baseline that is not connected: its price is needed."""
    name = bench.user.baseline
    if not name or aliases.get(name, name) in models:
        return {}
    draft = shipped_draft(name)
    if not draft.values:
        shipped = shipped_manifest(name.partition("/")[0])
        known = [*models, *aliases, *(t.id for t in (shipped.models if shipped else ()))]
        close = nearest(name, known)
        hint = f"Nearest: {', '.join(close)}." if close else f"Connected: {listed([*models])}."
        bench.problems.add("baseline", f"no connected or shipped model is called {name!r}. {hint}")
        return {}
    providers = dict(bench.providers)
    model = bench.model(draft, name)
    bench.providers = providers
    return {name: model}


def _own_skills(bench: Workbench) -> dict[str, str]:
    own = {}
    for name, table in bench.user.skills.items():
        if name not in SKILLS:
            own[name] = table.description or ""
            if table.description is None:
                close = nearest(name, SKILLS, count=1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                why = f"a skill of your own needs a description{hint}"
                bench.problems.add(f"skills.{name}", why)
        elif table.description is not None:
            why = f"{name} is a known skill: its description is fixed, only slope can be set"
            bench.problems.add(f"skills.{name}.description", why)
    for model in bench.user.models:
        for skill in sorted({*(model.skills or ())} - {*SKILLS, *own}):
            more = f" One of your own needs [skills.{skill}]."
            key = f'models."{model.id}".skills'
            bench.problems.unknown(key, "skill", skill, [*SKILLS, *own], more)
    return own


def _slopes(user: Manifest) -> dict[str, Slope]:
    own = {
        name: Slope(table.slope, DEFAULT_SLOPES.get(name, DEFAULT_SLOPE).center)
        for name, table in user.skills.items()
        if table.slope is not None
    }
    return {**DEFAULT_SLOPES, **own}


def _file_policy(bench: Workbench) -> FilePolicy:
    table = bench.user.files
    roots = tuple(str(bench.path_of(root)) for root in table.roots or ())
    max_bytes = table.max_bytes or FilePolicy().max_bytes
    return FilePolicy(roots, max_bytes, tuple(table.allow or ()))
