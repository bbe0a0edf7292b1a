"""`rightmodel init`: finds what is there, writes the manifest and the registrations, checks."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from rightmodel.core.errors import TaskError
from rightmodel.core.format import counted
from rightmodel.integrations.clients import SKILL, Client
from rightmodel.integrations.edit import CannotMergeError
from rightmodel.integrations.model_setup import SETUPS
from rightmodel.integrations.registration import Launch, merged
from rightmodel.manifest.settings import Settings, config_dir, keys_file, read_settings
from rightmodel.surfaces.cli import with_settings
from rightmodel.surfaces.cli.config import file_of, own_command
from rightmodel.surfaces.cli.config_model import models_written, remove_model
from rightmodel.surfaces.cli.file_changes import (
    FileChange,
    effect_of_undo,
    make,
    noted,
    preview,
    undo,
)
from rightmodel.surfaces.cli.init_answers import Options, choices, consent
from rightmodel.surfaces.cli.init_machine import Machine, look_around, show
from rightmodel.surfaces.cli.starter_manifest import starter_manifest
from rightmodel.surfaces.cli.terminal import echo
from rightmodel.surfaces.cli.text_file import file_errors
from rightmodel.surfaces.mcp.tools import TOOL_NAMES

if TYPE_CHECKING:
    from rightmodel.surfaces.cli.check import Checked

_FIRST_TASK: Final = 'rightmodel ask "Translate into German: see you on Monday"'


@click.command("init")
@click.option("--yes", is_flag=True, help="Ask nothing: take the usual answers and write.")
@click.option("--remove", is_flag=True, help="Undo what init and config have written.")
@click.option("--baseline", default="", metavar="MODEL", help="The model that your agent runs on.")
@click.option("--per-day-usd", default="", metavar="USD", help="Daily budget, or none.")
@click.option("--local-first", is_flag=True, help="Send all easy work to local models first.")
@click.option("--agent", "names", multiple=True, metavar="NAME", help="Only this one; repeatable.")
@click.option("--no-call", is_flag=True, help="Check without calling a model.")
@with_settings
def command(  # noqa: PLR0913 - one for each option
    settings: Settings,
    *,
    yes: bool,
    remove: bool,
    baseline: str,
    per_day_usd: str,
    local_first: bool,
    names: tuple[str, ...],
    no_call: bool,
) -> None:
    """Set up rightmodel for the keys, local models and agents on this machine.

    Asks up to three questions, shows what it will write, writes a manifest, registers rightmodel
    with the agents that it finds, copies the skill file, and runs `rightmodel check`. A second run
    adds only what is missing; a manifest that exists is not changed.
    """
    if remove:
        _remove(agreed=yes)
        return
    machine = asyncio.run(look_around(settings, names))
    show(machine)
    manifest = settings.manifest or config_dir(os.environ) / "manifest.toml"
    plan = _Plan(machine, manifest)
    if not manifest.is_file():
        options = Options(
            asks=not yes, baseline=baseline, per_day_usd=per_day_usd, local_first=local_first
        )
        plan.add(FileChange(manifest, _whole(starter_manifest(choices(machine, options)))))
    plan.add_keys()
    for client in machine.agents:
        plan.add_agent(client)
    plan.carry_out(agreed=yes)
    echo()
    checked = _check(manifest, no_call=no_call)
    _next_steps(plan.registered, checked)
    sys.exit(0 if checked.is_usable else 1)


class _Plan:
    """What to write, shown before anything is written."""

    def __init__(self, machine: Machine, manifest: Path) -> None:
        self._machine = machine
        self._manifest = manifest
        self._changes: list[FileChange] = []
        self._shown: set[Path] = set()
        self._keys = keys_file(os.environ).is_file()
        self.registered: list[Client] = []
        echo()

    def add(self, change: FileChange) -> None:
        """Show a change and keep it, if it changes anything. Raises `TaskError`."""
        if change.path in self._shown:  # several agents read the same skill file
            return
        self._shown.add(change.path)
        with file_errors(change.path, "read"):
            if preview(change):
                self._changes.append(change)

    def add_keys(self) -> None:
        """Keys for agents that start servers without the user's environment."""
        if all(client.passes_env for client in self._machine.agents):
            return
        environment = self._machine.settings.environment
        values = {name: environment[name].strip() for name in self._machine.keys.values()}
        if values:
            self.add(
                FileChange(keys_file(os.environ), lambda text: _with_keys(text, values), hides=True)
            )
            self._keys = True

    def add_agent(self, client: Client) -> None:
        """The registration, and the skill file where the agent reads skills."""
        file = file_of(client, "user", os.environ)
        launch = Launch(
            command=own_command(),
            tools=TOOL_NAMES,
            manifest=str(self._manifest.absolute()),
            env_file=str(keys_file(os.environ)) if self._keys and not client.passes_env else "",
        )
        if file is None or client.format == "paste":
            echo(f"{client.title}: by hand: `rightmodel config {client.name}` prints what to paste")
            return
        try:
            self.add(FileChange(file, lambda text: merged(client, launch, text), client.name))
        except (CannotMergeError, TaskError) as error:
            place = f"{file} " * isinstance(error, CannotMergeError)
            echo(f"{place}{error}: `rightmodel config {client.name}` prints what to add")
            return
        self.registered.append(client)
        if client.skills:
            folder = Path(client.skills.replace("{folder}", str(file.parent))).expanduser()
            skill = folder / "rightmodel" / "SKILL.md"
            text = SKILL.read_text(encoding="utf-8")
            self.add(FileChange(skill, _whole(text), summary="the skill file"))

    def carry_out(self, *, agreed: bool) -> None:
        """Write everything, after a question unless `agreed`.

        A file of one agent that cannot be written keeps no other from being registered. Manifest
        and keys come first: every registration names them.
        """
        if not self._changes:
            echo("nothing to write")
            return
        if not agreed:
            consent(f"Write {counted(len(self._changes), 'file')}?")
        for change in self._changes:
            try:
                make(change)
            except TaskError as error:
                if change.path in {self._manifest, keys_file(os.environ)}:
                    raise
                hint = f": `rightmodel config {change.owner}` prints what to add"
                echo(str(error) + hint * bool(change.owner))
                self.registered = [c for c in self.registered if c.name != change.owner]


