"""`rightmodel config`: the registration for each agent, printed or written into its file."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rightmodel.core.errors import TaskError, UnknownNameError
from rightmodel.integrations import CLIENTS, CannotMergeError, Launch, merged, registration
from rightmodel.manifest.settings import config_dir
from rightmodel.surfaces.cli.terminal import echo
from rightmodel.surfaces.mcp.tools import TOOLS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.integrations import Client


@click.command("config")
@click.argument("client", default="")
@click.option("--write", is_flag=True, help="Merge it into the agent's own file.")
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
def command(
    client: str, *, write: bool, path: str, scope: str, manifest: str, env_file: str
) -> None:
    """Print the registration for CLIENT, or merge it into the agent's file with --write.

    Without CLIENT: list the agents that are known.
    """
    if not client:
        for known in CLIENTS.values():
            usual = file_of(known, "user", os.environ)
            echo(f"{known.name:15} {known.title}: {usual or 'in code'}")
        return
    if client not in CLIENTS:
        raise UnknownNameError("client", client, CLIENTS)
    chosen = CLIENTS[client]
    launch = Launch(
        command=own_command(),
        tools=tuple(tool.name for tool in TOOLS),
        manifest=_existing("--manifest", manifest),
        env_file=_existing("--env-file", env_file),
    )
    place = Path(path).expanduser().absolute() if path else file_of(chosen, scope, os.environ)
    if write:
        _write(chosen, launch, place)
    else:
        echo(registration(chosen, launch), nl=False)
        _note(f"goes to {place}; --write merges it there" if place else "paste it into your code")
    _hints(chosen, launch)


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


def _write(client: Client, launch: Launch, place: Path | None) -> None:
    if place is None:
        echo(registration(client, launch), nl=False)
        raise TaskError(f"{client.title} is configured in code: paste what is printed above")
    place = place.resolve()  # what a link points to is changed, not the link
    try:
        former = place.read_bytes() if place.exists() else None
        text, restore = _decoded(former or b"")
        changed = restore(merged(client, launch, text))
        if former == changed:
            echo(f"{place}: already there")
            return
        if former is not None:
            _replace(place.with_name(place.name + ".bak"), former, _mode(place))
        _replace(place, changed, _mode(place))
    except CannotMergeError as error:
        if error.by_hand:
            echo(registration(client, launch), nl=False)
        advice = "add what is printed above by hand" if error.by_hand else "nothing was changed"
        raise TaskError(f"{place} {error}; {advice}") from error
    except UnicodeError as error:
        raise TaskError(f"{place} is not UTF-8 text; nothing was changed") from error
    except OSError as error:
        raise TaskError(f"{place} cannot be written: {error.strerror or error}") from error
    kept = "" if former is None else f"; as it was: {place.name}.bak"
    echo(f"{place}: written{kept}")


class _Restore:
    """Gives a text back the byte order mark and line ends that its file had."""

    def __init__(self, data: bytes) -> None:
        self._mark = data.startswith(b"\xef\xbb\xbf")
        self._windows = b"\r\n" in data and data.count(b"\r\n") == data.count(b"\n")

    def plain(self, data: bytes) -> str:
        text = data.decode("utf-8-sig")
        return text.replace("\r\n", "\n") if self._windows else text

    def __call__(self, text: str) -> bytes:
        text = text.replace("\n", "\r\n") if self._windows else text
        return text.encode("utf-8-sig" if self._mark else "utf-8")


def _decoded(data: bytes) -> tuple[str, _Restore]:
    restore = _Restore(data)
    return restore.plain(data), restore


def _mode(path: Path) -> int:
    """A file's permissions; those of a new file may hold keys one day, so they are narrow."""
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600


def _replace(path: Path, data: bytes, mode: int) -> None:
    """Write beside the file and rename: whoever reads it sees the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


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
