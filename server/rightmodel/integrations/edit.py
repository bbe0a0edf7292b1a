"""Putting an entry into the text of a JSON or TOML file, or taking it out.

Both formats are edited as trees of mappings. TOML keeps its comments and layout; JSON is written
anew with its indentation, and refused where that would lose comments.
"""

from __future__ import annotations

import copy
import json
import tomllib
from typing import TYPE_CHECKING, Literal

import tomlkit
from tomlkit.exceptions import TOMLKitError

from rightmodel.integrations.json_text import indentation, read_json
from rightmodel.integrations.tree import CannotMergeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rightmodel.integrations.tree import Tree

Format = Literal["json", "toml"]


def render(file_format: Format, tree: Tree) -> str:
    """The tree as the text of a new file."""
    if file_format == "toml":
        return tomlkit.dumps(tree)
    return json.dumps(tree, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def edited(file_format: Format, text: str, change: Callable[[Tree], None]) -> str:
    """The text after `change` was applied to its tree; the same text where nothing changes.

    Raises `CannotMergeError` for text that is not valid or cannot be written without loss.
    """
    try:
        return (_edited_toml if file_format == "toml" else _edited_json)(text, change)
    except RecursionError as error:
        raise CannotMergeError("is nested too deeply") from error


def _edited_toml(text: str, change: Callable[[Tree], None]) -> str:
    try:
        wanted = tomllib.loads(text)
        document = tomlkit.parse(text)
    except (tomllib.TOMLDecodeError, TOMLKitError) as error:
        raise CannotMergeError(f"is not valid TOML: {error}") from error
    before = copy.deepcopy(wanted)
    change(wanted)
    if wanted == before:
        return text
    try:
        change(document)
        changed = tomlkit.dumps(document)
        after = tomllib.loads(changed)
    except (TOMLKitError, tomllib.TOMLDecodeError):
        after = {}
    if after != wanted:  # some layouts are beyond tomlkit: never write another meaning
        raise CannotMergeError("has a layout that cannot be edited safely", by_hand=True)
    return changed


def _edited_json(text: str, change: Callable[[Tree], None]) -> str:
    before, comments = read_json(text)
    after = copy.deepcopy(before)
    change(after)
    if after == before:
        return text
    if comments:
        raise CannotMergeError("has comments, which would be lost", by_hand=True)
    return json.dumps(after, indent=indentation(text), ensure_ascii=False) + "\n"
