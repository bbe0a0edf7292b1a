"""Plugins and server.json are what one table of facts makes, in one version."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

import bundles
from rightmodel import __version__

ROOT = Path(__file__).parents[2]
GENERATED = bundles.generated()


@pytest.mark.parametrize("name", GENERATED)
def test_each_file_is_what_the_generator_makes(name: str) -> None:
    hint = "run: python scripts/bundles.py"
    assert (bundles.FOLDER / name).read_text(encoding="utf-8") == GENERATED[name], hint


def test_server_json_is_what_the_generator_makes() -> None:
    text = (ROOT / "server.json").read_text(encoding="utf-8")
    assert text == bundles.as_json(bundles.server_json()), "run: python scripts/bundles.py"


def test_the_folder_holds_nothing_else() -> None:
    files = (path for path in bundles.FOLDER.rglob("*") if path.is_file())
    there = {path.relative_to(bundles.FOLDER).as_posix() for path in files}
    assert there == {*GENERATED, bundles.ROUTER_CODE}


def test_every_version_is_that_of_the_package() -> None:
    versions = [
        version
        for text in (*GENERATED.values(), (ROOT / "server.json").read_text(encoding="utf-8"))
        for version in re.findall(r'(?m)^\s*"?version"?(?::| =) "([^"]*)"', text)
    ]
    assert len(versions) >= 9
    assert set(versions) == {__version__}
    assert f"rightmodel=={__version__}" in GENERATED["mcpb/pyproject.toml"]


def test_the_registrys_limits_are_kept_and_the_readme_proves_the_name() -> None:
    server = bundles.server_json()
    assert len(server["description"]) <= 100
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", server["name"])
    assert f"<!-- mcp-name: {server['name']} -->" in (ROOT / "README.md").read_text("utf-8")


def test_every_json_file_is_valid_and_the_skill_is_in_each_plugin_that_takes_skills() -> None:
    for name, text in GENERATED.items():
        if name.endswith(".json"):
            json.loads(text)
        elif name.endswith(".toml"):
            tomllib.loads(text)
    skills = [name for name in GENERATED if name.endswith("SKILL.md")]
    assert len(skills) == len(bundles.WITH_SKILL)
