"""Which models are connected, and the layers of values that each has: shipped, server's, user's."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from rightmodel.core.errors import ManifestError, nearest
from rightmodel.core.format import listed
from rightmodel.manifest.build import build_model, build_provider
from rightmodel.manifest.catalog import Model, Provider
from rightmodel.manifest.local_servers import Served, ServedModel, own_servers
from rightmodel.manifest.read import shipped_manifest, shipped_names, shipped_provider
from rightmodel.manifest.schema import Manifest, ModelTable, ProviderTable
from rightmodel.manifest.text_file import expand_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from rightmodel.manifest.problems import Problems

_MERGED: Final = ("cost", "limits", "skills", "cache")
"""Tables of a model or provider that an override changes key by key instead of replacing."""
_FOR_INSTANCE: Final = ("openai", "anthropic", "google", "openrouter")
"""Shipped providers whose keys are named to a user who has set none."""

_PATH: Final = re.compile(r"[~.]{0,2}[/\\]|[A-Za-z]:[/\\]")
_WEIGHTS: Final = ".gguf"
_PART_OF_WEIGHTS: Final = re.compile(r"-\d{5}-of-\d{5}$")


@dataclass(slots=True)
class Draft:
    """Values laid over one another, and the file that each came from."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def lay_over(self, table: ModelTable | ProviderTable, origin: str) -> None:
        """Add a layer on top: the keys that the table sets win."""
        for key, value in table.model_dump(exclude_unset=True).items():
            if key == "cost" and value and self.values.get("cost_when"):
                self._outrank(value)
            if key in _MERGED and isinstance(value, dict):
                self.values[key] = {**self.values.get(key, {}), **value}
                self.origins.update({f"{key}.{sub}": origin for sub in value})
            else:
                self.values[key] = value
                self.origins[key] = origin

    def _outrank(self, cost: Mapping[str, Any]) -> None:
        """A price in `cost` holds at every size and hour, also over a lower `cost_when`."""
        self.values["cost_when"] = [
            {k: v for k, v in entry.items() if k not in cost} for entry in self.values["cost_when"]
        ]


def shipped_label(name: str) -> str:
    """The origin of values from a shipped manifest."""
    return f"shipped {name}.toml"


def shipped_draft(model_id: str) -> Draft:
    """The shipped manifest's entry for an id, empty where there is none."""
    draft = Draft()
    provider = model_id.partition("/")[0]
    shipped = shipped_manifest(provider)
    for table in shipped.models if shipped else ():
        if table.id == model_id:
            draft.lay_over(table, shipped_label(provider))
    return draft


def served_drafts(name: str, served: Served, notes: list[str]) -> dict[str, Draft]:
    """Models that a local server lists: what a shipped manifest knows of them, else defaults.

    What the server sends is validated like the models of a file; `notes` lists what is left out.
    """
    drafts: dict[str, Draft] = {}
    for model in served.models:
        model_id = _served_id(name, model.name, drafts)
        shipped = shipped_draft(model_id)
        try:
            basic = ModelTable(id=model_id, provider=name, name=model.name)
            known = _as_table(model_id, model, shipped.values)
        except ValidationError:
            notes.append(f"{name} lists a model with an unusable name; it is left out")
            continue
        draft = Draft()
        draft.lay_over(basic, f"the running {name}")
        draft.values |= shipped.values
        draft.origins |= shipped.origins
        draft.lay_over(known, f"the running {name}")
        drafts[model_id] = draft
    return drafts


def _served_id(provider: str, name: str, taken: Iterable[str]) -> str:
    """A readable id: servers that are started with a file list its path as the model's name."""
    readable = name
    if _PATH.match(name) or name.endswith(_WEIGHTS):
        *folders, file = re.split(r"[/\\]+", name.rstrip("/\\"))
        readable = _PART_OF_WEIGHTS.sub("", file.removesuffix(_WEIGHTS)) or name
        if f"{provider}/{readable}" in taken and folders:
            readable = f"{folders[-1]}/{readable}"
    return re.sub(r"[\s,]", "-", f"{provider}/{readable}")


def _as_table(model_id: str, served: ServedModel, shipped: Mapping[str, Any]) -> ModelTable:
    stated: dict[str, Any] = {"id": model_id}
    if served.context:
        stated["limits"] = {"context": served.context}
    if served.features:
        stated["features"] = sorted({*shipped.get("features", ()), *served.features})
    if served.image:
        stated["input"] = sorted({*shipped.get("input", ()), "text", "image"})
    return ModelTable.model_validate(stated)


