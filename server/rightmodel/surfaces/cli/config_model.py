"""`rightmodel config CLIENT --model`: the gateway as the agent's own model."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from rightmodel.core.errors import TaskError, UnknownNameError
from rightmodel.integrations.clients import CLIENTS
from rightmodel.integrations.model_setup import (
    SETUPS,
    Gateway,
    former_settings,
    model_settings,
    with_model,
    without_model,
)
from rightmodel.manifest.load import load_catalog
from rightmodel.manifest.settings import Settings, config_dir
from rightmodel.surfaces.cli.file_changes import change_agent_file, note, take_out, write_noted
from rightmodel.surfaces.cli.terminal import echo
from rightmodel.surfaces.cli.text_file import current_text, file_errors, write_private

if TYPE_CHECKING:
    from rightmodel.integrations.model_setup import Former, Setup
    from rightmodel.manifest.catalog import Client

FORMER: Final = "former_settings.json"
"""Below the configuration folder: file → agent, and (keys, value) that `--write` has replaced."""
_WHY_NOT: Final = {
    "gemini-cli": "Gemini CLI speaks Gemini's API alone and routes among Gemini's models by itself"
}


class Kept(NamedTuple):
    """What is kept of a file for `--remove`. `client`: the agent whose file it is."""

    client: str
    former: Former


class Where(NamedTuple):
    """How to reach the gateway.

    `client`: its name in `[clients]`, "" for the agent's own. `api`: wire format, "" for the usual.
    """

    url: str
    client: str = ""
    api: str = ""


def setup_of(name: str) -> Setup:
    """Raises `TaskError` for an agent whose own model cannot be set."""
    if name in SETUPS:
        return SETUPS[name]
    why = _WHY_NOT.get(name, f"how {CLIENTS[name].title} is told its model is not known here")
    raise TaskError(
        f"{why}. --model works for {', '.join(SETUPS)}; elsewhere set the base URL to that of "
        "`rightmodel serve --http` with /v1 behind it, and the model to auto",
        argument="client",
    )


def write_model(setup: Setup, file: Path, where: Where, settings: Settings) -> None:
    """Merge the settings into the agent's file, and keep what they replace."""
    gateway = gateway_of(setup, where, settings)

    def change(text: str) -> str:
        changed = with_model(setup, gateway, text)
        former = former_settings(setup, text)
        if former is not None or str(file) not in _kept():
            _keep(file, Kept(setup.client.name, former or []))
        return changed

    put = partial(write_noted, file, change, setup.client.name)
    change_agent_file(file, put, "already there", partial(model_settings, setup, gateway))
    if gateway.token and file.stat().st_mode & 0o077 and os.name == "posix":
        note(f"{file} holds the token, and other users of this machine can read it: chmod 600")
    _hints(setup, where)


def print_model(setup: Setup, file: Path, where: Where, settings: Settings) -> None:
    """Print what `write_model` would merge."""
    echo(model_settings(setup, gateway_of(setup, where, settings)), nl=False)
    note(f"goes into {file}; --write merges it there")
    _hints(setup, where)


def remove_model(setup: Setup, file: Path) -> None:
    """Take the settings out again, and put back what they replaced."""
    kept = _kept().get(str(file))
    former = kept.former if kept else []
    take = partial(take_out, file, partial(without_model, setup, former), setup.client.name)
    change_agent_file(file, take, "the gateway is not set here")
    _keep(file, None)


def models_written() -> list[tuple[Setup, Path]]:
    """Agents, and their files, whose model `--write` has set and `--remove` has not taken out."""
    return [(SETUPS[kept.client], Path(file)) for file, kept in _kept().items()]


def gateway_of(setup: Setup, where: Where, settings: Settings) -> Gateway:
    """Address and token. Raises `TaskError` where `[clients]` holds no token for the agent."""
    url = where.url.rstrip("/").removesuffix("/v1")
    if not url.startswith(("http://", "https://")):
        raise TaskError(f"--url {where.url}: must begin with http:// or https://", argument="url")
    client = _client_of(setup, where.client, settings)
    if client is None:
        return Gateway(url, api=where.api)
    token = settings.variable(client.token_env)
    if not token:
        problem = settings.variable_problem(client.token_env)
        raise TaskError(f"no token for client {client.name}: {problem}")
    return Gateway(url, token, where.api)


def _client_of(setup: Setup, name: str, settings: Settings) -> Client | None:
    """The client of the manifest that the agent is; `None` where the manifest has none."""
    if settings.error:
        raise settings.error
    clients = load_catalog(settings.manifest, has_key=settings.has_key).clients
    usable = {n: client for n, client in clients.items() if "v1" in client.surfaces}
    if name and name not in usable:
        advice = "" if usable else f"Write [clients.{name}] with token_env in {settings.place}."
        raise UnknownNameError("client", name, usable, argument="as", advice=advice)
    if not clients:
        return None
    chosen = name or (setup.client.name if setup.client.name in usable else "")
    if not chosen and len(usable) == 1:
        chosen = next(iter(usable))
    if not chosen:
        names = ", ".join(usable) or "none that may use v1"
        raise TaskError(
            f"[clients] has {names}: say with --as which of them the agent is", argument="as"
        )
    return usable[chosen]


def _hints(setup: Setup, where: Where) -> None:
    for text in setup.notes:
        note(text)
    host = where.url.partition("://")[2].partition("/")[0]
    note(f"its model answers while this runs: rightmodel serve --http {host}")


def _store() -> Path:
    return config_dir(os.environ) / FORMER


def _kept() -> dict[str, Kept]:
    try:
        stored = json.loads(current_text(_store()) or "{}")
        return {
            file: Kept(entry["client"], [(tuple(at), value) for at, value in entry["former"]])
            for file, entry in stored.items()
            if entry["client"] in SETUPS
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _keep(file: Path, kept: Kept | None) -> None:
    """Keep what `--remove` will need; `None` forgets it."""
    stored = _kept()
    if kept:
        stored[str(file)] = kept
    elif stored.pop(str(file), None) is None:
        return
    with file_errors(_store()):
        if stored:
            entries = {file: kept._asdict() for file, kept in stored.items()}
            write_private(_store(), json.dumps(entries, indent=2) + "\n")
        else:
            _store().unlink(missing_ok=True)
