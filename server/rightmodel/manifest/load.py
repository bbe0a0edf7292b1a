"""Files → catalog: the user's manifest over the shipped ones, every value with its origin."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from rightmodel.core.errors import ManifestError, TaskError, nearest
from rightmodel.core.format import listed
from rightmodel.core.task import SKILLS, WireFormat
from rightmodel.manifest.base_url import is_loopback
from rightmodel.manifest.build import (
    Draft,
    build_budget,
    build_model,
    build_provider,
    build_routing,
    build_rules,
    served_drafts,
    shipped_draft,
    shipped_label,
)
from rightmodel.manifest.catalog import (
    DEFAULT_SLOPE,
    DEFAULT_SLOPES,
    Catalog,
    FilePolicy,
    Model,
    Slope,
    by_id,
)
from rightmodel.manifest.clients import build_clients
from rightmodel.manifest.local_servers import LOCAL
from rightmodel.manifest.read import (
    read_manifest,
    shipped_manifest,
    shipped_names,
    shipped_provider,
)
from rightmodel.manifest.schema import Manifest, ProviderTable
from rightmodel.manifest.text_file import expand_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from rightmodel.manifest.catalog import Provider
    from rightmodel.manifest.local_servers import Served


@dataclass(slots=True)
class _Workbench:
    """State of one load."""

    user: Manifest
    file: str
    folder: Path
    has_key: Callable[[Provider], bool]
    near_miss: Callable[[Provider], str]
    urls: Mapping[str, str]
    served: Mapping[str, Served]
    providers: dict[str, Provider] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def provider(self, name: str, key: str) -> Provider:
        """A provider: shipped, then environment, running server and the user's on top."""
        if name not in self.providers:
            draft = Draft()
            if (shipped := shipped_provider(name)) is not None:
                draft.lay_over(shipped, shipped_label(name))
            if name in self.urls:
                draft.lay_over(ProviderTable(base_url=self.urls[name]), "the environment")
            if name in self.served and self.served[name].on_disk:
                draft.lay_over(ProviderTable(one_model_at_a_time=True), f"the running {name}")
            if name in self.user.providers:
                draft.lay_over(self.user.providers[name], self.file)
                if draft.values.get("key_file"):
                    draft.values["key_file"] = str(self.path_of(draft.values["key_file"]))
            if not draft.values:
                known = sorted({*self.user.providers, *shipped_names()})
                close = nearest(name, known, count=1)
                hint = f"did you mean {close[0]!r}?" if close else f"known: {listed(known)}."
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
        return (self.folder / expand_user(name)).resolve()

    def model(self, draft: Draft, model_id: str) -> Model:
        """A model from its draft; its origins are kept."""
        model = build_model(model_id, draft.values, self.provider, self.file)
        self.origins.update({f"{model_id}.{k}": o for k, o in draft.origins.items()})
        return model


def local_servers(path: Path | None, urls: Mapping[str, str]) -> dict[str, str]:
    """Local provider → base URL: servers that may list models.

    Of the shipped ones, those that the manifest uses; all, where it names no models. Of the user's
    own, those without a model in the manifest. `urls`: from the environment. Raises
    `ManifestError`.
    """
    user = read_manifest(path) if path else Manifest(version=1)
    found = {}
    for name in LOCAL:
        own, shipped = user.providers.get(name), shipped_provider(name)
        url = (own and own.base_url) or urls.get(name) or (shipped and shipped.base_url)
        if url and (_uses(user, name) or (user.include is None and not user.models)):
            found[name] = url
    return found | _own_servers(user)


def _own_servers(user: Manifest) -> dict[str, str]:
    """The user's own providers on loopback without a model in the manifest → base URL."""
    return {
        name: table.base_url
        for name, table in user.providers.items()
        if table.base_url
        and is_loopback(table.base_url)
        and table.protocol is WireFormat.OPENAI_CHAT
        and name not in shipped_names()
        and not _uses(user, name)
    }