@dataclass(slots=True)
class Workbench:
    """State of one load. `served`: local provider → what its running server lists."""

    user: Manifest
    folder: Path
    problems: Problems
    has_key: Callable[[Provider], bool]
    near_miss: Callable[[Provider], str]
    urls: Mapping[str, str]
    served: Mapping[str, Served]
    providers: dict[str, Provider] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def file(self) -> str:
        """The user's manifest, for messages."""
        return self.problems.file

    def provider(self, name: str, key: str) -> Provider:
        """A provider: shipped, then environment, running server and the user's on top.

        Raises `ManifestError`, at `key` where nothing defines it.
        """
        if name not in self.providers:
            draft = self._provider_draft(name)
            if not draft.values and name not in self.user.providers:
                raise self._undefined(name, key)
            self.providers[name] = build_provider(name, draft.values)
            self.origins.update({f"providers.{name}.{k}": o for k, o in draft.origins.items()})
        return self.providers[name]

    def _provider_draft(self, name: str) -> Draft:
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
        return draft

    def _undefined(self, name: str, key: str) -> ManifestError:
        known = sorted({*self.user.providers, *shipped_names()})
        close = nearest(name, known, count=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {listed(known)}."
        return ManifestError(
            f"provider {name!r} is not defined; {hint} "
            f"Or write [providers.{name}] with protocol and base_url.",
            key=key,
        )

    def path_of(self, name: str) -> Path:
        """A path of the manifest: relative ones start at the manifest's own folder."""
        return (self.folder / expand_user(name)).resolve()

    def model(self, draft: Draft, model_id: str) -> Model:
        """A model from its draft; its origins are kept. One with an error has no endpoint."""
        self.origins.update({f"{model_id}.{k}": o for k, o in draft.origins.items()})
        try:
            return build_model(model_id, draft.values, self.provider)
        except ManifestError as error:
            self.problems.add(error.key, error.message)
            aliases = tuple(draft.values.get("aliases") or ())
            return Model(id=model_id, endpoints=(), aliases=aliases)


def connected(bench: Workbench) -> dict[str, Draft]:
    """Every model that is to be connected, as drafts by id, in order."""
    drafts: dict[str, Draft] = {}
    own = own_servers(bench.user)
    for name in dict.fromkeys((*_included(bench), *own)):
        if name in bench.served:
            drafts.update(served_drafts(name, bench.served[name], bench.notes))
            continue
        if name in own:
            bench.notes.append(_nothing_answers(bench.provider(name, "providers")))
            continue
        if (shipped := _shipped(bench, name)) is None:
            continue
        if not shipped.models:
            bench.notes.append(_nothing_answers(bench.provider(name, "include")))
        for table in shipped.models:
            drafts[table.id] = Draft()
            drafts[table.id].lay_over(table, shipped_label(name))
    _lay_own_models_over(bench, drafts)
    return drafts


def _lay_own_models_over(bench: Workbench, drafts: dict[str, Draft]) -> None:
    seen: set[str] = set()
    for table in bench.user.models:
        if table.id in seen:
            bench.problems.add(
                f'models."{table.id}"',
                "two models have this id; ids are unique. Several providers of one "
                "model are written as endpoints = [...]",
            )
        seen.add(table.id)
        draft = drafts.setdefault(table.id, shipped_draft(table.id))
        if table.endpoints:
            draft.values.pop("provider", None), draft.values.pop("name", None)
        elif table.provider or table.name:
            draft.values.pop("endpoints", None)
        draft.lay_over(table, bench.file)


def _included(bench: Workbench) -> Iterable[str]:
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
            "no provider has a usable key: set one, such as "
            + ", ".join(bench.provider(n, "include").key_env for n in _FOR_INSTANCE)
            + f" (`rightmodel models` lists all {len(remote)}), start a local server (Ollama, "
            "LM Studio, llama.cpp, vLLM), or write a manifest"
        )
    ready += bench.served
    bench.providers = {
        n: p for n, p in bench.providers.items() if n in ready or n in bench.user.providers
    }
    return ready


def _shipped(bench: Workbench, name: str) -> Manifest | None:
    """The shipped manifest that `include` names; for an unknown one the nearest, so as to go on."""
    if (shipped := shipped_manifest(name)) is not None:
        bench.provider(name, "include")
        return shipped
    close = nearest(name, shipped_names(), count=1)
    hint = f"did you mean {close[0]!r}?" if close else f"shipped: {', '.join(shipped_names())}"
    bench.problems.add("include", f"no shipped manifest {name!r}; {hint}")
    return shipped_manifest(close[0]) if close else None


def _nothing_answers(provider: Provider) -> str:
    """What to do about a local provider without models in any manifest."""
    name = provider.name
    return (
        f"{name}: no server answers at {provider.base_url}: start it, or correct base_url in "
        f'[providers.{name}], or name its model: [[models]] with id = "{name}/NAME"'
    )
