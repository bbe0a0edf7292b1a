"""What `rightmodel init` finds on this machine: keys, local models, agents and their models."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import TaskError, UnknownNameError
from rightmodel.core.format import listed
from rightmodel.execution.engine import effective_catalog
from rightmodel.integrations import CLIENTS, SETUPS, own_model
from rightmodel.manifest.read import shipped_manifest, shipped_names
from rightmodel.surfaces.cli.config import file_of
from rightmodel.surfaces.cli.terminal import echo
from rightmodel.surfaces.cli.text_file import current_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rightmodel.integrations import Client
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
    models: Sequence[str]
    """Ids of all shipped and local models."""
    baseline: str
    """The model that an agent's own settings name, "" where none does."""
    suggestion: str
    """The model that an agent with these keys is likely to run on."""


async def look_around(settings: Settings, names: Sequence[str]) -> Machine:
    """Find everything. `names`: the only agents to consider, all where empty.

    Raises `TaskError` where there is nothing to connect.
    """
    for name in names:
        if name not in CLIENTS:
            raise UnknownNameError("client", name, CLIENTS)
    catalog = await effective_catalog(replace(settings, manifest=None))
    keys = {p.name: p.key_env for p in catalog.providers.values() if p.needs_key}
    local: dict[str, list[str]] = {}
    for model in catalog.models.values():
        for endpoint in model.endpoints:
            if endpoint.provider.is_local:
                local.setdefault(endpoint.provider.name, []).append(endpoint.name)
    if not keys and not local:
        raise TaskError("; ".join(catalog.notes) + "; then run `rightmodel init` again")
    agents = [c for c in CLIENTS.values() if (c.name in names if names else _is_installed(c))]
    shipped = [shipped_manifest(name) for name in shipped_names()]
    models = [table.id for manifest in shipped if manifest for table in manifest.models]
    models += [name for name in catalog.models if name not in models]
    return Machine(
        settings=settings,
        keys=keys,
        local=local,
        agents=agents,
        models=models,
        baseline=next(filter(None, (_own_model(c, models) for c in agents)), ""),
        suggestion=_suggestion(catalog, keys, agents),
    )


def show(machine: Machine) -> None:
    """Print what was found."""
    keys = ", ".join(f"{variable} ({name})" for name, variable in machine.keys.items())
    local = "; ".join(f"{listed(models, 4)} ({name})" for name, models in machine.local.items())
    echo("keys:         ", keys or "none")
    echo("local models: ", local or "none")
    echo("agents:       ", ", ".join(client.title for client in machine.agents) or "none")


def _is_installed(client: Client) -> bool:
    """Whether the agent's program, one of its files, or the folder of one is there."""
    if client.program and shutil.which(client.program):
        return True
    setup = SETUPS.get(client.name)  # its model may be in another file than the registration
    files = [file_of(c, "user", os.environ) for c in (client, setup.client if setup else client)]
    return any(
        file.is_file() or (file.parent != Path.home() and file.parent.is_dir())
        for file in files
        if file
    )


def _own_model(client: Client, models: Sequence[str]) -> str:
    """The id of the model in the agent's own settings, "" where they name no known one."""
    file = file_of(client, "user", os.environ)
    try:
        name = own_model(client, current_text(file)) if file else ""
    except (OSError, UnicodeError):
        return ""
    return next((i for i in (name, f"{client.provider}/{name}") if name and i in models), "")


def _suggestion(catalog: Catalog, keys: Mapping[str, str], agents: Sequence[Client]) -> str:
    for provider in [*(c.provider for c in agents if c.provider in keys), *keys]:
        its = [m for m in catalog.models.values() if m.endpoints[0].provider.name == provider]
        rated = [model for model in its if "agentic" in model.skills]
        if rated:
            return max(rated, key=lambda model: model.skills["agentic"]).id
    return _USUAL_BASELINE
