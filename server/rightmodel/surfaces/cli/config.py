"""`rightmodel config`: print, write or remove the registration for an agent."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import click

from rightmodel.core.errors import TaskError, UnknownNameError
from rightmodel.integrations.clients import CLIENTS, Client
from rightmodel.integrations.registration import Launch, merged, registration, removed
from rightmodel.manifest.settings import config_dir, keys_file, read_settings
from rightmodel.surfaces.cli import with_files
from rightmodel.surfaces.cli.config_model import (
    Where,
    print_model,
    remove_model,
    setup_of,
    write_model,
)
from rightmodel.surfaces.cli.file_changes import change_agent_file, note, take_out, write_noted
from rightmodel.surfaces.cli.terminal import echo
from rightmodel.surfaces.mcp.tools import TOOL_NAMES


@click.command("config")
@click.argument("client", default="")
@click.option("--write", is_flag=True, help="Merge it into the agent's own file.")
@click.option("--remove", is_flag=True, help="Take it out of the agent's own file.")
@click.option("--path", default="", metavar="FILE", help="Another file than the agent's usual one.")
@click.option(
    "--scope",
    type=click.Choice(["user", "project"]),
    default="user",
    show_default=True,
    help="For you everywhere, or for the project in the working directory.",
)
@click.option("--model", is_flag=True, help="Make the gateway the agent's own model instead.")
@click.option(
    "--url",
    default="http://127.0.0.1:8765",
    show_default=True,
    help="With --model: where `rightmodel serve --http` listens.",
)
@click.option(
    "--as", "client_name", default="", metavar="NAME", help="With --model: one of [clients]."
)
@click.option(
    "--api", default="", help="With --model: the API to speak, if the agent knows several."
)
@with_files
def command(  # noqa: PLR0913 - one for each option
    client: str,
    *,
    write: bool,
    remove: bool,
    path: str,
    scope: str,
    manifest: str,
    env_file: str,
    model: bool,
    url: str,
    client_name: str,
    api: str,
) -> None:
    """Print the registration for CLIENT; --write merges it into the agent's file.

    With --model: what makes the gateway the agent's own model. Without CLIENT: list the supported
    agents.
    """
    if write and remove:
        raise click.UsageError("give one of --write and --remove")
    if not client:
        if write or remove or model:
            raise click.UsageError(
                "name the agent: rightmodel config CLIENT; `rightmodel config` lists them"
            )
        _list_clients()
        return
    if client not in CLIENTS:
        raise UnknownNameError("client", client, CLIENTS)
    setup = setup_of(client) if model else None
    chosen = setup.client if setup else CLIENTS[client]
    file = Path(path).expanduser().absolute() if path else file_of(chosen, scope, os.environ)
    if remove and (file is None or chosen.format == "paste"):
        raise TaskError(f"{chosen.title} is not edited: remove the registration by hand")
    manifest, env_file = _existing("--manifest", manifest), _existing("--env-file", env_file)
    if setup and file:
        if remove:
            remove_model(setup, file)
            return
        settings = read_settings(manifest=manifest, env_file=env_file)
        change = write_model if write else print_model
        change(setup, file, Where(url, client_name, api), settings)
    elif remove and file:
        take = partial(take_out, file, partial(removed, chosen), chosen.name)
        change_agent_file(file, take, "not registered")
    else:
        launch = Launch(own_command(), TOOL_NAMES, manifest, env_file)
        _register(chosen, file, launch, write=write)


def _register(client: Client, file: Path | None, launch: Launch, *, write: bool) -> None:
    """Print the registration, or merge it into the agent's file."""
    if write and file and client.format != "paste":
        put = partial(write_noted, file, partial(merged, client, launch), client.name)
        change_agent_file(file, put, "already there", partial(registration, client, launch))
    else:
        echo(registration(client, launch), nl=False)
        if write:
            raise TaskError(f"{client.title} is not edited: {client.why_paste}")
        goes_to = f"goes into {file}; --write merges it there"
        note(client.why_paste or goes_to)
    _hints(client, launch)


def _list_clients() -> None:
    for client in CLIENTS.values():
        usual = file_of(client, "user", os.environ)
        echo(f"{client.name:15} {client.title}: {usual or 'in code'}")


def own_command() -> tuple[str, ...]:
    """What starts this very rightmodel, whatever the agent's search path and directory."""
    uvx = shutil.which("uvx")
    if uvx and "archive-v0" in Path(sys.executable).parts:
        return (uvx, "rightmodel")  # uvx made this environment for one run and may remove it
    name = "rightmodel.exe" if sys.platform == "win32" else "rightmodel"
    script = Path(sys.executable).absolute().with_name(name)
    if script.is_file():
        return (str(script),)
    return (str(Path(sys.executable).absolute()), "-m", "rightmodel")


def file_of(client: Client, scope: str, env: Mapping[str, str]) -> Path | None:
    """The client's own file; `None` where it is configured in code."""
    if scope == "project":
        if client.project:
            return Path(client.project).absolute()
        if client.user:
            raise TaskError(
                f"{client.title} has no file for a project; leave out --scope project",
                argument="scope",
            )
        return None
    for variable, below in client.variables:
        if env.get(variable):
            return Path(env[variable]).expanduser().absolute() / below
    template = client.windows if client.windows and sys.platform == "win32" else client.user
    settings = str(config_dir(env).parent)
    return Path(template.replace("{config}", settings)).expanduser() if template else None


def _existing(option: str, value: str) -> str:
    """The file's absolute path. A server that cannot find it would not start."""
    if not value:
        return ""
    path = Path(value).expanduser().absolute()
    if not path.is_file():
        raise TaskError(f"{option} {value}: no such file")
    return str(path)


def _hints(client: Client, launch: Launch) -> None:
    for text in client.notes:
        note(text)
    usual = keys_file(os.environ)
    if not client.passes_env and not launch.env_file and not usual.is_file():
        note(
            f"{client.title} may not pass your keys on: put NAME=value lines into {usual}, or "
            "into another file and name it with --env-file"
        )
    if not launch.manifest and Path("rightmodel.toml").is_file():
        note("rightmodel.toml in this directory may not be found: --manifest rightmodel.toml")
