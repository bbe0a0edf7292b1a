"""JSON, with the liberties that JSON5 takes: read, and written anew where nothing is lost."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any, Final

from rightmodel.integrations.formats import CannotMergeError, put, table_at

if TYPE_CHECKING:
    from rightmodel.integrations.formats import Change

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


def render_json(tree: Any, indent: int | str = 2) -> str:
    """The tree as text that ends with a line break."""
    return json.dumps(tree, indent=indent, ensure_ascii=False, allow_nan=False) + "\n"


def merge_json(text: str, change: Change) -> str:
    """The text with the change made. Raises `CannotMergeError` rather than lose anything."""
    before, comments = read_json(text)
    after = copy.deepcopy(before)
    old = table_at(before, change.at) or {}
    put(after, change.at, change.combined(old))
    for at, value in change.settings:
        put(after, at, value)
    if after == before:
        return text
    if comments:
        raise CannotMergeError("has comments, which would be lost", by_hand=True)
    found = re.search(r'^([ \t]+)["}\]]', text, re.MULTILINE)
    try:
        return render_json(after, found[1] if found else 2)
    except ValueError as error:
        raise CannotMergeError(f"has a number that JSON cannot hold: {error}") from error


def read_json(text: str) -> tuple[dict[str, Any], bool]:
    """The object, and whether the text has comments. An empty text is an empty object."""
    if not text.strip():
        return {}, False
    comments = False
    try:
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
    except RecursionError as error:
        raise CannotMergeError("is nested too deeply") from error
    if not isinstance(tree, dict):
        raise CannotMergeError("is not a JSON object")
    return tree, comments


def _loads(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(n for n in names if names.count(n) > 1)
        raise CannotMergeError(f"has {twice!r} twice in one object")
    return tree


def _no_constant(name: str) -> Any:
    raise CannotMergeError(f"has a number that JSON cannot hold: {name}")


def _strict(text: str) -> tuple[str, bool]:
    """JSON5's comments, quotes, bare names and trailing commas made plain JSON."""
    out: list[str] = []
    comments = False
    last = -1  # the last token that is neither space nor comment
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
