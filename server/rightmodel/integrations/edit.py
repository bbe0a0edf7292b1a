"""Putting an entry into the text of a JSON or TOML file, or taking it out.

Both formats are edited as trees of mappings. TOML keeps its comments and layout; JSON is written
anew with its indentation, and refused where that would lose comments.
"""

from __future__ import annotations

import copy
import json
import math
import re
import tomllib
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any, Final, Literal

import tomlkit
from tomlkit.exceptions import TOMLKitError

from rightmodel.core.errors import TaskError

Format = Literal["json", "toml"]
_TOKEN: Final = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<double>"(?:\\.|[^"\\])*")
      | (?P<single>'(?:\\.|[^'\\])*')
      | (?P<close>[}\]])
      | (?P<space>\s+)
      | (?P<word>[A-Za-z_$][\w$]*(?=\s*:))
      | (?P<other>[\w.+-]+|.)""",
    re.DOTALL | re.VERBOSE,
)

Tree = MutableMapping[str, Any]


class CannotMergeError(TaskError):
    """The file stays unchanged. The message follows the file's name.

    `by_hand`: the file is valid, so a person can edit it.
    """

    def __init__(self, message: str, *, by_hand: bool = False) -> None:
        super().__init__(message)
        self.by_hand = by_hand


def mapping_at(tree: Any, at: tuple[str, ...]) -> Tree | None:
    """The mapping under these keys; `None` where there is none. Raises `CannotMergeError`."""
    for depth in range(len(at) + 1):
        if tree is None:
            return None
        if not hasattr(tree, "keys"):
            where = ".".join(at[:depth]) or "its top level"
            raise CannotMergeError(f"does not hold a mapping at {where}")
        if depth < len(at):
            tree = tree.get(at[depth])
    found: Tree = tree
    return found


def value_at(tree: Any, at: Sequence[str]) -> Any:
    """The value under these keys, `None` where there is none."""
    for key in at:
        if not hasattr(tree, "get"):
            return None
        tree = tree.get(key)
    return tree


def put(tree: Tree, at: tuple[str, ...], value: Any) -> None:
    """Set the value under these keys, with the mappings that lead there."""
    for depth in range(1, len(at)):
        parent = mapping_at(tree, at[:depth])
        if parent is None:
            for key in reversed(at[depth:]):
                value = {key: value}
            at = at[:depth]
            break
    parent = mapping_at(tree, at[:-1])
    if parent is not None:
        parent[at[-1]] = value


def drop(tree: Tree, at: tuple[str, ...]) -> None:
    """Remove the value under these keys, and the mappings that are empty afterwards."""
    for depth in range(len(at), 0, -1):
        parent = mapping_at(tree, at[: depth - 1])
        if parent is None or at[depth - 1] not in parent:
            continue
        if depth < len(at) and parent[at[depth - 1]]:
            return
        del parent[at[depth - 1]]


# --- text ---


def render(file_format: Format, tree: Tree) -> str:
    """The tree as the text of a new file."""
    if file_format == "toml":
        return tomlkit.dumps(tree)
    return json.dumps(tree, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def parsed(file_format: Format, text: str) -> Tree:
    """The tree of a text; an empty text is an empty tree. Raises `CannotMergeError`."""
    if file_format == "json":
        return _read_json(text)[0]
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CannotMergeError(f"is not valid TOML: {error}") from error


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
    before, comments = _read_json(text)
    after = copy.deepcopy(before)
    change(after)
    if after == before:
        return text
    if comments:
        raise CannotMergeError("has comments, which would be lost", by_hand=True)
    return json.dumps(after, indent=_indentation(text), ensure_ascii=False) + "\n"


# --- JSON and JSON5: comments, single quotes, bare names, trailing commas ---


def _indentation(text: str) -> str | int:
    """How far the text indents its members; 2 where it has none."""
    found = re.search(r'^([ \t]+)["}\]]', text, re.MULTILINE)
    return found[1] if found else 2


def _read_json(text: str) -> tuple[dict[str, Any], bool]:
    """The object, and whether the text has comments. An empty text is an empty object."""
    if not text.strip():
        return {}, False
    comments = False
    try:
        tree = _loads(text)
    except json.JSONDecodeError as error:
        strict, comments = _strict(text)
        try:
            tree = _loads(strict) if strict.strip() else {}
        except json.JSONDecodeError:
            raise CannotMergeError(
                f"is not valid JSON: {error.msg}, line {error.lineno}"
            ) from error
    if not isinstance(tree, dict):
        raise CannotMergeError("is not a JSON object")
    return tree, comments


def _loads(text: str) -> Any:
    return json.loads(
        text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(n for n in names if names.count(n) > 1)
        raise CannotMergeError(f"has {twice!r} twice in one object")
    return tree


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise CannotMergeError(f"has a number that JSON cannot hold: {text}")
    return number


def _no_constant(name: str) -> Any:
    raise CannotMergeError(f"has a number that JSON cannot hold: {name}")


def _strict(text: str) -> tuple[str, bool]:
    """The text as plain JSON, and whether it has comments."""
    out: list[str] = []
    comments = False
    last = -1  # index of the last token that is neither space nor comment
    for token in _TOKEN.finditer(text):
        kind, found = token.lastgroup, token[0]
        if kind == "comment":
            comments = True
            out.append(" ")
            continue
        if kind == "space":
            out.append(found)
            continue
        if kind == "close" and last >= 0 and out[last] == ",":
            out[last] = ""
        elif kind == "word":
            found = f'"{found}"'
        elif kind == "single":
            found = '"' + re.sub(r"\\.|\"", _double, found[1:-1], flags=re.DOTALL) + '"'
        out.append(found)
        last = len(out) - 1
    return "".join(out), comments


def _double(found: re.Match[str]) -> str:
    return {"\\'": "'", '"': '\\"'}.get(found[0], found[0])
