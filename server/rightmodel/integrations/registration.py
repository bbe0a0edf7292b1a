"""Client and command → registration: as text to paste, or merged into the client's own file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import TYPE_CHECKING, Any, Final

from rightmodel.integrations.clients import Client, deadline_s
from rightmodel.integrations.edit import CannotMergeError, drop, edited, mapping_at, put, render

if TYPE_CHECKING:
    from rightmodel.integrations.edit import Tree

_REMOTE: Final = frozenset({"url", "httpUrl", "serverUrl", "uri"})
"""Keys that only the entry of a remote server has."""
_REMOTE_ONLY: Final = _REMOTE | {
    "bearer_token_env_var",
    "headers",
    "http_headers",
    "transport",
    "type",
}


@dataclass(frozen=True, slots=True)
class Launch:
    """How rightmodel is started."""

    command: tuple[str, ...]
    tools: tuple[str, ...]
    manifest: str = ""
    env_file: str = ""

    def argv(self, deadline_s: int) -> list[str]:
        """The command with all its arguments."""
        options = {"--manifest": self.manifest, "--env-file": self.env_file}
        named = [part for option, value in options.items() if value for part in (option, value)]
        return [*self.command, "serve", *named, "--deadline", str(deadline_s)]


def registration(client: Client, launch: Launch) -> str:
    """What to paste: a whole file in the client's format, or code."""
    argv = launch.argv(client.deadline_s)
    if client.format == "paste":
        return Template(client.snippet).substitute(
            command=_quoted(argv[0]),
            args="[" + ", ".join(map(_quoted, argv[1:])) + "]",
            timeout=client.timeout_s,
        )
    tree: dict[str, Any] = {}
    _put_entry(tree, client, launch)
    return render(client.format, tree)


def merged(client: Client, launch: Launch, text: str) -> str:
    """The text of the client's file with the registration in it.

    Raises `CannotMergeError` where something would be lost or the text is not valid.
    """
    if client.format == "paste":
        raise CannotMergeError(f"is not edited: {client.why_paste}", by_hand=True)
    return edited(client.format, text, lambda tree: _put_entry(tree, client, launch))


def removed(client: Client, text: str) -> str:
    """The text of the client's file without the registration; other keys stay.

    Raises `CannotMergeError` as `merged` does.
    """
    if client.format == "paste":
        raise CannotMergeError(f"is not edited: {client.why_paste}", by_hand=True)

    def remove(tree: Tree) -> None:
        if mapping_at(tree, client.at) is None:
            return
        drop(tree, client.at)
        for at, value in client.settings:
            parent = mapping_at(tree, at[:-1])
            if parent and parent.get(at[-1]) == value:
                drop(tree, at)

    return edited(client.format, text, remove)


def _put_entry(tree: Tree, client: Client, launch: Launch) -> None:
    """Add the entry, or bring the command of an existing one up to date."""
    old = mapping_at(tree, client.at)
    if old is None:
        put(tree, client.at, _entry(client, launch, {}))
    else:
        if _REMOTE & set(old):
            for key in _REMOTE_ONLY & set(old):
                del old[key]
        for key, value in _entry(client, launch, old).items():
            if key not in old or old[key] != value:
                old[key] = value
    for at, value in client.settings:
        parent = mapping_at(tree, at[:-1])
        if parent is None or at[-1] not in parent:
            put(tree, at, value)


def _entry(client: Client, launch: Launch, old: Mapping[str, Any]) -> dict[str, Any]:
    """Command and arguments, and the other keys where `old` has no value of its own."""
    entry: dict[str, Any] = dict(client.before)
    rest: dict[str, Any] = {}
    timeout_s = client.timeout_s
    if client.timeout_key:
        name, units = client.timeout_key
        rest[name] = timeout_s * units
        if isinstance(old.get(name), int) and old[name] >= units:
            timeout_s = old[name] // units
    if client.tools_at:
        put(rest, client.tools_at, list(launch.tools))
    rest |= client.rest
    argv = launch.argv(client.deadline_s)
    options = len(launch.command) + 1  # they follow `serve`
    argv[options:] = _arguments(argv[options:], _former_arguments(client, old), timeout_s)
    if client.args:
        entry |= {client.command: argv[0], client.args: argv[1:]}
    else:
        entry[client.command] = argv
    return entry | {key: old.get(key, value) for key, value in rest.items()}


def _former_arguments(client: Client, old: Mapping[str, Any]) -> list[str]:
    """The arguments of an existing entry that follow `serve`."""
    found = old.get(client.args or client.command)
    words = [str(word) for word in found] if isinstance(found, list) else []
    return words[words.index("serve") + 1 :] if "serve" in words else []


def _arguments(new: list[str], former: list[str], timeout_s: int) -> list[str]:
    """The new arguments, and options of the former ones that the new do not set.

    A former deadline stays where the client waits longer than that.
    """
    options = _options(former)
    deadline = options.pop("--deadline", [])
    ours = _options(new)
    if deadline and deadline[-1].isdecimal() and 0 < int(deadline[-1]) < timeout_s:
        ours["--deadline"] = deadline
    else:
        ours["--deadline"] = ["--deadline", str(deadline_s(timeout_s))]
    return [word for words in (options | ours).values() for word in words]


def _options(words: list[str]) -> dict[str, list[str]]:
    """Each option with its values; words before the first option under ""."""
    options: dict[str, list[str]] = {}
    name = ""
    for word in words:
        if word.startswith("-"):
            name = word.partition("=")[0]
        options.setdefault(name, []).append(word)
    return options


def _quoted(text: str) -> str:
    # JSON strings are also valid in Python and YAML.
    return json.dumps(text, ensure_ascii=False)
