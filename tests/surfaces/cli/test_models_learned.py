from __future__ import annotations

import asyncio
import json
import tomllib
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from ledger.rows import outcome
from rightmodel.ledger.ledger import Ledger
from rightmodel.ledger.paths import FILE
from rightmodel.ledger.recovery import SqliteOpener
from rightmodel.surfaces.cli import cli

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

MANIFEST = """
version = 1
[providers.p]
protocol = "openai-chat"
base_url = "http://127.0.0.1:9/v1"
[[models]]
id = "p/m"
cost = { input = 1, output = 2 }
skills = { general = 6, code = 7 }
[[models]]
id = "p/n"
skills = { general = 6 }
"""


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("RIGHTMODEL_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "m.toml").write_text(MANIFEST)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(
            cli, ["models", *arguments, "--manifest", str(tmp_path / "m.toml")]
        )

    return run


def learn(tmp_path: Path, *goods: float) -> None:
    async def write() -> None:
        ledger = Ledger(SqliteOpener(tmp_path / "state" / FILE, lambda: 0.0))
        rows = [outcome(good=g, skills=(("code", 1.0),), task=str(i)) for i, g in enumerate(goods)]
        await ledger.record(*rows)
        await ledger.close()

    asyncio.run(write())


def test_without_a_ledger_nothing_is_learned_and_nothing_is_written(
    models: Callable[..., Result], tmp_path: Path
) -> None:
    assert "nothing was learned yet" in models("--learned").output
    assert "p/m" in models().output
    assert not (tmp_path / "state").exists()


def test_learned_ratings_are_shown_beside_the_manifests(
    models: Callable[..., Result], tmp_path: Path
) -> None:
    learn(tmp_path, 0.0, 0.0, 0.0)
    assert "code 7.0 → 6." in models("p/m").output
    assert "learned" in models().output
    (row,) = json.loads(models("--learned", "--json").stdout)
    assert (row["model"], row["skill"], row["manifest"]) == ("p/m", "code", 7.0)
    assert row["rating"] < 7.0
    assert json.loads(models("p/n", "--learned", "--json").stdout) == []


def test_the_export_is_a_manifest_fragment(models: Callable[..., Result], tmp_path: Path) -> None:
    learn(tmp_path, 1.0, 1.0)
    (model,) = tomllib.loads(models("--export").stdout)["models"]
    assert model["id"] == "p/m"
    assert model["skills"]["code"] > 7.0


def test_what_was_learned_can_be_forgotten(models: Callable[..., Result], tmp_path: Path) -> None:
    learn(tmp_path, 0.0, 0.0)
    refused = models("--forget")
    assert "add --yes to confirm" in str(refused.exception)
    assert "p/m" in models("--learned").output
    assert "every model are the manifest's again" in models("--forget", "--yes").output
    assert json.loads(models("--learned", "--json").stdout) == []


def test_a_damaged_ledger_is_reported_and_the_models_are_shown_all_the_same(
    models: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / FILE).write_bytes(b"no database at all" * 100)
    result = models()
    assert "p/m" in result.stdout
    assert "learned ratings are not shown" in result.stderr
    assert models("--learned").exit_code != 0


def test_only_one_view_at_a_time(models: Callable[..., Result]) -> None:
    result = models("--learned", "--forget")
    assert result.exit_code != 0
