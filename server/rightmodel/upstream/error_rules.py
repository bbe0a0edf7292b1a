"""Which error means which fault: the rows of `error_rules.toml`, the first that fits decides."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple

from rightmodel.core.fault import Fault, Scope

_READ: Final = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_NUMBER: Final = r"(\d[\d,]*)"


class Rule(NamedTuple):
    """One row. `scope`: as in `ProviderError`. Empty `statuses`: any.

    `page`: only an HTML page fits. `named`: only a message that names the requested model fits.
    """

    fault: Fault
    scope: Scope
    statuses: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()
    words: re.Pattern[str] | None = None
    page: bool = False
    named: bool = False


def _any(patterns: list[str]) -> re.Pattern[str]:
    found = "|".join(patterns).replace("$disk_full", _READ["disk_full"])
    return re.compile(found, re.IGNORECASE)


def _each(patterns: list[str]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)


def _counted(patterns: list[str]) -> tuple[re.Pattern[str], ...]:
    return _each([pattern.replace("N", _NUMBER) for pattern in patterns])


def _rule(row: dict[str, Any]) -> Rule:
    fault = Fault(row["fault"])
    return Rule(
        fault,
        Scope(row.get("scope", fault.scope)),
        frozenset(row.get("statuses", ())),
        frozenset(row.get("codes", "").split()),
        _any(row["words"]) if "words" in row else None,
        row.get("page", False),
        row.get("named", False),
    )


RULES: Final = tuple(map(_rule, _READ["rules"]))
WINDOWS: Final = _counted(_READ["windows"])
INPUTS: Final = _counted(_READ["inputs"])
STATUS_OF: Final = {
    code: int(status) for status, codes in _READ["status_of"].items() for code in codes.split()
}

DISK_FULL: Final = _any(["$disk_full"])
_REFUSED: Final = _READ["refused"]
NO_STREAM: Final = _any(_REFUSED["no_stream"])
NO_SYSTEM: Final = _any(_REFUSED["no_system"])
NO_SCHEMA: Final = _any(_REFUSED["no_schema"])
NAMES: Final = _each(_REFUSED["names"])
LIMITS: Final = _each(_REFUSED["limits"])
CODES, SCHEMA_NAMES, CAP_NAMES, EFFORT_NAMES = (
    frozenset(_REFUSED[key].split()) for key in ("codes", "schema", "cap", "effort")
)
