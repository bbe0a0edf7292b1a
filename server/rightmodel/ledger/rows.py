"""Tables: records ↔ rows, with money as decimal text, skill weights as JSON, the rest as it is."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from math import isfinite
from typing import Any, Final, Generic, TypeVar

from rightmodel.core.decision import Candidate, Rejection
from rightmodel.ledger.records import (
    AttemptRecord,
    CallRecord,
    Choice,
    Cooldown,
    Hold,
    OutcomeRecord,
    Session,
    Texts,
)

Record = TypeVar("Record", bound=tuple[Any, ...])

MOST_ROWS: Final = 16
"""In one statement. Each statement lets other threads in before and after: few are cheap."""
MOST_DIGITS: Final = 15
"""Before an amount's point: larger amounts are invalid; sums of smaller ones stay exact."""
MOST_WEIGHT: Final = 10.0
"""Skill weights of a task add up to 1; a weight far above is invalid."""

_CANDIDATE: Final = "%s\t%.4g\t%s\t%s\t%.6g\t%d"
"""The fields of a candidate, in order."""

logger = logging.getLogger("rightmodel.ledger")


class Table(Generic[Record]):
    """How one kind of record is written and read, in SQL that both databases take.

    Names are unqualified and placeholders are `?`: see `store.py`. `conflict`: what to do where the
    record is there already. `numbered`: the database assigns the last field, `id`.
    """

    def __init__(
        self,
        name: str,
        record: type[Record],
        *,
        conflict: str = "DO NOTHING",
        numbered: bool = False,
    ) -> None:
        names: tuple[str, ...] = record._fields  # type: ignore[attr-defined]
        written = names[:-1] if numbered else names
        self._name = name
        self._insert = f"INSERT INTO {name} ({', '.join(written)}) VALUES "  # noqa: S608
        self._holes = f"({', '.join('?' * len(written))})"
        self._conflict = f" ON CONFLICT {conflict}"
        self.select = f"SELECT {', '.join(names)} FROM {name} "  # noqa: S608 - our own names
        self._make: Callable[[Iterable[Any]], Record] = record._make  # type: ignore[attr-defined]
        self._width = len(written)
        self._written = _coders(written, _WRITE)
        self._read = _coders(names, _READ)

    def insert(self, count: int = 1) -> str:
        """The statement that inserts so many rows."""
        return self._insert + ", ".join([self._holes] * count) + self._conflict

    def row(self, record: Record) -> list[Any]:
        """The values to insert."""
        values = list(record)
        for position, code in self._written:
            if values[position] is not None:
                values[position] = code(values[position])
        return values[: self._width]

    def records(self, rows: Iterable[Sequence[Any]]) -> Iterator[Record]:
        """The records of selected rows. An invalid row is skipped with a warning."""
        for row in rows:
            values = list(row)
            try:
                for position, code in self._read:
                    if values[position] is not None:
                        values[position] = code(values[position])
            except (ArithmeticError, ValueError, TypeError, AttributeError) as error:
                logger.warning("skipped an invalid row of the ledger's %s: %r", self._name, error)
            else:
                yield self._make(values)

    def inserts(self, records: Sequence[Record]) -> Iterator[tuple[str, list[Any]]]:
        """Statements that insert them in order, and the values of each. Of few different sizes."""
        start = 0
        while start < len(records):
            left = len(records) - start
            size = min(MOST_ROWS, 1 << (left.bit_length() - 1))
            values: list[Any] = []
            for record in records[start : start + size]:
                values += self.row(record)
            yield self.insert(size), values
            start += size