def _uses(user: Manifest, provider: str) -> bool:
    """Whether a manifest takes models from a provider."""
    return provider in (user.include or ()) or any(
        provider == (model.provider or model.id.partition("/")[0])
        or any(e.provider == provider for e in model.endpoints or ())
        for model in user.models
    )


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
    `ManifestError`.
    """
    user = read_manifest(path) if path else Manifest(version=1)
    folder = path.resolve().parent if path else Path.cwd()
    file = str(path) if path else "(no manifest)"
    bench = _Workbench(user, file, folder, has_key, near_miss, urls or {}, served or {})
    for name in user.providers:
        bench.provider(name, f"providers.{name}")
    drafts = _connected(bench)
    models = by_id(bench.model(draft, model_id) for model_id, draft in drafts.items())
    excluded = _excluded(bench, models)
    models = {k: m for k, m in models.items() if k not in excluded}
    aliases = _aliases(bench, models)
    reference = _baseline_reference(bench, models, aliases)
    catalog = Catalog(
        models=models,
        providers=bench.providers,
        own_skills=_own_skills(bench),
        slopes=_slopes(user),
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
        absent=_absent(models, bench.served),
        loaded=_loaded(bench.served),
        file=bench.file,
    )
    _check_judge(catalog)
    catalog = build_clients(build_budget(catalog, user.budget), user)
    return build_rules(catalog, user.rules, bench.file)


def _connected(bench: _Workbench) -> dict[str, Draft]:
    """Every model that is to be connected, as drafts by id, in order."""
    drafts: dict[str, Draft] = {}
    own = _own_servers(bench.user)
    for name in dict.fromkeys((*_included(bench), *own)):
        if name in bench.served:
            drafts.update(served_drafts(name, bench.served[name], bench.notes))
            continue
        if name in own:
            bench.notes.append(_nothing_answers(bench.provider(name, "providers")))
            continue
        shipped = _shipped_or_fail(bench, name)
        if not shipped.models:
            bench.notes.append(_nothing_answers(bench.provider(name, "include")))
        for table in shipped.models:
            drafts[table.id] = Draft()
            drafts[table.id].lay_over(table, shipped_label(name))
    seen: set[str] = set()
    for table in bench.user.models:
        if table.id in seen:
            raise ManifestError(
                "two models have this id; ids are unique. Several providers of one "
                "model are written as endpoints = [...]",
                file=bench.file,
                key=f'models."{table.id}"',
            )
        seen.add(table.id)
        draft = drafts.setdefault(table.id, shipped_draft(table.id))
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
    if not ready and not bench.served:
        bench.notes.append(
            "no provider's key is set; set one of "
            + ", ".join(bench.provider(n, "include").key_env for n in remote)
            + ", start a local server (Ollama, LM Studio, llama.cpp, vLLM), or write a manifest"
        )
    ready += bench.served
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


def _nothing_answers(provider: Provider) -> str:
    """What to do about a local provider without models in any manifest."""
    name = provider.name
    return (
        f"{name}: no server answers at {provider.base_url}: start it, or correct base_url in "
        f'[providers.{name}], or name its model: [[models]] with id = "{name}/NAME"'
    )


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


def _excluded(bench: _Workbench, models: Mapping[str, Model]) -> set[str]:
    out: set[str] = set()
    for pattern in bench.user.exclude or ():
        hit = {model_id for model_id in models if fnmatchcase(model_id, pattern)}
        if not hit:
            bench.notes.append(f"exclude {pattern!r} matches no connected model")
        out |= hit
    if out and len(out) == len(models):
        bench.notes.append("exclude leaves no model")
    return out


def _aliases(bench: _Workbench, models: Mapping[str, Model]) -> dict[str, str]:
    """Alias → id. The user's aliases win over shipped ones. Raises for any other clash."""
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


def _own_skills(bench: _Workbench) -> dict[str, str]:
    """The user's own skills → their descriptions."""
    own = {}
    for name, table in bench.user.skills.items():
        if name in SKILLS:
            if table.description is not None:
                raise ManifestError(
                    f"{name} is a known skill: its description is fixed, only slope can be set",
                    file=bench.file,
                    key=f"skills.{name}.description",
                )
        elif table.description is None:
            close = nearest(name, SKILLS, count=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ManifestError(
                f"a skill of your own needs a description{hint}",
                file=bench.file,
                key=f"skills.{name}",
            )
        else:
            own[name] = table.description
    return own


def _slopes(user: Manifest) -> dict[str, Slope]:
    """Shipped slopes, replaced by the user's where given."""
    own = {
        name: Slope(table.slope, DEFAULT_SLOPES.get(name, DEFAULT_SLOPE).center)
        for name, table in user.skills.items()
        if table.slope is not None
    }
    return {**DEFAULT_SLOPES, **own}


def _file_policy(bench: _Workbench) -> FilePolicy:
    table = bench.user.files
    roots = tuple(str(bench.path_of(root)) for root in table.roots or ())
    max_bytes = table.max_bytes or FilePolicy().max_bytes
    return FilePolicy(roots, max_bytes, tuple(table.allow or ()))
