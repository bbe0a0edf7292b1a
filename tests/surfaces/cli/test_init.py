"""`rightmodel init`: what it finds, asks, writes, and undoes."""

from __future__ import annotations

import asyncio
import json
import os
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from rightmodel.core.errors import RightmodelError
from rightmodel.integrations import CLIENTS, SETUPS, SKILL
from rightmodel.manifest.load import load_catalog
from rightmodel.simulator import Behaviour, SimulatedProvider
from rightmodel.surfaces.cli import cli

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

KEY = "sk-ant-not-a-real-key"


class Machine:
    """A home with agents in it, and the files below it as they are now."""

    def __init__(self, home: Path, env: dict[str, str]) -> None:
        self.home = home
        self.env = env
        self.manifest = home / ".config/rightmodel/manifest.toml"
        self.keys = home / ".config/rightmodel/keys.env"

    def init(self, *arguments: str, answers: str = "") -> Result:
        command = ["init", "--no-call", *arguments]
        if "--remove" in arguments:
            command.remove("--no-call")
        return CliRunner().invoke(cli, command, input=answers, env=self.env)

    def put(self, name: str, text: str = "") -> Path:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def tree(self) -> dict[str, bytes | None]:
        """Every file and folder but those of the state directory."""
        found = {}
        for path in sorted(self.home.rglob("*")):
            name = str(path.relative_to(self.home))
            if not name.startswith("state"):
                found[name] = path.read_bytes() if path.is_file() else None
        return found

    def written(self) -> dict[str, Any]:
        return tomllib.loads(self.manifest.read_text())


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    home = tmp_path / "home"
    (home / "work").mkdir(parents=True)
    (home / "bin").mkdir()
    monkeypatch.chdir(home / "work")
    env = {
        "HOME": str(home),
        "PATH": str(home / "bin"),
        "XDG_CONFIG_HOME": "",
        "RIGHTMODEL_STATE_DIR": str(home / "state"),
        "ANTHROPIC_API_KEY": KEY,
    }
    return Machine(home, env)


def openclaw(machine: Machine, model: str = "anthropic/claude-opus-4-8") -> Path:
    settings = {"agents": {"defaults": {"model": {"primary": model}}}}
    return machine.put(".openclaw/openclaw.json", json.dumps(settings))


def test_the_answers_become_a_commented_manifest(machine: Machine) -> None:
    done = machine.init(answers="anthropic/claude-opus-4-8\n7.50\ny\n")
    assert done.exit_code == 0, done.output
    assert machine.written()["baseline"] == "anthropic/claude-opus-4-8"
    assert machine.written()["budget"] == {"per_day_usd": 7.5}
    assert machine.manifest.read_text().count("\n# ") >= 8
    catalog = load_catalog(machine.manifest, has_key=lambda p: p.name == "anthropic")
    assert set(catalog.providers) == {"anthropic"}
    assert "endpoints could be called" in done.output
    assert "Try it:  rightmodel ask" in done.output


def test_yes_asks_nothing_and_claims_no_baseline_that_nobody_named(machine: Machine) -> None:
    done = machine.init("--yes")
    assert done.exit_code == 0, done.output
    assert "Which model" not in done.output
    assert "Write" not in done.output
    assert "baseline" not in machine.written()
    assert machine.written()["budget"] == {"per_day_usd": 5}
    assert '# baseline = "anthropic/' in machine.manifest.read_text()


@pytest.mark.parametrize(
    ("file", "text", "baseline"),
    [
        (".openclaw/openclaw.json", '{agents: {defaults: {model: "anthropic/claude-opus-5"}}}', ""),
        (".codex/config.toml", 'model = "gpt-6.1-sol"', "openai/gpt-6.1-sol"),
        (".config/opencode/opencode.json", '{"model": "openai/gpt-6.1-sol"}', "openai/gpt-6.1-sol"),
        (".gemini/settings.json", '{"model": {"name": "no-such-model"}}', None),
        (".codex/config.toml", "model = ", None),
    ],
)
def test_the_baseline_comes_from_the_agents_own_settings(
    machine: Machine, file: str, text: str, baseline: str | None
) -> None:
    machine.put(file, text)
    machine.init("--yes")
    expected = "anthropic/claude-opus-5" if baseline == "" else baseline
    assert machine.written().get("baseline") == expected


def test_a_wrong_answer_is_explained_and_asked_again(machine: Machine) -> None:
    done = machine.init(answers="claude-opus-9\nnone\nmuch\nnone\ny\n")
    assert done.exit_code == 0, done.output
    assert "unknown model 'claude-opus-9'. Nearest: anthropic/claude-opus-" in done.output
    assert "'much' is not an amount: write USD such as 5, or none" in done.output
    assert "per_day_usd" not in machine.written()["budget"]


