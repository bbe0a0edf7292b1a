"""PostgreSQL's errors as trouble with the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg

from rightmodel.core.errors import LedgerError, LedgerFault

if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS: Final[Mapping[str, LedgerFault]] = {
    "53100": LedgerFault.FULL,
    "25006": LedgerFault.READ_ONLY,
    "42501": LedgerFault.READ_ONLY,
    "55P03": LedgerFault.LOCKED,
    "57014": LedgerFault.LOCKED,
    "XX001": LedgerFault.DAMAGED,
    "XX002": LedgerFault.DAMAGED,
}
_OF_THE_ROW: Final = ("21", "22", "23")
"""Classes of errors that speak of a value, not of the database."""
_ADVICE: Final[Mapping[LedgerFault, str]] = {
    LedgerFault.LOCKED: "another server has been writing to it for too long",
    LedgerFault.FULL: "the database's disk is full",
    LedgerFault.READ_ONLY: "it may not be written",
    LedgerFault.DAMAGED: "the database is damaged",
    LedgerFault.UNREACHABLE: "it cannot be reached or used",
}


def error_of(error: psycopg.Error, location: str) -> LedgerError | None:
    """`None` where it is no trouble with the database. `location`: which, without a password."""
    kind = _kind(error)
    if kind is None:
        return None
    words = " ".join(str(error).split())
    return LedgerError(kind, f"the ledger {location}: {_ADVICE[kind]} ({words})", location=location)


def _kind(error: psycopg.Error) -> LedgerFault | None:
    state = error.sqlstate
    if state is None:  # from the client's side: the connection, or a mistake of ours
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return LedgerFault.UNREACHABLE if lost else None
    if state.startswith(_OF_THE_ROW):
        return None
    return _KINDS.get(state, LedgerFault.UNREACHABLE)