def _whole(text: str) -> Callable[[str], str]:
    """A change that leaves nothing else in the file."""
    return lambda _: text


def _with_keys(text: str, values: Mapping[str, str]) -> str:
    """The env file with a line for each variable that it does not set yet."""
    there = {line.partition("=")[0].removeprefix("export ").strip() for line in text.split("\n")}
    new = [f"{name}={value}\n" for name, value in values.items() if name not in there]
    separator = "\n" if new and text and not text.endswith("\n") else ""
    return text + separator + "".join(new)


def _check(manifest: Path, *, no_call: bool) -> Checked:
    from rightmodel.surfaces.cli.check import check_once

    settings = read_settings(manifest=str(manifest))
    return asyncio.run(check_once(settings, no_call=no_call))


def _next_steps(agents: Sequence[Client], checked: Checked) -> None:
    echo()
    if checked.is_usable:
        _uses(agents, checked.endpoints - checked.works)
    elif checked.has_ledger:
        echo("No model works yet. Correct what the lines with FAIL name: a key, credit, or a local")
        echo("server that must run. Then: rightmodel check")
    else:
        echo("Nothing works without the ledger: correct what `FAIL ledger` names.")
        echo("Then: rightmodel check")
    echo("Undo:    rightmodel init --remove")


def _uses(agents: Sequence[Client], failing: int) -> None:
    if failing:
        echo("Calls go to the models that answered; correct what the lines with FAIL name, then:")
        echo("         rightmodel check")
    echo(f"Try it:  {_FIRST_TASK}")
    if agents:
        titles = ", ".join(client.title for client in agents)
        echo(f"Then restart {titles} and say: Summarize README.md with rightmodel.")
    routable = next((client for client in agents if client.name in SETUPS), None)
    if routable:
        echo(f"To route the own turns of {routable.title}, too, keep the first of these running:")
        echo("         rightmodel serve --http 127.0.0.1:8765")
        echo(f"         rightmodel config {routable.name} --model --write")


def _remove(*, agreed: bool) -> None:
    """Undo everything: the models first, so that no agent is left on a gateway that is gone."""
    written = noted()[::-1]
    models = models_written()
    if not written and not models:
        echo("nothing to undo: rightmodel has written nothing")
        return
    for setup, file in models:
        echo(f"{file}: {setup.client.title} gets its former model back")
    for entry in written:
        echo(f"{entry.path}: {effect_of_undo(entry)}")
    if not agreed:
        consent("Go on?")
    for setup, file in models:
        remove_model(setup, file)
    for entry in noted()[::-1]:
        undo(entry)
    echo("undone; the ledger stays")
