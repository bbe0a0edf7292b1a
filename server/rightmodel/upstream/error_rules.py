"""Which error means which fault: the rows of `error_rules.toml`, the first that fits decides."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple

from rightmodel.core.fault import Fault, Scope

_READ: Final = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
_NUMBER: Final = r"(\d[\d,]*)"
DISK_FULL: Final[str] = _READ["disk_full"]


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


def _rule(row: dict[str, Any]) -> Rule:
    fault, words = Fault(row["fault"]), "|".join(row.get("words", ()))
    return Rule(
        fault,
        Scope(row.get("scope", fault.scope)),
        frozenset(row.get("statuses", ())),
        frozenset(row.get("codes", "").split()),
        re.compile(words.replace("$disk_full", DISK_FULL), re.IGNORECASE) if words else None,
        row.get("page", False),
        row.get("named", False),
    )


def _counted(patterns: list[str]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(p.replace("N", _NUMBER), re.IGNORECASE) for p in patterns)


RULES: Final = tuple(map(_rule, _READ["rules"]))
WINDOWS: Final = _counted(_READ["windows"])
INPUTS: Final = _counted(_READ["inputs"])
STATUS_OF: Final = {
    code: int(status) for status, codes in _READ["status_of"].items() for code in codes.split()
}
