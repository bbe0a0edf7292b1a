"""Records ↔ rows of a table: money as decimal text, skill weights as JSON, the rest as it is."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Record = TypeVar("Record", bound=tuple[Any, ...])

MOST_ROWS: Final = 16
"""In one statement. Each statement lets other threads in before and after: few are cheap."""


class Table(Generic[Record]):
    """How one kind of record is written and read. `unique`: what to do where it is there already.

    `numbered`: the last field, `id`, is given by the database and not written.
    """

    def __init__(
        self, name: str, record: type[Record], *, unique: str = "IGNORE", numbered: bool = False
    ) -> None:
        names: tuple[str, ...] = record._fields  # type: ignore[attr-defined]
        written = names[:-1] if numbered else names
        columns = ", ".join(written)
        self._insert = f"INSERT OR {unique} INTO {name} ({columns}) VALUES "  # noqa: S608
        self._holes = f"({', '.join('?' * len(written))})"
        self.select = f"SELECT {', '.join(names)} FROM {name} "  # noqa: S608 - our own names
        self._make: Callable[[Iterable[Any]], Record] = record._make  # type: ignore[attr-defined]
        self._width = len(written)
        self._written = _coders(written, _WRITE)
        self._read = _coders(names, _READ)

    def row(self, record: Record) -> list[Any]:
        """The values to insert."""
        values = [
            # Half of a surrogate pair, which no database takes, must not cost the row.
            v if not isinstance(v, str) or v.isascii() else v.encode("utf-8", "replace").decode()
            for v in record
        ]
        for place, code in self._written:
            if values[place] is not None:
                values[place] = code(values[place])
        return values[: self._width]

    def record(self, row: Sequence[Any]) -> Record:
        """The record of a selected row."""
        values = list(row)
        for place, code in self._read:
            if values[place] is not None:
                values[place] = code(values[place])
        return self._make(values)

    def inserts(self, records: Sequence[Record]) -> Iterator[tuple[str, list[Any]]]:
        """Statements that insert them in order, and the values of each. Of few different sizes."""
        start = 0
        while start < len(records):
            left = len(records) - start
            size = min(MOST_ROWS, 1 << (left.bit_length() - 1))
            values: list[Any] = []
            for record in records[start : start + size]:
                values += self.row(record)
            yield self._insert + ", ".join([self._holes] * size), values
            start += size


def amount_of(text: str) -> Decimal:
    """An amount as it was written. Raises `ArithmeticError` for what is no amount."""
    amount = Decimal(text)
    if not amount.is_finite():
        raise ArithmeticError(f"{text} is no amount")
    return amount


def decimal_text(amount: Decimal) -> str:
    """Plain digits, never an exponent, so that any tool can read it."""
    return format(amount, "f")


def _skills_text(skills: tuple[tuple[str, float], ...]) -> str:
    # Names of skills hold nothing that JSON would escape (the manifest sees to that).
    return "{" + ",".join([f'"{skill}":{weight!r}' for skill, weight in skills]) + "}"


def _skills(text: str) -> tuple[tuple[str, float], ...]:
    return tuple((str(skill), float(weight)) for skill, weight in json.loads(text).items())


_WRITE: Mapping[str, Callable[[Any], Any]] = {"usd": decimal_text, "skills": _skills_text}
_READ: Mapping[str, Callable[[Any], Any]] = {"usd": amount_of, "skills": _skills}


def _coders(
    names: Sequence[str], coders: Mapping[str, Callable[[Any], Any]]
) -> list[tuple[int, Callable[[Any], Any]]]:
    found = [(i, coders.get("usd" if n.endswith("usd") else n)) for i, n in enumerate(names)]
    return [(place, code) for place, code in found if code is not None]
