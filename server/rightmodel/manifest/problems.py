"""All errors of one manifest at once, each with its key as people write it and the line."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from rightmodel.core.errors import ManifestError, TaskError, UnknownNameError

_PART: Final = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_KEY: Final = rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*"
_HEADER: Final = re.compile(rf"\[(\[?){_KEY}\]")
_ASSIGNMENT: Final = re.compile(rf"(){_KEY}=")
_LONG_QUOTES: Final = ('"""', "'''")

Location = tuple[int | str, ...]
"""Keys and places in arrays, from the top of the file."""


def readable(location: Location, data: Any) -> str:
    """The path for people: a model by its id, a rule by its name, else by its place from 1."""
    return ".".join(_labels(location, data))


def _labels(location: Location, data: Any) -> Iterator[str]:
    for before, part in zip(("", *location), location, strict=False):
        if isinstance(part, int):
            entries = data if isinstance(data, list) else []
            data = entries[part] if part < len(entries) else None
            names = [
                (one.get("id") or one.get("name")) if isinstance(one, dict) else None
                for one in entries[: part + 1]
            ]
            label = entry_label(names, "rule" if before == "rules" else "")
            yield f'"{label}"' if label else str(part + 1)
        elif isinstance(data, dict) and part in data:
            data = data[part]
            yield str(part)
        elif part != "[key]" and (data is None or isinstance(data, dict)):
            yield str(part)  # all others are pydantic's names for the branches of a union


def entry_label(names: Sequence[object], kind: str) -> str:
    """The label of the last entry: its name, and its place if an earlier entry has that name.

    `names`: of the entries up to it. Without a name: `kind` and the place, "" without a kind.
    """
    *before, name = names or [None]
    place = f"{kind} {len(names)}" if kind else ""
    if not isinstance(name, str) or not name:
        return place
    return f"{name} ({place or len(names)})" if name in before else name


def lines(text: str, data: dict[str, Any]) -> dict[str, int]:
    """Readable path → line, from 1. `text`: valid TOML, `data`: what it says.

    Keys within an inline table have no line of their own.
    """
    found: dict[str, int] = {}
    table: Location = ()
    entries: Counter[Location] = Counter()
    for number, line in _outside_of_strings(text):
        header = _HEADER.match(line)
        statement = header or _ASSIGNMENT.match(line)
        if not statement:
            continue
        *above, name = (part.strip("\"'") for part in re.findall(_PART, statement[2]))
        location = (*_entered(() if header else table, above, entries), name)
        if statement[1]:
            entries[location] += 1
        if header:
            location = table = _entered(location[:-1], [name], entries)
        for length in range(1, len(location) + 1):
            found.setdefault(readable(location[:length], data), number)
    return found


def line_of(key: str, found: dict[str, int]) -> int:
    """The line of a path, else of the nearest table around it; 0 where there is none."""
    while key and key not in found:
        key = key.rpartition(".")[0]
    return found.get(key, 0)


def _outside_of_strings(text: str) -> Iterator[tuple[int, str]]:
    """Line number → line, without the lines that a string of several lines began before."""
    inside = ""
    for number, line in enumerate(text.split("\n"), 1):
        if not inside:
            if line.lstrip().startswith("#"):
                continue  # with quotes or not
            yield number, line.lstrip()
        for quotes in _LONG_QUOTES:
            if inside in {"", quotes} and line.count(quotes) % 2:
                inside = "" if inside else quotes


def _entered(table: Location, path: Sequence[str], entries: Counter[Location]) -> Location:
    """The path below a table; arrays of tables are entered at their last entry."""
    location = table
    for part in path:
        location = (*location, part)
        if entries[location]:
            location = (*location, entries[location] - 1)
    return location


class Problems:
    """What is wrong with `file`."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._found: dict[tuple[str, str], None] = {}

    def add(self, key: str, message: str) -> None:
        """One error; the same one a second time counts once."""
        self._found[key, message] = None

    def unknown(self, key: str, what: str, name: str, known: Iterable[str], more: str = "") -> None:
        """A name that is not known; `more`: what follows the nearest ones."""
        self.add(key, f"{UnknownNameError(what, name, known)}{more}")

    @contextmanager
    def at(self, key: str) -> Iterator[None]:
        """An error within is kept, and the rest of the block left out. `key`: unless it has one."""
        try:
            yield
        except ManifestError as error:
            self.add(error.key, error.message)
        except TaskError as error:
            self.add(key, str(error))

    def raise_any(self, lines: Callable[[], dict[str, int]]) -> None:
        """Raise what was found, in the order of the file. `lines`: readable path → line."""
        if not self._found:
            return
        by_key = lines()
        errors = [
            ManifestError(message, file=self.file, key=key, line=line_of(key, by_key))
            for key, message in self._found
        ]
        first, *others = sorted(errors, key=lambda error: error.line)
        first.others = tuple(others)
        raise first
