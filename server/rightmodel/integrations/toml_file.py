"""TOML: one table is replaced or added, key by key; every other byte stays."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

from rightmodel.integrations.formats import CannotMergeError, put, table_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.integrations.formats import Change


def render_toml(at: tuple[str, ...], entry: Mapping[str, Any]) -> str:
    """One table with its header."""
    return f"[{'.'.join(at)}]\n" + "".join(_line(k, v) for k, v in entry.items())


def merge_toml(text: str, change: Change) -> str:
    """The text with the change made. Raises `CannotMergeError`."""
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CannotMergeError(f"is not valid TOML: {error}") from error
    old = table_at(before, change.at)
    wanted = copy.deepcopy(before)
    put(wanted, change.at, change.combined(old or {}))
    if wanted == before:
        return text
    changed = _edit(text, change, old or {})
    try:
        after = tomllib.loads(changed)
    except tomllib.TOMLDecodeError:
        after = {}
    if after != wanted:
        place = ".".join(change.at)
        raise CannotMergeError(f"does not keep {place} as a table of its own", by_hand=True)
    return changed


def _edit(text: str, change: Change, old: Mapping[str, Any]) -> str:
    statements = _statements(text)
    header: dict[str, Any] = {}
    put(header, change.at, {})
    starts = [i for i, s in enumerate(statements) if s.lstrip().startswith("[")]
    ours = [i for i in starts if tomllib.loads(statements[i]) == header]
    if not ours:
        gap = "" if not text.strip() else "\n" if text.endswith("\n") else "\n\n"
        return text + gap + render_toml(change.at, change.written(old))
    begin = ours[0] + 1
    end = next((i for i in starts if i >= begin), len(statements))
    body = _body(statements[begin:end], change, old)
    if not statements[ours[0]].endswith("\n"):
        body.insert(0, "\n")
    return "".join([*statements[:begin], *body, *statements[end:]])


def _body(statements: list[str], change: Change, old: Mapping[str, Any]) -> list[str]:
    """The table's lines: ours in the place of what they replace, new ones after the last."""
    left = change.written(old)
    dropped = change.dropped(old)
    body: list[str] = []
    last = 0
    for statement in statements:
        key = next(iter(tomllib.loads(statement)), "")
        if key in left:
            body.append(_line(key, left.pop(key)))
        elif key in change.written(old) or key in dropped:
            continue  # a further part of a key that was replaced, such as `env.B = …`
        else:
            body.append(statement if statement.endswith("\n") else statement + "\n")
        if key:
            last = len(body)
    return [*body[:last], *(_line(k, v) for k, v in left.items()), *body[last:]]


def _statements(text: str) -> list[str]:
    """The text of a valid file in pieces that are valid by themselves."""
    pieces: list[str] = []
    piece = ""
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        piece += line
        try:
            tomllib.loads(piece)
        except tomllib.TOMLDecodeError:
            continue
        pieces.append(piece)
        piece = ""
    return [*pieces, piece] if piece else pieces


def _line(key: str, value: Any) -> str:
    return f"{key} = {_value(value)}\n"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    # JSON's strings, numbers and booleans are TOML's, but for the one control character.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
