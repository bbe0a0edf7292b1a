"""Opens the ledger that a team shares, in PostgreSQL; psycopg is an optional dependency."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.errors import LedgerError, LedgerFault

if TYPE_CHECKING:
    from rightmodel.ledger.store import Store
    from rightmodel.ledger.writer import OpenStore

_URL: Final = re.compile(r"(postgres(?:ql)?://)(?:[^@/]*@)?([^@?]*)(?:\?[^@]*)?")
"""As libpq reads it. A surplus @ or / may belong to a password: such a URL is not shown."""

_DEFAULTS: Final[Mapping[str, Any]] = {
    "connect_timeout": 3,
    "fallback_application_name": "rightmodel",
    "keepalives_idle": 30,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
"""Unless the URL or the environment says otherwise. Firewalls drop connections that are idle."""


def open_postgres(
    url: str, environment: Mapping[str, str] | None = None, *, busy_s: float | None = None
) -> OpenStore:
    """Opens the store as often as needed. `url`: "postgresql://user:password@host/database".

    `environment`: libpq's variables (PGPASSWORD …), for what the URL leaves open. Raises
    `LedgerError` at once if the URL is malformed or psycopg is missing. No error holds a password.
    """
    location = _location(url)
    try:
        from psycopg import Error  # noqa: PLC0415 - an extra
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - an extra
        from psycopg.pq import Conninfo  # noqa: PLC0415 - an extra

        from rightmodel.ledger.postgres import BUSY_S, PostgresStore  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise LedgerError(
            LedgerFault.UNREACHABLE,
            f"the ledger {location} needs psycopg, which is not installed ({error}): "
            "pip install -e '.[postgres]' in a checkout, or pip install 'psycopg[binary]'",
            location=location,
        ) from error
    try:
        stated = conninfo_to_dict(url)
        variables = {o.envvar: o.keyword for o in Conninfo.get_defaults() if o.envvar}
        found = {
            keyword.decode(): value
            for variable, keyword in variables.items()
            if (value := (environment or {}).get(variable.decode()))
        }
        settings = {**_DEFAULTS, **found, **stated}
    except Error:  # its words may hold a part of the password
        raise _malformed(location) from None
    waits = BUSY_S if busy_s is None else busy_s

    def opened(after: LedgerError | None = None) -> Store:  # noqa: ARG001 - each time the same
        return PostgresStore(settings, location, busy_s=waits)

    return opened


def spill_name(url: str) -> str:
    """The name of the file for records that the database did not take; see `spill.py`."""
    return f"ledger.postgresql-{blake2b(_location(url).encode(), digest_size=6).hexdigest()}"


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
