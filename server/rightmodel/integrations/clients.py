"""What is known of each client: its file, the entry's shape there, its timeout.

The facts are in `clients.toml`; `notes` are printed for the person who registers rightmodel.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

SERVER: Final = "rightmodel"
SKILL: Final = Path(__file__).with_name("SKILL.md")
"""The skill file: it tells an agent when to delegate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One agent. In paths `~` is the home and `{config}` the platform's settings folder."""

    name: str
    """What `rightmodel config` calls it."""
    title: str
    """Its own name."""
    format: Literal["json", "toml", "paste"] = "json"
    """Of its file; "paste": the file is not edited, `snippet` is shown."""
    user: str = ""
    """The user's file; "" where there is none."""
    windows: str = ""
    """The user's file on Windows, where it differs."""
    project: str = ""
    """The project's file; "" where there is none."""
    program: str = ""
    """Its command; "" where it has none."""
    provider: str = ""
    """The provider of its own model, where its settings do not name one."""
    model_at: tuple[tuple[str, ...], ...] = ()
    """Keys that lead to its own model, what counts first first; `$KEY`: as that key at the top is.

    They are in the file of its `Setup` where it has one.
    """
    model_words: Mapping[str, str] = field(default_factory=dict)
    """Its own words for models → an alias that a shipped manifest has."""
    aliases_at: tuple[str, ...] = ()
    """Keys that lead to the user's names for models there: model → a table with `alias`."""
    skills: str = ""
    """Where it looks for skills; `{folder}` is that of the user's file. "" where it has none."""
    variables: tuple[tuple[str, str], ...] = ()
    """(variable, path below its value) that move the user's file."""
    at: tuple[str, ...] = ("mcpServers", SERVER)
    """Keys that lead to the entry."""
    before: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the entry before the command."""
    command: str = "command"
    """Key of the command."""
    args: str = "args"
    """Key of its arguments; "" where the command is one list with them."""
    timeout_key: tuple[str, int] | None = None
    """Key of the timeout and its units per second; `None` where it cannot be set."""
    timeout_s: int = 60
    """Seconds after which a call times out in the client."""
    tools_at: tuple[str, ...] = ()
    """Keys within the entry that lead to the list of allowed tools."""
    rest: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the entry; values that the user has set stay."""
    settings: tuple[tuple[tuple[str, ...], Any], ...] = ()
    """(keys, value) to be set elsewhere in the file, unless the user has set them."""
    snippet: str = ""
    """Template of what to paste: $command, $args, $timeout."""
    why_paste: str = ""
    """Why the file is not edited, and where the snippet goes."""
    passes_env: bool = False
    """Whether the server gets environment variables that hold keys."""
    notes: tuple[str, ...] = ()
    """What a person has to know beyond the entry."""

    @property
    def deadline_s(self) -> int:
        """The deadline of `serve` that fits the client's timeout."""
        return deadline_s(self.timeout_s)


def deadline_s(timeout_s: int) -> int:
    """Seconds within which the server answers, so that the client does not time out.

    A twentieth of the timeout, at least 10 s where it is long enough, is left for the transport.
    """
    return max(1, timeout_s - max(min(10, timeout_s // 2), timeout_s // 20))


def _read() -> dict[str, Client]:
    text = Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
    return {
        name: Client(name=name, **{key: tuples(value) for key, value in facts.items()})
        for name, facts in tomllib.loads(text).items()
    }


def tuples(value: Any) -> Any:
    """A list of the file as a tuple, lists within it as well."""
    return tuple(map(tuples, value)) if isinstance(value, list) else value


CLIENTS: Final[Mapping[str, Client]] = _read()
