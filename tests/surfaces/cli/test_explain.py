"""`choose --explain`: how a task was read, and what follows."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from click.testing import CliRunner

from rightmodel.surfaces.cli import cli

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """version = 1
[routing]
assess = "learned"
[providers.p]
protocol = "openai-chat"
base_url = "https://p.example/v1"
key_env = "P_KEY"
[skills.code]
slope = 0.5
[[models]]
id = "p/small"
cost = { input = 0.1, output = 0.4 }
limits = { context = 100000, output = 8000 }
skills = { general = 6 }
[[models]]
id = "p/large"
cost = { input = 5, output = 20 }
limits = { context = 100000, output = 8000 }
skills = { general = 9 }
"""


def explain(tmp_path: Path, *arguments: str) -> str:
    (tmp_path / "m.toml").write_text(MANIFEST)
    environment = {"P_KEY": "k", "RIGHTMODEL_STATE_DIR": str(tmp_path)}
    command = ["choose", "--explain", *arguments, "--manifest", str(tmp_path / "m.toml")]
    result = CliRunner().invoke(cli, command, env=environment)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_instruction_the_slope_and_every_reading_are_shown(tmp_path: Path) -> None:
    prompt = "Hi! Could you please write a Python function that parses a date? Thanks!"
    lines = explain(tmp_path, prompt).splitlines()
    assert lines[0] == "instruction: 'write a python function that parses a date?'"
    assert any(" in code: 4.6 + slope 0.50 × (" in line for line in lines)
    reading = r"if it is code of difficulty \d\.\d( or \d\.\d)* \(\d+%\): p/(small|large)"
    assert any(re.fullmatch(reading, line) for line in lines)
    assert any(line.startswith("a wrong answer costs $") for line in lines)


def test_a_stated_difficulty_counts_in_full(tmp_path: Path) -> None:
    shown = explain(tmp_path, "Parse a date", "--skill", "code", "--difficulty", "hard")
    assert "difficulty 7.0, stated: it counts in full" in shown


def test_programs_get_the_same_figures(tmp_path: Path) -> None:
    told = json.loads(explain(tmp_path, "Translate 'tree' into German.", "--json"))["explain"]
    assert told["instruction"].startswith("translate")
    assert sum(r["share"] for r in told["readings"]) == 1
    assert all(r["difficulties"] for r in told["readings"])
    assert set(told["slopes"]) == set(told["skills"])
    assert told["slopes"]["translate"] == {"slope": 0.3, "center": 4}
