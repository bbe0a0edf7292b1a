"""PostgreSQL's errors as trouble with the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg

from rightmodel.ledger.trouble import LedgerTrouble, Trouble

if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS: Final[Mapping[str, Trouble]] = {
    "53100": Trouble.FULL,
    "25006": Trouble.READ_ONLY,
    "42501": Trouble.READ_ONLY,
    "55P03": Trouble.LOCKED,
    "57014": Trouble.LOCKED,
    "XX001": Trouble.DAMAGED,
    "XX002": Trouble.DAMAGED,
}
_OF_THE_ROW: Final = ("21", "22", "23")
"""Classes of errors that speak of a value, not of the database."""
_ADVICE: Final[Mapping[Trouble, str]] = {
    Trouble.LOCKED: "another server has been writing to it for too long",
    Trouble.FULL: "the database's disk is full",
    Trouble.READ_ONLY: "it may not be written",
    Trouble.DAMAGED: "the database is damaged",
    Trouble.UNREACHABLE: "it cannot be reached or used",
}


def trouble_of(error: psycopg.Error, place: str) -> LedgerTrouble | None:
    """`None` where it is no trouble with the database. `place`: which, without a password."""
    kind = _kind(error)
    if kind is None:
        return None
    words = " ".join(str(error).split())
    return LedgerTrouble(kind, f"the ledger {place}: {_ADVICE[kind]} ({words})", place=place)


def _kind(error: psycopg.Error) -> Trouble | None:
    state = error.sqlstate
    if state is None:  # from the client's side: the connection, or a mistake of ours
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return Trouble.UNREACHABLE if lost else None
    if state.startswith(_OF_THE_ROW):
        return None
    return _KINDS.get(state, Trouble.UNREACHABLE)
