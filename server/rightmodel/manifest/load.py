"""Files → catalog: the user's manifest laid over the shipped ones, every value with its origin."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from rightmodel.core.errors import ManifestError, TaskError, nearest
from rightmodel.core.format import listed
from rightmodel.manifest.build import build_model, build_provider, build_routing
from rightmodel.manifest.catalog import Catalog, FilePolicy, Model, by_id
from rightmodel.manifest.read import read_manifest, shipped_manifest, shipped_names
from rightmodel.manifest.rules import build_budget, build_rules
from rightmodel.manifest.schema import Manifest, ModelTable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rightmodel.manifest.catalog import Provider
    from rightmodel.manifest.schema import ProviderTable

_MERGED: Final = ("cost", "limits", "skills")
"""Tables of a model that an override changes key by key instead of replacing."""


@dataclass(slots=True)
class _Draft:
    """Values laid over one another, and the file that each came from."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def lay_over(self, table: ModelTable | ProviderTable, origin: str) -> None:
        for key, value in table.model_dump(exclude_unset=True).items():
            if key == "cost" and value and self.values.get("cost_when"):
                self._outrank(value)
            if key in _MERGED and isinstance(value, dict):
                self.values[key] = {**self.values.get(key, {}), **value}
                self.origins.update({f"{key}.{sub}": origin for sub in value})
            else:
                self.values[key] = value
                self.origins[key] = origin

    def lay_over_draft(self, other: _Draft) -> None:
        """The same for what another draft has gathered."""
        self.values.update(other.values)
        self.origins.update(other.origins)

    def _outrank(self, cost: Mapping[str, Any]) -> None:
        """What is written as `cost` holds at every size and hour, whatever a lower layer says."""
        self.values["cost_when"] = [
            {k: v for k, v in entry.items() if k not in cost} for entry in self.values["cost_when"]
        ]


@dataclass(slots=True)
class _Workbench:
    """What is gathered while the files are combined."""

    user: Manifest
    file: str
    folder: Path
    has_key: Callable[[Provider], bool]
    near_miss: Callable[[Provider], str]
    providers: dict[str, Provider] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def provider(self, name: str, key: str) -> Provider:
        """A provider, shipped or the user's own or one laid over the other."""
        if name not in self.providers:
            draft = _Draft()
            shipped = shipped_manifest(name)
            if shipped and name in shipped.providers:
                draft.lay_over(shipped.providers[name], _shipped_label(name))
            if name in self.user.providers:
                draft.lay_over(self.user.providers[name], self.file)
                if draft.values.get("key_file"):
                    draft.values["key_file"] = str(self.path_of(draft.values["key_file"]))
            if not draft.values:
                known = sorted({*self.user.providers, *shipped_names()})
                close = nearest(name, known, count=1)
                hint = f"did you mean {close[0]!r}?" if close else f"known: {listed(known)}"
                raise ManifestError(
                    f"provider {name!r} is not defined; {hint} "
                    f"Or write [providers.{name}] with protocol and base_url.",
                    file=self.file,
                    key=key,
                )
            self.providers[name] = build_provider(name, draft.values, self.file)
            self.origins.update({f"providers.{name}.{k}": o for k, o in draft.origins.items()})
        return self.providers[name]

    def path_of(self, name: str) -> Path:
        """A path of the manifest: relative ones start at the manifest's own folder."""
        return (self.folder / Path(name).expanduser()).resolve()

    def model(self, draft: _Draft, model_id: str) -> Model:
        """A finished model; its origins are kept."""
        model = build_model(model_id, draft.values, self.provider, self.file)
        self.origins.update({f"{model_id}.{k}": o for k, o in draft.origins.items()})
        return model


