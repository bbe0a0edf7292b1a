"""Records ↔ rows of a table: money as decimal text, skill weights as JSON, the rest as it is."""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Record = TypeVar("Record", bound=tuple[Any, ...])

MOST_ROWS: Final = 16
"""In one statement. Each statement lets other threads in before and after: few are cheap."""
MOST_DIGITS: Final = 15
"""Before an amount's point: no money is that much, and sums of what is less stay exact."""
MOST_WEIGHT: Final = 10.0
"""Skill weights of a task add up to 1; what is far above is no weight."""

logger = logging.getLogger("rightmodel.ledger")


class RowError(ValueError):
    """A row holds values that no rightmodel writes."""


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
        self._name = name
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
        """The record of a selected row. Raises `RowError`."""
        values = list(row)
        try:
            for place, code in self._read:
                if values[place] is not None:
                    values[place] = code(values[place])
        except (ArithmeticError, ValueError, TypeError, AttributeError) as error:
            raise RowError(f"{self._name}: {error!r}") from error
        return self._make(values)

    def records(self, rows: Iterable[Sequence[Any]]) -> Iterator[Record]:
        """The records of selected rows. One that cannot be read is skipped with a warning."""
        for row in rows:
            try:
                record = self.record(row)
            except RowError as error:
                logger.warning("skipped a row of the ledger that cannot be read: %s", error)
            else:
                yield record

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
    """An amount as it was written. Raises `ArithmeticError` for an invalid one."""
    return _sane(Decimal(text))


def _amount_if_valid(text: str) -> Decimal | None:
    """An invalid amount is unknown: the row's other columns are sound."""
    try:
        return amount_of(text)
    except (ArithmeticError, TypeError, ValueError):
        logger.warning("invalid amount in the ledger: %.40r is taken as unknown", text)
        return None


def decimal_text(amount: Decimal) -> str:
    """Plain digits, never an exponent, so that any tool can read it. Raises like `amount_of`."""
    return format(_sane(amount), "f")


def _sane(amount: Decimal) -> Decimal:
    if not amount.is_finite() or amount.adjusted() >= MOST_DIGITS:
        raise ArithmeticError(f"{amount:.3e} is no amount of money")
    return amount


def _finite(value: Any) -> float:
    number = float(value)
    if not isfinite(number):
        raise ValueError(f"{value} is no number")
    return number


def _weight(value: Any) -> float:
    weight = float(value)
    if not 0 <= weight <= MOST_WEIGHT:
        raise ValueError(f"{value} is no weight")
    return weight


def _skills_text(skills: tuple[tuple[str, float], ...]) -> str:
    # Names of skills hold nothing that JSON would escape (the manifest sees to that).
    return "{" + ",".join([f'"{skill}":{weight!r}' for skill, weight in skills]) + "}"


def _skills(text: str) -> tuple[tuple[str, float], ...]:
    return tuple((str(skill), _weight(weight)) for skill, weight in json.loads(text).items())


_WRITE: Mapping[str, Callable[[Any], Any]] = {
    "usd": decimal_text,
    "any_usd": decimal_text,
    "skills": _skills_text,
}
_FLOATS: Final = (
    "at", "difficulty", "confidence", "good", "time_s", "first_token_s", "expires", "until",
)  # fmt: skip
_COUNTS: Final = ("input", "cached", "cache_writes", "output", "reasoning", "expected_output")
_READ: Mapping[str, Callable[[Any], Any]] = {
    "usd": amount_of,
    "any_usd": _amount_if_valid,
    "skills": _skills,
    **dict.fromkeys(_FLOATS, _finite),
    **dict.fromkeys(_COUNTS, int),  # SQLite keeps any text where a number is expected
}


def _coders(
    names: Sequence[str], coders: Mapping[str, Callable[[Any], Any]]
) -> list[tuple[int, Callable[[Any], Any]]]:
    found = [(i, coders.get("any_usd" if n.endswith("_usd") else n)) for i, n in enumerate(names)]
    return [(place, code) for place, code in found if code is not None]