def test_a_wrong_option_is_an_error_before_anything_is_written(machine: Machine) -> None:
    before = machine.tree()
    for option in (
        ["--baseline", "opus-9"],
        ["--per-day-usd", "-1"],
        ["--local-first"],
        ["--agent", "open-claw"],
    ):
        done = machine.init("--yes", *option)
        assert isinstance(done.exception, RightmodelError), option
    assert machine.tree() == before


def test_nothing_is_written_without_consent(machine: Machine) -> None:
    openclaw(machine)
    before = machine.tree()
    done = machine.init(answers="\n\nn\n")
    assert "Write 4 files?" in done.output
    assert '+baseline = "anthropic/claude-opus-4-8"' in done.output
    assert machine.tree() == before


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
    machine.init("--yes")
    machine.manifest.write_text(machine.manifest.read_text() + "# my own words\n")
    before = machine.tree()
    done = machine.init()
    assert done.exit_code == 0, done.output
    assert "nothing to write" in done.output
    assert machine.tree() == before


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


def test_without_keys_and_local_models_it_says_what_to_do(machine: Machine) -> None:
    machine.env["ANTHROPIC_API_KEY"] = ""
    done = machine.init("--yes")
    assert isinstance(done.exception, RightmodelError)
    assert "ANTHROPIC_API_KEY" in str(done.exception)
    assert "start a local server (Ollama" in str(done.exception)
    assert "then run `rightmodel init` again" in str(done.exception)
    assert not machine.manifest.exists()


def with_ollama(machine: Machine, *arguments: str, answers: str = "") -> Result:
    async def run() -> Result:
        server = SimulatedProvider("openai-chat", models={"qwen3:4b": Behaviour()})
        async with server:
            machine.env["OLLAMA_HOST"] = server.base_url
            return await asyncio.to_thread(machine.init, *arguments, answers=answers)

    return asyncio.run(run())


def test_a_local_model_keeps_secrets_and_easy_work_on_the_machine(machine: Machine) -> None:
    done = with_ollama(machine, answers="none\nnone\ny\ny\n")
    assert done.exit_code == 0, done.output
    assert "local models: qwen3:4b (ollama)" in done.output
    secrets, easy = machine.written()["rules"]
    assert secrets["require"] == {"trust": "local"}
    assert easy["use"] == ["ollama/*"]


def test_a_local_model_alone_is_enough(machine: Machine) -> None:
    machine.env["ANTHROPIC_API_KEY"] = ""
    openclaw(machine)
    done = with_ollama(machine, "--yes")
    assert done.exit_code == 0, done.output
    assert [rule["name"] for rule in machine.written()["rules"]] == ["secrets stay here"]
    assert not machine.keys.exists()
    assert "1 of 1 endpoints could be called" in done.output


def test_it_checks_by_calling_unless_told_not_to(machine: Machine) -> None:
    machine.env["ANTHROPIC_API_KEY"] = ""

    async def run() -> Result:
        server = SimulatedProvider("openai-chat", models={"qwen3:4b": Behaviour()})
        async with server:
            env = machine.env | {"OLLAMA_HOST": server.base_url}
            return await asyncio.to_thread(
                lambda: CliRunner().invoke(cli, ["init", "--yes"], env=env)
            )

    done = asyncio.run(run())
    assert done.exit_code == 0, done.output
    assert "1 of 1 endpoints answered" in done.output


def test_the_users_own_manifest_is_used_and_kept(machine: Machine) -> None:
    own = machine.put("work/rightmodel.toml", 'version = 1\ninclude = ["anthropic"]\n')
    openclaw(machine)
    done = machine.init("--yes")
    assert done.exit_code == 0, done.output
    assert not machine.manifest.exists()
    assert str(own) in (machine.home / ".openclaw/openclaw.json").read_text()
    assert os.fspath(own) not in [entry["path"] for entry in _notes(machine)]


def _notes(machine: Machine) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((machine.home / "state/init.json").read_text())
    return entries


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
    read = tomllib.loads if name == "codex" else json.loads
    assert read(path.read_text()) == read(text)
    left = {n for n, content in machine.tree().items() if content is not None and ".bak" not in n}
    assert left == {n for n, content in before.items() if content is not None}
    assert "nothing to undo" in machine.init("--remove", "--yes").output


@pytest.mark.parametrize("arguments", [[], ["--remove"]])
def test_without_a_terminal_the_error_names_the_option(
    machine: Machine, arguments: list[str]
) -> None:
    machine.init("--yes")
    openclaw(machine)
    done = machine.init(*arguments)
    assert isinstance(done.exception, RightmodelError)
    assert "--yes" in str(done.exception)
    assert done.output.endswith("\n")


def test_enter_takes_no_baseline_where_there_are_only_local_models(machine: Machine) -> None:
    machine.env["ANTHROPIC_API_KEY"] = ""
    done = with_ollama(machine, answers="\n\ny\n")
    assert done.exit_code == 0, done.output
    assert "(or none) [none]" in done.output
    assert "baseline" not in machine.written()
