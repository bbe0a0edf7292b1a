"""Reading JSON and JSON5: comments, single quotes, bare names, trailing commas."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

from rightmodel.integrations.tree import CannotMergeError

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


def indentation(text: str) -> str | int:
    """How far the text indents its members; 2 where it has none."""
    found = re.search(r'^([ \t]+)["}\]]', text, re.MULTILINE)
    return found[1] if found else 2


def read_json(text: str) -> tuple[dict[str, Any], bool]:
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