def load_catalog(
    path: Path | None,
    *,
    has_key: Callable[[Provider], bool],
    near_miss: Callable[[Provider], str] = lambda _: "",
    local_models: Mapping[str, Sequence[str]] | None = None,
) -> Catalog:
    """The effective manifest.

    `path`: the user's manifest, `None` for none at all. `has_key`: whether a provider's key is
    set. `near_miss`: a misspelt variable that may hold it. `local_models`: shipped local provider
    → names of the models that it answers with; only used when there is no manifest. Raises
    `ManifestError`.
    """
    user = read_manifest(path) if path else Manifest(version=1)
    folder = path.resolve().parent if path else Path.cwd()
    bench = _Workbench(user, str(path) if path else "(no manifest)", folder, has_key, near_miss)
    for name in user.providers:
        bench.provider(name, f"providers.{name}")
    drafts = _connected(bench, (local_models or {}) if path is None else {})
    models = by_id(bench.model(draft, model_id) for model_id, draft in drafts.items())
    excluded = _excluded(bench, models)
    models = {k: m for k, m in models.items() if k not in excluded}
    aliases = _aliases(bench, models)
    reference = _baseline_reference(bench, models, aliases)
    catalog = Catalog(
        models=models,
        providers=bench.providers,
        own_skills={name: table.description for name, table in user.skills.items()},
        routing=build_routing(user.routing),
        store_text=user.privacy.store_text,
        ledger_url=user.ledger.url or "",
        files=_file_policy(bench),
        baseline=user.baseline or "",
        reference=reference,
        aliases=aliases,
        excludes=tuple(user.exclude or ()),
        origins=bench.origins,
        notes=tuple(bench.notes),
        file=bench.file,
    )
    _check_judge(catalog)
    return build_rules(build_budget(catalog, user.budget), user.rules, bench.file)


def _shipped_label(name: str) -> str:
    return f"shipped {name}.toml"


def _connected(bench: _Workbench, local: Mapping[str, Sequence[str]]) -> dict[str, _Draft]:
    """Every model that is to be connected, as drafts by id, in order."""
    drafts: dict[str, _Draft] = {}
    for name in _included(bench):
        for table in _shipped_or_fail(bench, name).models:
            drafts[table.id] = _Draft()
            drafts[table.id].lay_over(table, _shipped_label(name))
    for name, wires in local.items():
        drafts.update(_local_drafts(bench, name, wires))
    seen: set[str] = set()
    for table in bench.user.models:
        if table.id in seen:
            raise ManifestError(
                "two models have this id; ids are unique. Several places to get one model "
                "from are written as endpoints = [...]",
                file=bench.file,
                key=f'models."{table.id}"',
            )
        seen.add(table.id)
        draft = drafts.setdefault(table.id, _shipped_draft(table.id))
        if table.endpoints:
            draft.values.pop("provider", None), draft.values.pop("name", None)
        elif table.provider or table.name:
            draft.values.pop("endpoints", None)
        draft.lay_over(table, bench.file)
    return drafts


def _included(bench: _Workbench) -> Iterable[str]:
    if bench.user.include is not None:
        return bench.user.include
    if bench.user.models:
        return ()
    remote = [n for n in shipped_names() if bench.provider(n, "include").needs_key]
    ready = [n for n in remote if bench.has_key(bench.provider(n, "include"))]
    for name in remote:
        if miss := bench.near_miss(bench.provider(name, "include")):
            bench.notes.append(f"{name} is not connected: {miss}")
    if not ready:
        bench.notes.append(
            "no provider's key is set; set one of "
            + ", ".join(bench.provider(n, "include").key_env for n in remote)
            + ", or write a manifest"
        )
    bench.providers = {
        n: p for n, p in bench.providers.items() if n in ready or n in bench.user.providers
    }
    return ready


def _shipped_or_fail(bench: _Workbench, name: str) -> Manifest:
    shipped = shipped_manifest(name)
    if shipped is None:
        close = nearest(name, shipped_names(), count=1)
        hint = f"did you mean {close[0]!r}?" if close else f"shipped: {', '.join(shipped_names())}"
        raise ManifestError(f"no shipped manifest {name!r}; {hint}", file=bench.file, key="include")
    bench.provider(name, "include")
    return shipped


