"""Client and command → registration: as text to paste, or merged into the client's own file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING, Any

from rightmodel.integrations.formats import CannotMergeError, Change, put
from rightmodel.integrations.json_file import merge_json, render_json
from rightmodel.integrations.toml_file import merge_toml, render_toml
from rightmodel.integrations.yaml_file import merge_yaml

if TYPE_CHECKING:
    from rightmodel.integrations.facts import Client


@dataclass(frozen=True, slots=True)
class Launch:
    """How rightmodel is started. `manifest`, `env_file`: "" where none is named."""

    command: tuple[str, ...]
    tools: tuple[str, ...]
    manifest: str = ""
    env_file: str = ""

    def argv(self, deadline_s: int) -> list[str]:
        """The command with everything that follows it."""
        options = {"--manifest": self.manifest, "--env-file": self.env_file}
        named = [part for option, value in options.items() if value for part in (option, value)]
        return [*self.command, "serve", *named, "--deadline", str(deadline_s)]


def registration(client: Client, launch: Launch) -> str:
    """What to paste: a whole file in the client's format, or code."""
    argv = launch.argv(client.deadline_s)
    if client.format == "python":
        return Template(client.code).substitute(
            command=_quoted(argv[0]),
            args="[" + ", ".join(map(_quoted, argv[1:])) + "]",
            wall=client.wall_s,
        )
    change = _change(client, argv, launch.tools)
    if client.format == "toml":
        return render_toml(change.at, change.entry)
    if client.format == "yaml":
        return merge_yaml("", change)
    tree: dict[str, Any] = {}
    put(tree, change.at, dict(change.entry))
    for at, value in change.settings:
        put(tree, at, value)
    return render_json(tree)


def merged(client: Client, launch: Launch, text: str) -> str:
    """The text of the client's file with the registration in it.

    Raises `CannotMergeError` where something would be lost or the text is not understood.
    """
    if client.format == "python":
        raise CannotMergeError("is configured in code", by_hand=True)
    change = _change(client, launch.argv(client.deadline_s), launch.tools)
    merge = {"json": merge_json, "toml": merge_toml, "yaml": merge_yaml}[client.format]
    return merge(text, change)


def _change(client: Client, argv: list[str], tools: tuple[str, ...]) -> Change:
    entry: dict[str, Any] = dict(client.before)
    if client.args:
        entry |= {client.command: argv[0], client.args: argv[1:]}
    else:
        entry[client.command] = argv
    if client.timeout:
        key, units = client.timeout
        entry[key] = client.wall_s * units
    if client.tools_at:
        put(entry, client.tools_at, list(tools))
    return Change(
        client.at, entry | dict(client.rest), client.yields, client.settings, client.header
    )


def _quoted(text: str) -> str:
    # JSON's strings are Python's, and double quotes are what formatters want.
    return json.dumps(text, ensure_ascii=False)
