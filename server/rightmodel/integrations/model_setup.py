"""An agent's own model: which one its settings name, and how the gateway takes its place.

The facts are in `models.toml`. Pure, as all of `integrations`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Template
from typing import Any, Final, NamedTuple

from rightmodel.core.errors import UnknownNameError
from rightmodel.integrations.clients import CLIENTS, Client, tuples
from rightmodel.integrations.edit import (
    CannotMergeError,
    Tree,
    drop,
    edited,
    parsed,
    put,
    render,
    value_at,
)

Keys = tuple[str, ...]
Former = list[tuple[Keys, Any]]
"""(keys, value) that a setup has replaced."""

ANY: Final = "none"
"""The token where the gateway asks for none: agents insist on one."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What makes the gateway the model of an agent.

    `client`: the agent, with the file that holds its model. `apis`: the APIs it can speak, the
    usual one first, each with its name there and the path of the base URL. `model`: keys and value
    that choose the model; where they are in force, the setup is. `access`, `others`: the rest.
    """

    client: Client
    apis: Mapping[str, tuple[str, str]]
    model: tuple[Keys, str]
    access: tuple[tuple[Keys, Any], ...]
    others: tuple[tuple[Keys, str | int], ...] = ()
    notes: tuple[str, ...] = field(default=())

    def values(self, gateway: Gateway) -> list[tuple[Keys, Any]]:
        """Keys and values to set. Raises `UnknownNameError` for an API that it cannot speak."""
        api = gateway.api or next(iter(self.apis))
        if api not in self.apis:
            raise UnknownNameError("API", api, self.apis, argument="--api")
        name, base = self.apis[api]
        words = {"url": gateway.url, "token": gateway.token or ANY, "api": name, "base": base}
        filled = ((at, _filled(value, words)) for at, value in self.access)
        return [*filled, self.model, *self.others]


class Gateway(NamedTuple):
    """Where it listens. `token`: "" where it asks for none. `api`: "" for the client's usual."""

    url: str
    token: str = ""
    api: str = ""


def model_settings(setup: Setup, gateway: Gateway) -> str:
    """The settings as a file of their own."""
    tree: dict[str, Any] = {}
    for at, value in setup.values(gateway):
        put(tree, at, value)
    return render(_format(setup), tree)


def with_model(setup: Setup, gateway: Gateway, text: str) -> str:
    """The text of the agent's file with the gateway as its model. Raises `CannotMergeError`."""

    def change(tree: Tree) -> None:
        for at, value in setup.values(gateway):
            put(tree, _place(tree, at), value)

    return edited(_format(setup), text, change)


def former_settings(setup: Setup, text: str) -> Former | None:
    """What `with_model` would replace; `None` where the gateway is the model already."""
    tree = parsed(_format(setup), text)
    if _is_set(tree, setup):
        return None
    places = [_place(tree, at) for at, _ in (*setup.access, setup.model, *setup.others)]
    return [(at, value) for at in places if (value := value_at(tree, at)) is not None]


def without_model(setup: Setup, former: Sequence[tuple[Keys, Any]], text: str) -> str:
    """The text of the agent's file without the gateway, and with what was there before.

    What the user has set since stays. Raises `CannotMergeError`.
    """

    def change(tree: Tree) -> None:
        if not _is_set(tree, setup):
            return
        old = dict(former)
        for at, value in (*((at, None) for at, _ in setup.access), setup.model, *setup.others):
            place = _place(tree, at)
            if value is not None and value_at(tree, place) != value:
                continue
            if place in old:
                put(tree, place, old[place])
            else:
                drop(tree, place)

    return edited(_format(setup), text, change)


def _format(setup: Setup) -> Any:
    return setup.client.format


def _is_set(tree: Tree, setup: Setup) -> bool:
    at, value = setup.model
    return bool(value_at(tree, _place(tree, at)) == value)


def _place(tree: Tree, at: Keys) -> Keys:
    """The keys, or those above where the file has a plain text there: `model = "x"`."""
    above = at[:-1]
    return above if above and isinstance(value_at(tree, above), str) else at


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return Template(value).substitute(words)
    if isinstance(value, dict):
        return {key: _filled(inner, words) for key, inner in value.items()}
    return [_filled(inner, words) for inner in value] if isinstance(value, list) else value


def _read() -> Iterator[tuple[str, Setup]]:
    text = Path(__file__).with_name("models.toml").read_text(encoding="utf-8")
    for name, facts in tomllib.loads(text).items():
        access = tuple((tuple(entry["at"]), entry["value"]) for entry in facts.pop("access"))
        rest = {key: tuples(value) for key, value in facts.items()}
        places = {k: rest.pop(k) for k in ("user", "project", "variables") if k in rest}
        yield name, Setup(client=replace(CLIENTS[name], **places), access=access, **rest)


SETUPS: Final[Mapping[str, Setup]] = dict(_read())
"""By the name of the client."""


_VARIANT: Final = re.compile(
    r"\[1m\]$|[-@]20\d{6}(?!\d)|-v\d+(:\d+)?$|@default$|[-:]latest$|:free$", re.IGNORECASE
)
"""Parts of a name that choose a window, a day or a place to run, not another model."""
_PLACE: Final = re.compile(r".*/|(\w+\.)?anthropic\.")
_OURS: Final = re.compile(r"(rightmodel/)?auto(:.*)?")


def own_models(client: Client, text: str) -> list[str]:
    """What the text of the client's file names as its own model, what counts first first."""
    if client.format == "paste":
        return []
    try:
        tree = parsed(client.format, text)
    except CannotMergeError:
        return []
    values = [_value(tree, at) for at in client.model_at]
    names = [name for name in values if name and isinstance(name, str)]
    models: Any = value_at(tree, client.aliases_at) if client.aliases_at else None
    aliases = {
        table["alias"]: model
        for model, table in (models.items() if hasattr(models, "items") else ())
        if hasattr(table, "get") and isinstance(table.get("alias"), str)
    }
    return [aliases.get(name, name) for name in names if not _OURS.fullmatch(name)]


def _value(tree: Any, at: Sequence[str]) -> Any:
    found = value_at(tree, [str(tree.get(key[1:])) if key[:1] == "$" else key for key in at])
    return found.get("primary") if hasattr(found, "get") else found


def known_id(name: str, known: Mapping[str, Sequence[str]], client: Client | None = None) -> str:
    """The id of a known model that a name means, "" for none.

    `known`: id → aliases. `client`: whose settings have the name.
    """
    plain = _VARIANT.sub("", name)
    plain = client.model_words.get(plain, plain) if client else plain
    own_provider = client.provider if client else ""
    provider = own_provider or plain.partition("/")[0]
    for exact in (name, plain, f"{provider}/{plain}"):
        if exact in known:
            return exact
    bare = _PLACE.sub("", plain)
    meant = [
        model
        for model, aliases in known.items()
        if bare in aliases
        or bare.replace(".", "-") == (model.partition("/")[2] or model).replace(".", "-")
    ]
    its = [model for model in meant if model.startswith(f"{provider}/")]
    found = its if its or own_provider else meant
    return found[0] if len(found) == 1 else ""
