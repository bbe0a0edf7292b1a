"""Opening the ledger that a team shares; what that needs is not installed with everything else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.errors import LedgerError, LedgerFault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.ledger.store import Store
    from rightmodel.ledger.writer import OpenStore

_URL: Final = re.compile(r"(postgres(?:ql)?://)(?:[^@/]*@)?([^@?]*)(?:\?[^@]*)?")
"""As libpq reads it. An @ or / too many may be a password's, so that the rest may not be shown."""

_DEFAULTS: Final[Mapping[str, Any]] = {
    "connect_timeout": 3,
    "fallback_application_name": "rightmodel",
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
"""Where the URL says nothing. Firewalls forget a connection on which nothing is heard."""


def open_postgres(url: str, *, busy_s: float | None = None) -> OpenStore:
    """Opens the store as often as needed. `url`: "postgresql://user:password@host/database".

    Raises `LedgerError` at once where the URL is none, or psycopg is missing. Neither that nor
    anything that is told later holds a password.
    """
    location = _location(url)
    try:
        from psycopg import Error  # noqa: PLC0415 - an extra
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - an extra

        from rightmodel.ledger.postgres import BUSY_S, PostgresStore  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise LedgerError(
            LedgerFault.UNREACHABLE,
            f"the ledger {location} needs psycopg, which is not here ({error}): "
            "pip install '.[postgres]' in a checkout, or pip install 'psycopg[binary]'",
            location=location,
        ) from error
    try:
        settings = {**_DEFAULTS, **conninfo_to_dict(url)}
    except Error:  # its words may hold a part of the password
        raise _malformed(location) from None
    waits = BUSY_S if busy_s is None else busy_s

    def opened(after: LedgerError | None = None) -> Store:  # noqa: ARG001 - there is no mending
        return PostgresStore(settings, location, busy_s=waits)

    return opened


def _location(url: str) -> str:
    """The URL without user, password and options."""
    found = _URL.fullmatch(url)
    if found is None:
        raise _malformed("")
    return found[1] + found[2]


def _malformed(location: str) -> LedgerError:
    return LedgerError(
        LedgerFault.UNREACHABLE,
        f"the ledger's url {location or '(not shown)'} cannot be read: it has to be like "
        "postgresql://user:password@host:5432/database?option=value, and in a password @ is "
        "written %40, / %2F and % %25",
        location=location,
    )
