"""YAML: one entry is replaced or added, key by key; every other byte stays."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any, Final

from rightmodel.integrations.formats import CannotMergeError, put, table_at
from rightmodel.integrations.yaml_read import KEY, indent_of, is_blank, read_yaml, scalar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.integrations.formats import Change

_PLAIN: Final = re.compile(r"[A-Za-z_./~][\w./~-]*")


def render_yaml(tree: Mapping[str, Any], indent: int = 0) -> list[str]:
    """The mapping as lines of block style."""
    lines = []
    pad = " " * indent
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            lines += [f"{pad}{key}:", *render_yaml(value, indent + 2)]
        elif isinstance(value, list) and value:
            lines += [f"{pad}{key}:", *(f"{pad}  - {_scalar(v)}" for v in value)]
        else:
            lines.append(f"{pad}{key}: {_scalar(value)}")
    return lines


def merge_yaml(text: str, change: Change) -> str:
    """The text with the change made. Raises `CannotMergeError`.

    `change.at` is a section and a name in it, or "[]" where the section is a list of entries that
    bear their name.
    """
    before = read_yaml(text)
    tree = {} if before is None else before
    table_at(tree, ())
    wanted: dict[str, Any] = copy.deepcopy(tree) or dict(change.header)
    section, name = change.at
    is_list = name == "[]"
    old, place = _old(tree.get(section), change) if is_list else (table_at(tree, change.at), -1)
    entry = change.combined(old or {})
    if not is_list:
        put(wanted, change.at, entry)
    elif place < 0:
        wanted[section] = [*(wanted.get(section) or []), entry]
    else:
        wanted[section][place] = entry
    if wanted == tree:
        return text
    head = [] if tree else render_yaml(change.header)
    there = text.rstrip("\n").split("\n") if text.strip() else []
    lines = [*(s for s in there if tree or s.strip() not in {"{}", "---"}), *head]
    changed = "\n".join(_edit(lines, change, old or {}, place)) + "\n"
    try:
        after = read_yaml(changed)
    except CannotMergeError:
        after = None
    if after != wanted:
        raise CannotMergeError(f"does not keep {section} in block style", by_hand=True)
    return changed


def _old(entries: Any, change: Change) -> tuple[dict[str, Any] | None, int]:
    """The entry of our name in a list, and its place; -1 where there is none."""
    if entries is None:
        return None, -1
    if not isinstance(entries, list):
        raise CannotMergeError(f"{change.at[0]} is not a list")
    for place, entry in enumerate(entries):
        if isinstance(entry, dict) and entry.get("name") == change.entry["name"]:
            return entry, place
    return None, -1


def _edit(lines: list[str], change: Change, old: Mapping[str, Any], place: int) -> list[str]:
    section, name = change.at
    is_list = name == "[]"
    start = _find_key(lines, section, 0, 0, len(lines))
    if start < 0:
        start = len(lines)
        lines = [*lines, f"{section}:"]
    end = _end(lines, start, 0, is_list=is_list)
    if end == start + 1:  # the section is empty, maybe said to be: `{}`, `[]`, null
        lines = [*lines[:start], f"{section}:", *lines[end:]]
    inside = [i for i in range(start + 1, end) if not is_blank(lines[i])]
    indent = indent_of(lines[inside[0]]) if inside else 2
    if is_list:
        items = [i for i in inside if indent_of(lines[i]) == indent and _is_item(lines[i])]
        at = items[place] if place >= 0 else -1
        stop = items[place + 1] if 0 <= place < len(items) - 1 else end
    else:
        at = _find_key(lines, name, indent, start + 1, end)
        stop = _end(lines, at, indent, is_list=False) if at >= 0 else end
    if at < 0:
        added = render_yaml(change.written(old), indent + 2)
        added = _as_item(added, indent) if is_list else [f"{' ' * indent}{name}:", *added]
        return [*lines[:end], *added, *lines[end:]]
    body = lines[at:stop]
    if is_list:
        inner = re.sub("-", " ", body[0], count=1)
        return [
            *lines[:at],
            *_as_item(_body([inner, *body[1:]], change, old, indent_of(inner)), indent),
            *lines[stop:],
        ]
    keys = [indent_of(line) for line in body[1:] if not is_blank(line)]
    inner_indent = keys[0] if keys else indent + 2
    return [
        *lines[:at],
        f"{' ' * indent}{name}:",
        *_body(body[1:], change, old, inner_indent),
        *lines[stop:],
    ]


def _body(lines: list[str], change: Change, old: Mapping[str, Any], indent: int) -> list[str]:
    """The entry's lines: ours in the place of what they replace, new ones after the last."""
    left = change.written(old)
    dropped = change.dropped(old)
    body: list[str] = []
    last = 0
    for key, block in _blocks(lines, indent):
        if key in left:
            body += render_yaml({key: left.pop(key)}, indent)
        elif key not in dropped:
            body += block
        if key:
            last = len(body)
    return [*body[:last], *render_yaml(left, indent), *body[last:]]


def _blocks(lines: list[str], indent: int) -> list[tuple[str, list[str]]]:
    """Keys with their lines; blank lines and comments between them have the key ""."""
    blocks: list[tuple[str, list[str]]] = []
    for line in lines:
        found = KEY.match(line.strip()) if indent_of(line) == indent else None
        if found and not is_blank(line) and not _is_item(line):
            blocks.append((str(scalar(found["key"])), [line]))
        elif len(blocks) > 1 and not blocks[-1][0] and not is_blank(line):
            blocks[-2][1].extend([*blocks.pop()[1], line])  # the gap was inside the value
        elif blocks and not (is_blank(line) and indent_of(line) <= indent):
            blocks[-1][1].append(line)
        else:
            blocks.append(("", [line]))
    return blocks


def _find_key(lines: list[str], key: str, indent: int, start: int, end: int) -> int:
    for i in range(start, end):
        found = KEY.match(lines[i].strip()) if indent_of(lines[i]) == indent else None
        if found and not is_blank(lines[i]) and scalar(found["key"]) == key:
            return i
    return -1


def _end(lines: list[str], start: int, indent: int, *, is_list: bool) -> int:
    """Where the block under a key ends: after its last line that says something."""
    end = start + 1
    for i in range(start + 1, len(lines)):
        if is_blank(lines[i]):
            continue
        same = indent_of(lines[i]) == indent and is_list and _is_item(lines[i])
        if indent_of(lines[i]) <= indent and not same:
            break
        end = i + 1
    return end


def _is_item(line: str) -> bool:
    return line.strip() == "-" or line.lstrip().startswith("- ")


def _as_item(lines: list[str], indent: int) -> list[str]:
    first = lines[0]
    return [first[:indent] + "-" + first[indent + 1 :], *lines[1:]]


def _scalar(value: Any) -> str:
    bare = isinstance(value, str) and _PLAIN.fullmatch(value) and scalar(value) == value
    if bare and value.lower() not in {"y", "n", "yes", "no", "on", "off"}:
        return str(value)
    return json.dumps(value, ensure_ascii=False)  # quoted strings, [] and {} are YAML, too