def encodable(value: Any) -> Any:
    """Half of a surrogate pair, which no database takes, must not cost the row."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


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
        raise ArithmeticError(f"{amount:.3e} is not an amount of money")
    return amount


def _finite(value: Any) -> float:
    number = float(value)
    if not isfinite(number):
        raise ValueError(f"{value} is not a number")
    return number


def _weight(value: Any) -> float:
    weight = float(value)
    if not 0 <= weight <= MOST_WEIGHT:
        raise ValueError(f"{value} is not a weight")
    return weight


def _skills_text(skills: tuple[tuple[str, float], ...]) -> str:
    # Names of skills hold nothing that JSON would escape (the manifest sees to that).
    return "{" + ",".join([f'"{skill}":{weight!r}' for skill, weight in skills]) + "}"


def _skills(text: str) -> tuple[tuple[str, float], ...]:
    return tuple((str(skill), _weight(weight)) for skill, weight in json.loads(text).items())


def _candidates_text(candidates: Sequence[Candidate]) -> str:
    """A line each. Written for every call: JSON would take twice the time and the room."""
    return "\n".join([_CANDIDATE % candidate for candidate in candidates])


def _candidates(text: str) -> tuple[Candidate, ...]:
    found = []
    for line in text.split("\n") if text else ():
        model, p, usd, time_s, total, group = line.split("\t")
        cost = None if usd == "None" else Decimal(usd)
        took = None if time_s == "None" else float(time_s)
        found.append(Candidate(model, float(p), cost, took, float(total), int(group)))
    return tuple(found)


def _rejections_text(rejections: Sequence[Rejection]) -> str:
    """A line for each reason: code, reason, models."""
    models: dict[tuple[str, str], list[str]] = {}
    for model, *why in rejections:
        models.setdefault((why[0], why[1].replace("\n", " ").replace("\t", " ")), []).append(model)
    return "\n".join(["\t".join((*why, *names)) for why, names in models.items()])


def _rejections(text: str) -> tuple[Rejection, ...]:
    lines = [line.split("\t") for line in text.split("\n")] if text else []
    return tuple(Rejection(m, code, why) for code, why, *models in lines for m in models)


_WRITE: Mapping[str, Callable[[Any], Any]] = {
    "candidates": _candidates_text,
    "rejections": _rejections_text,
    "usd": decimal_text,
    "any_usd": decimal_text,
    "skills": _skills_text,
}
_FLOATS: Final = (
    "at", "difficulty", "confidence", "good", "time_s", "first_token_s", "expires", "until", "loss",
)  # fmt: skip
_COUNTS: Final = ("input", "cached", "cache_writes", "output", "reasoning", "expected_output")
_READ: Mapping[str, Callable[[Any], Any]] = {
    "usd": amount_of,
    "any_usd": _amount_if_valid,
    "skills": _skills,
    "candidates": _candidates,
    "rejections": _rejections,
    **dict.fromkeys(_FLOATS, _finite),
    **dict.fromkeys(_COUNTS, int),  # SQLite keeps any text where a number is expected
}


def _coders(
    names: Sequence[str], coders: Mapping[str, Callable[[Any], Any]]
) -> list[tuple[int, Callable[[Any], Any]]]:
    found = [(i, coders.get("any_usd" if n.endswith("_usd") else n)) for i, n in enumerate(names)]
    return [(position, code) for position, code in found if code is not None]


_CORRECTED: Final = ", ".join(f"{name} = excluded.{name}" for name in OutcomeRecord._fields)
ATTEMPTS: Final = Table("attempts", AttemptRecord)
CALLS: Final = Table("calls", CallRecord)
OUTCOMES: Final = Table(
    "outcomes",
    OutcomeRecord,
    conflict=f"(call, kind, model) DO UPDATE SET {_CORRECTED}",
    numbered=True,
)
HOLDS: Final = Table("holds", Hold)
CHOICES: Final = Table("choices", Choice)
TEXTS: Final = Table("texts", Texts)
COOLDOWNS: Final = Table(
    "cooldowns",
    Cooldown,
    conflict="(key) DO UPDATE SET until = excluded.until, fault = excluded.fault "
    "WHERE excluded.until > cooldowns.until",
)
SESSIONS: Final = Table(
    "sessions",
    Session,
    conflict="(key) DO UPDATE SET at = excluded.at, state = excluded.state "
    "WHERE excluded.at > sessions.at",
)
TABLES: Final[dict[type, Table[Any]]] = {
    AttemptRecord: ATTEMPTS,
    CallRecord: CALLS,
    OutcomeRecord: OUTCOMES,
    Hold: HOLDS,
    Choice: CHOICES,
    Texts: TEXTS,
    Cooldown: COOLDOWNS,
    Session: SESSIONS,
}
