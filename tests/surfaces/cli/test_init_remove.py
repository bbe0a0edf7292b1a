"""`rightmodel init --remove`: everything is as it was before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from rightmodel.integrations.clients import CLIENTS
from rightmodel.integrations.model_setup import SETUPS
from rightmodel.surfaces.cli import cli
from surfaces.cli.init_command import Machine, new_machine, openclaw

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return new_machine(tmp_path, monkeypatch)


@pytest.mark.parametrize("runs", [1, 2])
def test_remove_leaves_the_home_exactly_as_it_was(machine: Machine, runs: int) -> None:
    openclaw(machine)
    machine.put(".codex/config.toml", "# mine\nmodel = 'gpt-6.1-sol'\n")
    machine.put("bin/claude").chmod(0o755)
    before = machine.tree()
    machine.init("--yes")
    if runs > 1:
        machine.env["OPENAI_API_KEY"] = "sk-new"
        machine.init("--yes")
    assert machine.tree() != before
    done = machine.init("--remove", answers="y\n")
    assert done.exit_code == 0, done.output
    assert "openclaw.json: gets its former content back" in done.output
    assert machine.tree() == before
    assert "nothing to undo" in machine.init("--remove", "--yes").output


def test_remove_keeps_what_the_user_changed_since(machine: Machine) -> None:
    file = openclaw(machine)
    machine.init("--yes")
    settings = json.loads(file.read_text())
    file.write_text(json.dumps(settings | {"theme": "dark"}))
    machine.manifest.write_text(machine.manifest.read_text() + "# mine\n")
    done = machine.init("--remove", "--yes")
    assert "loses the registration; your later changes stay" in done.output
    assert "manifest.toml: stays, because you have changed it" in done.output
    left = json.loads(file.read_text())
    assert left["theme"] == "dark"
    assert "rightmodel" not in json.dumps(left)
    assert machine.manifest.is_file()
    assert not machine.keys.exists()


def test_remove_asks_first(machine: Machine) -> None:
    openclaw(machine)
    machine.init("--yes")
    before = machine.tree()
    machine.init("--remove", answers="n\n")
    assert machine.tree() == before


@pytest.mark.parametrize("name", SETUPS)
@pytest.mark.parametrize("with_init", [True, False])
def test_remove_brings_the_agents_own_model_back(
    machine: Machine, name: str, *, with_init: bool
) -> None:
    file, text = {
        "openclaw": (".openclaw/openclaw.json", '{"agents": {"defaults": {"model": "openai/x"}}}'),
        "claude-code": (".claude/settings.json", '{"env": {"ANTHROPIC_MODEL": "opus"}}'),
        "codex": (".codex/config.toml", 'model = "gpt-6.1-sol"\n'),
        "opencode": (".config/opencode/opencode.json", '{"model": "openai/x"}'),
    }[name]
    path = machine.put(file, text)
    before = machine.tree()
    if with_init:
        machine.init("--yes")
    written = CliRunner().invoke(cli, ["config", name, "--model", "--write"], env=machine.env)
    assert written.exit_code == 0, written.output
    assert "8765" in path.read_text()
    done = machine.init("--remove", "--yes")
    assert done.exit_code == 0, done.output
    assert f"{path}: {CLIENTS[name].title} gets its former model back" in done.output
    assert path.read_text() == text
    left = {n: content for n, content in machine.tree().items() if content is not None}
    assert left == {n: content for n, content in before.items() if content is not None}
    assert "nothing to undo" in machine.init("--remove", "--yes").output


def test_remove_takes_out_what_config_registered(machine: Machine) -> None:
    file = openclaw(machine)
    before = file.read_text()
    CliRunner().invoke(cli, ["config", "openclaw", "--write"], env=machine.env)
    assert file.read_text() != before
    machine.init("--remove", "--yes")
    assert file.read_text() == before
