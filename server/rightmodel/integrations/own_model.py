"""The model that an agent itself runs on: as its settings name it, and as a manifest does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from rightmodel.integrations.edit import CannotMergeError, parsed, value_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rightmodel.integrations.clients import Client

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
    found = [_value(tree, at) for at in client.model_at]
    names = [name for name in found if name and isinstance(name, str)]
    return [name for name in names if not _OURS.fullmatch(name)]


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
        if bare in aliases or _same(bare, model.partition("/")[2] or model)
    ]
    its = [model for model in meant if model.startswith(f"{provider}/")]
    found = its if its or own_provider else meant
    return found[0] if len(found) == 1 else ""


def _same(one: str, other: str) -> bool:
    return one.replace(".", "-") == other.replace(".", "-")
