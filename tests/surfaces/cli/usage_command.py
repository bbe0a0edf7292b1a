"""Running `rightmodel usage` in a folder of its own, on the 20th of November."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner, Result

from rightmodel.surfaces.cli import cli

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pytest

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
KEEP_A_CLOCK = ("execution.engine", "ledger.ledger")
TODAY = "2026-11-20"
MANIFEST = """version = 1
include = ["anthropic"]
baseline = "anthropic/claude-opus-4-8"
[budget]
per_day_usd = 0.5
[budget.skills]
code = 2.25
"""


def settle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work, live and keep state there; it is noon."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setenv("RIGHTMODEL_STATE_DIR", str(folder / "state"))
    monkeypatch.delenv("RIGHTMODEL_MANIFEST", raising=False)
    for module in KEEP_A_CLOCK:  # whoever imports it first
        import_module(f"rightmodel.{module}")
    monkeypatch.setattr(time, "time", lambda: NOW)


def run(*arguments: str) -> str:
    result = outcome_of(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def outcome_of(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["usage", *arguments], catch_exceptions=True)


def plain(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("--json", *arguments))
    return found


def total(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((a for a in amounts if a is not None), Decimal(0))