def _shipped_draft(model_id: str) -> _Draft:
    """What a shipped manifest says of an id, nothing where none does."""
    draft = _Draft()
    provider = model_id.partition("/")[0]
    shipped = shipped_manifest(provider)
    for table in shipped.models if shipped else ():
        if table.id == model_id:
            draft.lay_over(table, _shipped_label(provider))
    return draft


def _local_drafts(bench: _Workbench, name: str, wires: Sequence[str]) -> dict[str, _Draft]:
    """Models that a local server lists: what a shipped manifest knows of them, else defaults.

    What the server sends is validated like the models of a file; what is invalid is left out.
    """
    bench.provider(name, "include")
    drafts = {}
    for wire in wires:
        model_id = re.sub(r"[\s,]", "-", f"{name}/{wire}")
        try:
            table = ModelTable(id=model_id, provider=name, name=wire)
        except ValidationError:
            bench.notes.append(f"{name} lists a model with an unusable name; it is left out")
            continue
        draft = _Draft()
        draft.lay_over(table, f"the running {name}")
        draft.lay_over_draft(_shipped_draft(model_id))
        drafts[model_id] = draft
    return drafts


def _excluded(bench: _Workbench, models: Mapping[str, Model]) -> set[str]:
    out: set[str] = set()
    for pattern in bench.user.exclude or ():
        hit = {model_id for model_id in models if fnmatchcase(model_id, pattern)}
        if not hit:
            bench.notes.append(f"exclude {pattern!r} matches no connected model")
        out |= hit
    return out


def _aliases(bench: _Workbench, models: Mapping[str, Model]) -> dict[str, str]:
    """Alias → id. The user's aliases win over shipped ones; anything else that clashes is wrong."""
    shipped: dict[str, str] = {}
    own: dict[str, str] = {}
    for model in models.values():
        users = bench.origins.get(f"{model.id}.aliases") == bench.file
        for alias in model.aliases:
            key = f'models."{model.id}".aliases'
            if alias in models and users:
                raise ManifestError(
                    f"alias {alias!r} is the id of another model; an alias names one model "
                    "and never leads to a further alias",
                    file=bench.file,
                    key=key,
                )
            if users and own.get(alias, model.id) != model.id:
                raise ManifestError(
                    f"alias {alias!r} already names {own[alias]!r}", file=bench.file, key=key
                )
            (own if users else shipped).setdefault(alias, model.id)
    return {a: i for a, i in {**shipped, **own}.items() if a not in models}


def _baseline_reference(
    bench: _Workbench, models: Mapping[str, Model], aliases: Mapping[str, str]
) -> dict[str, Model]:
    """The baseline's own entry where it is not connected: its price is enough."""
    name = bench.user.baseline
    if not name or aliases.get(name, name) in models:
        return {}
    draft = _shipped_draft(name)
    if not draft.values:
        shipped = shipped_manifest(name.partition("/")[0])
        known = [*models, *aliases, *(t.id for t in (shipped.models if shipped else ()))]
        close = nearest(name, known)
        hint = f"Nearest: {', '.join(close)}." if close else f"Connected: {listed([*models])}."
        raise ManifestError(
            f"no connected or shipped model is called {name!r}. {hint}",
            file=bench.file,
            key="baseline",
        )
    providers = dict(bench.providers)
    model = bench.model(draft, name)
    bench.providers = providers
    return {name: model}


def _check_judge(catalog: Catalog) -> None:
    try:
        if catalog.routing.judge:
            catalog.find(catalog.routing.judge)
    except TaskError as error:
        raise ManifestError(str(error), file=catalog.file, key="routing.judge") from None


def _file_policy(bench: _Workbench) -> FilePolicy:
    table = bench.user.files
    roots = tuple(str(bench.path_of(root)) for root in table.roots or ())
    return FilePolicy(roots, table.max_bytes or FilePolicy().max_bytes)
