"""`rightmodel config`: print, write or remove the registration for an agent."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rightmodel.core.errors import TaskError, UnknownNameError
from rightmodel.integrations import (
    CLIENTS,
    CannotMergeError,
    Launch,
    merged,
    registration,
    removed,
)
from rightmodel.manifest.settings import config_dir
from rightmodel.surfaces.cli.terminal import echo
from rightmodel.surfaces.cli.text_file import change_file
from rightmodel.surfaces.mcp.tools import TOOL_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rightmodel.integrations import Client


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
@click.option("--manifest", default="", metavar="FILE", help="The manifest to serve.")
@click.option("--env-file", default="", metavar="FILE", help="NAME=value lines with keys.")
def command(  # noqa: PLR0913 - one for each option
    client: str, *, write: bool, remove: bool, path: str, scope: str, manifest: str, env_file: str
) -> None:
    """Print the registration for CLIENT; --write merges it into the agent's file.

    Without CLIENT: list the supported agents.
    """
    if write and remove:
        raise TaskError("give one of --write and --remove")
    if not client:
        _list_clients()
        return
    if client not in CLIENTS:
        raise UnknownNameError("client", client, CLIENTS)
    chosen = CLIENTS[client]
    file = Path(path).expanduser().absolute() if path else file_of(chosen, scope, os.environ)
    if remove:
        _change(chosen, file, lambda text: removed(chosen, text), "not registered")
        return
    launch = Launch(
        command=own_command(),
        tools=TOOL_NAMES,
        manifest=_existing("--manifest", manifest),
        env_file=_existing("--env-file", env_file),
    )
    if write and chosen.format != "paste":
        try:
            _change(chosen, file, lambda text: merged(chosen, launch, text), "already there")
        except CannotMergeError as error:
            if error.by_hand:
                echo(registration(chosen, launch), nl=False)
                raise TaskError(f"{error}; add what is printed above by hand") from error
            raise
    else:
        echo(registration(chosen, launch), nl=False)
        if write:
            raise TaskError(f"{chosen.title} is not edited: {chosen.why_paste}")
        goes_to = f"goes into {file}; --write merges it there"
        _note(chosen.why_paste or goes_to)
    _hints(chosen, launch)


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
            raise TaskError(f"{client.title} has no file for a project; leave out --scope project")
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


def _change(client: Client, file: Path | None, change: Callable[[str], str], same: str) -> None:
    """Change the agent's file and print what was done."""
    if file is None or client.format == "paste":
        raise TaskError(f"{client.title} is not edited: remove the registration by hand")
    try:
        backup = change_file(file, change)
    except CannotMergeError as error:
        raise CannotMergeError(f"{file} {error}", by_hand=error.by_hand) from error
    except UnicodeError as error:
        raise TaskError(f"{file} is not UTF-8 text; nothing was changed") from error
    except OSError as error:
        raise TaskError(f"{file} cannot be written: {error.strerror or error}") from error
    if backup is None:
        echo(f"{file}: written")
    elif backup == file:
        echo(f"{file}: {same}")
    else:
        echo(f"{file}: written; the former content is in {backup.name}")


def _hints(client: Client, launch: Launch) -> None:
    for note in client.notes:
        _note(note)
    if not client.passes_env and not launch.env_file:
        usual = config_dir(os.environ) / "keys.env"
        _note(
            f"{client.title} may not pass your keys on: put NAME=value lines into a file and "
            f"name it, for instance --env-file {usual}"
        )
    if not launch.manifest and Path("rightmodel.toml").is_file():
        _note("rightmodel.toml in this directory may not be found: --manifest rightmodel.toml")


def _note(text: str) -> None:
    echo(f"note: {text}", err=True)
