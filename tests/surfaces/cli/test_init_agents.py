"""`rightmodel init`: the agents that it registers, their keys, and what cannot be written."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.core.errors import RightmodelError
from rightmodel.integrations.clients import SKILL
from surfaces.cli.init_command import KEY, Machine, new_machine, openclaw

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return new_machine(tmp_path, monkeypatch)


def test_agents_are_found_and_registered_with_keys_and_manifest(machine: Machine) -> None:
    file = openclaw(machine)
    machine.put("bin/claude").chmod(0o755)
    done = machine.init("--yes")
    assert "agents:       OpenClaw, Claude Code\n" in done.output
    server = json.loads(file.read_text())["mcp"]["servers"]["rightmodel"]
    assert server["args"][1:5] == [
        "--manifest",
        str(machine.manifest),
        "--env-file",
        str(machine.keys),
    ]
    assert machine.keys.read_text() == f"ANTHROPIC_API_KEY={KEY}\n"
    assert machine.keys.stat().st_mode & 0o777 == 0o600
    assert KEY not in done.output
    claude = json.loads((machine.home / ".claude.json").read_text())
    assert "--env-file" not in claude["mcpServers"]["rightmodel"]["args"]
    for folder in (".openclaw", ".claude"):
        copied = machine.home / folder / "skills/rightmodel/SKILL.md"
        assert copied.read_text() == SKILL.read_text()


def test_only_the_named_agent_is_registered(machine: Machine) -> None:
    openclaw(machine)
    machine.put(".cursor/mcp.json", "{}")
    machine.init("--yes", "--agent", "cursor")
    assert "rightmodel" in (machine.home / ".cursor/mcp.json").read_text()
    assert "rightmodel" not in (machine.home / ".openclaw/openclaw.json").read_text()


def test_an_agent_whose_file_cannot_be_edited_does_not_stop_the_others(machine: Machine) -> None:
    openclaw(machine)
    zed = machine.put(".config/zed/settings.json", "// mine\n{}\n")
    machine.put("bin/goose").chmod(0o755)
    done = machine.init("--yes")
    assert done.exit_code == 0, done.output
    assert f"{zed} has comments, which would be lost: `rightmodel config zed`" in done.output
    assert "Goose: by hand: `rightmodel config goose`" in done.output
    assert "rightmodel" in (machine.home / ".openclaw/openclaw.json").read_text()
    assert zed.read_text() == "// mine\n{}\n"


def test_a_second_run_changes_nothing_and_asks_nothing(machine: Machine) -> None:
    openclaw(machine)
    machine.put(".codex/config.toml", "# mine\n")
    machine.put(".gemini/settings.json", "{}\n")  # reads the same skill file as Codex
    machine.init("--yes")
    machine.manifest.write_text(machine.manifest.read_text() + "# my own words\n")
    before = machine.tree()
    done = machine.init()
    assert done.exit_code == 0, done.output
    assert "nothing to write" in done.output
    assert machine.tree() == before
    told = [line for line in done.output.splitlines() if line.endswith(": stays as it is")]
    assert len(told) == len(set(told)) >= 4


def test_a_later_run_adds_a_new_agent_and_a_new_key(machine: Machine) -> None:
    openclaw(machine)
    machine.init("--yes")
    manifest = machine.manifest.read_text()
    machine.put(".codex/config.toml")
    machine.env |= {"OPENAI_API_KEY": "sk-new", "ANTHROPIC_API_KEY": ""}
    done = machine.init("--yes")
    assert done.exit_code == 0, done.output
    assert machine.keys.read_text() == f"ANTHROPIC_API_KEY={KEY}\nOPENAI_API_KEY=sk-new\n"
    assert "rightmodel" in (machine.home / ".codex/config.toml").read_text()
    assert machine.manifest.read_text() == manifest


def test_a_manifest_of_the_users_own_is_enough(machine: Machine) -> None:
    """Its keys are kept for the agent, no shipped provider is needed, and it is not changed."""
    openclaw(machine)
    machine.env |= {"ANTHROPIC_API_KEY": "", "MINE_KEY": "sk-mine"}
    text = """version = 1
[providers.mine]
protocol = "openai-chat"
base_url = "https://llm.example.com/v1"
key_env = "MINE_KEY"
[[models]]
id = "mine/big"
"""
    machine.put(".config/rightmodel/manifest.toml", text)
    done = machine.init("--yes")
    assert done.exit_code == 0, done.output
    assert "keys:         MINE_KEY (mine)" in done.output
    assert machine.manifest.read_text() == text
    assert machine.keys.read_text() == "MINE_KEY=sk-mine\n"
    assert "rightmodel" in (machine.home / ".openclaw/openclaw.json").read_text()


def test_only_agents_that_were_registered_are_to_be_restarted(machine: Machine) -> None:
    openclaw(machine)
    machine.put(".codex/config.toml", "model = [broken")
    done = machine.init("--yes")
    assert "Then restart OpenClaw and say" in done.output
    assert "rightmodel config codex` prints what to add" in done.output


def test_an_agent_whose_files_cannot_be_read_or_written_keeps_no_other_from_being_registered(
    machine: Machine,
) -> None:
    openclaw(machine)
    (machine.home / ".gemini/settings.json").mkdir(parents=True)
    machine.put(".codex/config.toml")
    machine.put(".agents", "no folder")
    done = machine.init("--yes")
    assert done.exit_code == 0, done.output
    assert "settings.json cannot be read: Is a directory: `rightmodel config gemini" in done.output
    assert ".agents/skills/rightmodel/SKILL.md cannot be written" in done.output
    assert "Then restart OpenClaw, Codex CLI and say" in done.output
    assert "rightmodel" in (machine.home / ".openclaw/openclaw.json").read_text()


def test_keys_that_cannot_be_written_are_an_error_before_an_agent_is_registered(
    machine: Machine,
) -> None:
    """Its registration would name an env file that is not there."""
    file = openclaw(machine)
    before = file.read_text()
    machine.put(".config/rightmodel", "no folder")
    done = machine.init("--yes", "--manifest", str(machine.home / "mine.toml"))
    assert isinstance(done.exception, RightmodelError)
    assert "keys.env cannot be written" in str(done.exception)
    assert file.read_text() == before


def test_the_users_own_manifest_is_used_and_kept(machine: Machine) -> None:
    own = machine.put("work/rightmodel.toml", 'version = 1\ninclude = ["anthropic"]\n')
    openclaw(machine)
    done = machine.init("--yes")
    assert done.exit_code == 0, done.output
    assert not machine.manifest.exists()
    assert str(own) in (machine.home / ".openclaw/openclaw.json").read_text()
    assert os.fspath(own) not in [entry["path"] for entry in _notes(machine)]


def _notes(machine: Machine) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(
        (machine.home / "state/written_files.json").read_text()
    )
    return entries


def test_a_folder_alone_is_an_agent(machine: Machine) -> None:
    (machine.home / ".claude").mkdir()
    assert "agents:       Claude Code\n" in machine.init("--yes").output


def test_the_gateway_is_named_before_the_agent_is_pointed_at_it(machine: Machine) -> None:
    openclaw(machine)
    lines = machine.init("--yes").output.splitlines()
    serve = lines.index("         rightmodel serve --http 127.0.0.1:8765")
    assert lines[serve + 1] == "         rightmodel config openclaw --model --write"
