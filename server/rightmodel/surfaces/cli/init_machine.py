"""What `rightmodel init` finds on this machine: keys, local models, agents and their models."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import TaskError, UnknownNameError
from rightmodel.core.format import listed
from rightmodel.execution.engine import effective_catalog
from rightmodel.integrations.clients import CLIENTS, Client
from rightmodel.integrations.model_setup import SETUPS, known_id, own_models
from rightmodel.manifest.read import shipped_manifest, shipped_names
from rightmodel.surfaces.cli.config import file_of
from rightmodel.surfaces.cli.terminal import echo
from rightmodel.surfaces.cli.text_file import current_text

if TYPE_CHECKING:
    from rightmodel.manifest.catalog import Catalog
    from rightmodel.manifest.settings import Settings

_USUAL_BASELINE: Final = "anthropic/claude-opus-5-5"


@dataclass(frozen=True, slots=True)
class Machine:
    """What is there. `settings`: those in force, with the keys that an earlier `init` has kept."""

    settings: Settings
    keys: Mapping[str, str]
    """Provider → the variable that holds its key."""
    local: Mapping[str, Sequence[str]]
    """Local server → its models."""
    agents: Sequence[Client]
    models: Mapping[str, Sequence[str]]
    """All shipped and local models: id → aliases."""
    runs_on: Sequence[tuple[str, str, str]]
    """(agent, the name of its model in its own settings, the id that is meant or "")."""
    suggestion: str
    """The model that an agent with these keys is likely to run on."""

    @property
    def baseline(self) -> str:
        """The model that an agent's own settings name, "" where none does."""
        return next((model for _, _, model in self.runs_on if model), "")


async def look_around(settings: Settings, names: Sequence[str]) -> Machine:
    """Find everything. `names`: the only agents to consider, all where empty.

    Raises `TaskError` where there is nothing to connect.
    """
    for name in names:
        if name not in CLIENTS:
            raise UnknownNameError("client", name, CLIENTS)
    has_manifest = settings.manifest is not None and settings.manifest.is_file()
    if not has_manifest:  # one that is yet to be written is no error
        settings = replace(settings, manifest=None)
    catalog = await effective_catalog(settings)
    remote = [provider for provider in catalog.providers.values() if provider.needs_key]
    keys = {p.name: p.key_env for p in remote if settings.variable(p.key_env)}
    local: dict[str, list[str]] = {}
    for model in catalog.models.values():
        for endpoint in model.endpoints:
            if endpoint.provider.is_local:
                local.setdefault(endpoint.provider.name, []).append(model.id.partition("/")[2])
    if not (keys or local or has_manifest):
        raise TaskError("; ".join(catalog.notes) + "; then run `rightmodel init` again")
    agents = [c for c in CLIENTS.values() if (c.name in names if names else _is_installed(c))]
    models = {model.id: model.aliases for model in catalog.models.values()}
    for manifest in filter(None, map(shipped_manifest, shipped_names())):
        models |= {table.id: tuple(table.aliases or ()) for table in manifest.models}
    return Machine(
        settings=settings,
        keys=keys,
        local=local,
        agents=agents,
        models=models,
        runs_on=[found for client in agents for found in _runs_on(client, models)],
        suggestion=_suggestion(catalog, keys, agents),
    )


def show(machine: Machine) -> None:
    """Print what was found."""
    keys = ", ".join(f"{variable} ({name})" for name, variable in machine.keys.items())
    local = "; ".join(f"{listed(models, 4)} ({name})" for name, models in machine.local.items())
    echo("keys:         ", keys or "none")
    echo("local models: ", local or "none")
    echo("agents:       ", ", ".join(client.title for client in machine.agents) or "none")
    for agent, name, model in machine.runs_on:
        echo("runs on:      ", f"{agent}: {name} ({model or 'in no manifest, so no baseline'})")


def _is_installed(client: Client) -> bool:
    """Whether the agent's program, one of its files, or the folder of one is there."""
    if client.program and shutil.which(client.program):
        return True
    files = [file_of(c, "user", os.environ) for c in (client, _with_model_file(client))]
    return any(
        file.is_file() or (file.parent != Path.home() and file.parent.is_dir())
        for file in files
        if file
    )


def _with_model_file(client: Client) -> Client:
    """The client with the file that names its model: not always that of the registration."""
    setup = SETUPS.get(client.name)
    return setup.client if setup else client


def _runs_on(client: Client, models: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str, str]]:
    """What its own settings name; of several names the first that is known."""
    file = file_of(_with_model_file(client), "user", os.environ)
    try:
        names = own_models(client, current_text(file)) if file else []
    except (OSError, UnicodeError):
        return
    meant = [(client.title, name, known_id(name, models, client)) for name in names]
    yield from [found for found in meant if found[2]][:1] or meant[:1]


def _suggestion(catalog: Catalog, keys: Mapping[str, str], agents: Sequence[Client]) -> str:
    for provider in [*(c.provider for c in agents if c.provider in keys), *keys]:
        its = [m for m in catalog.models.values() if m.endpoints[0].provider.name == provider]
        rated = [model for model in its if "agentic" in model.skills]
        if rated:
            return max(rated, key=lambda model: model.skills["agentic"]).id
    return _USUAL_BASELINE
