"""Records that could not be written when the process ended: a file beside the ledger keeps them.

The next process that opens the ledger writes them and deletes the file. Writing a record twice does
no harm, so a process that dies in between loses and doubles nothing.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from rightmodel.ledger import records
from rightmodel.ledger.call_rows import new_id
from rightmodel.ledger.paths import make_private
from rightmodel.ledger.records import Choice, Row

if TYPE_CHECKING:
    from pathlib import Path

    Group = Sequence[Row]

logger = logging.getLogger("rightmodel.ledger")

_TYPES: Final = ("AttemptRecord", "CallRecord", "OutcomeRecord", "Texts", "Hold", "Settled",
                 "Cooldown", "Restored", "Session", "SessionsEnded")  # fmt: skip


class Spill:
    """`ledger`: the ledger's file; for a database, a file name in the state directory."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger

    def files(self) -> list[Path]:
        """The files that wait to be written to the ledger."""
        return sorted(self._ledger.parent.glob(f"{self._ledger.name}.unwritten-*.jsonl"))

    def save(self, groups: Sequence[Group]) -> Path:
        """Keep groups of rows but for choices; each is written as one. Raises `OSError`."""
        file = self._ledger.with_name(f"{self._ledger.name}.unwritten-{new_id():x}.jsonl")
        unfinished = file.with_suffix(".part")
        make_private(unfinished)
        with unfinished.open("w", encoding="ascii") as out:
            for group in groups:
                kept = [_encoded(row) for row in group if not isinstance(row, Choice)]
                out.write(json.dumps(kept, default=str) + "\n")
            out.flush()
            os.fsync(out.fileno())
        unfinished.rename(file)
        return file

    @staticmethod
    def load(file: Path) -> Iterator[Group]:
        """The groups of a file. A line that cannot be read is skipped with a warning."""
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:  # another process was faster
            return
        for line in lines:
            try:
                yield [_decoded(name, values) for name, values in json.loads(line)]
            except (ValueError, TypeError, KeyError, ArithmeticError) as error:
                logger.warning("%s: skipped a line that cannot be read: %r", file, error)


def _encoded(row: Row) -> tuple[str, dict[str, Any]]:
    return type(row).__name__, row._asdict()


def _decoded(name: str, values: dict[str, Any]) -> Row:
    if name not in _TYPES:
        raise ValueError(f"unknown record {name!r}")
    record = getattr(records, name)
    known = {k: v for k, v in values.items() if k in record._fields}
    for key, value in known.items():
        if key.endswith("usd") and value is not None:
            known[key] = Decimal(value)
        elif key == "skills":
            known[key] = tuple((str(skill), float(weight)) for skill, weight in value)
    row: Row = record(**known)
    return row
