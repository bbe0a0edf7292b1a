"""`rightmodel config CLIENT --model`: written, repeated, removed, and what was there before."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any, Final

import pytest
from click.testing import CliRunner

from rightmodel.core.errors import TaskError
from rightmodel.integrations.model_setup import SETUPS
from rightmodel.surfaces.cli.config import command as config
from rightmodel.surfaces.cli.config_model import FORMER as FORMER_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

FORMER: Final = {
    "openclaw": '{\n  "agents": {\n    "defaults": {"model": "anthropic/x"}\n  }\n}\n',
    "claude-code": '{\n  "env": {\n    "ANTHROPIC_MODEL": "opus",\n    "A": "1"\n  }\n}\n',
    "codex": '# mine\nmodel = "o9" # fast\n\n[tui]\nx = 1\n',
    "opencode": '{\n  "model": "openai/x",\n  "theme": "dark"\n}\n',
}
CLIENTS: Final = """
version = 1
[clients.codex]
token_env = "CODEX_TOKEN"
[clients.laptop]
token_env = "LAPTOP_TOKEN"
[clients.tools]
token_env = "TOOLS_TOKEN"
surfaces = ["mcp"]
"""
KEYS: Final = "CODEX_TOKEN=codex-token-of-enough-letters\nLAPTOP_TOKEN=laptop-token-long-enough\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("HOME", "USERPROFILE", "APPDATA"):
        monkeypatch.setenv(variable, str(tmp_path))
    for variable in ("XDG_CONFIG_HOME", "CODEX_HOME", "CLAUDE_CONFIG_DIR", "RIGHTMODEL_MANIFEST"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(config, [*arguments, "--model"])


def parsed(name: str, text: str) -> dict[str, Any]:
    read: Callable[[str], dict[str, Any]] = tomllib.loads if name == "codex" else json.loads
    return read(text)


@pytest.mark.parametrize("name", SETUPS)
def test_writing_keeps_everything_else_and_removing_brings_back_what_was_there(
    name: str, home: Path
) -> None:
    file = home / "settings"
    file.write_text(FORMER[name], "utf-8")
    at = ["--path", str(file)]
    assert run(name, "--write", *at).exit_code == 0
    text = file.read_text("utf-8")
    assert "8765" in text
    assert text != FORMER[name]
    assert "already there" in run(name, "--write", *at).output
    moved = run(name, "--write", *at, "--url", "http://127.0.0.1:9000/v1/")
    assert "written" in moved.output
    assert "9000" in file.read_text("utf-8")
    assert run(name, "--remove", *at).exit_code == 0
    assert parsed(name, file.read_text("utf-8")) == parsed(name, FORMER[name])
    if name == "codex":
        assert "# mine" in file.read_text("utf-8")
        assert "# fast" in file.read_text("utf-8")
    assert "the gateway is not set here" in run(name, "--remove", *at).output


@pytest.mark.parametrize("name", SETUPS)
def test_a_new_file_is_what_is_printed_and_is_gone_once_removed(name: str, home: Path) -> None:
    printed = run(name)
    assert run(name, "--write").exit_code == 0
    ours = {FORMER_SETTINGS, "written_files.json"}
    (file,) = (p for p in home.rglob("*") if p.is_file() and p.name not in ours)
    assert file.read_text("utf-8") == printed.stdout
    assert f"goes into {file}" in printed.stderr
    assert "deleted" in run(name, "--remove").output
    assert not [p for p in home.rglob("*") if p.is_file()]


@pytest.mark.parametrize("name", SETUPS)
def test_one_backup_is_kept_of_the_file_as_it_was_at_first(name: str, home: Path) -> None:
    file = home / "files" / "settings"
    file.parent.mkdir()
    file.write_text(FORMER[name], "utf-8")
    at = ["--path", str(file)]

    def backups() -> list[str]:
        return [p.read_text("utf-8") for p in file.parent.iterdir() if p != file]

    CliRunner().invoke(config, [name, "--write", *at])
    for port in (9000, 9001):
        run(name, "--write", "--url", f"http://127.0.0.1:{port}", *at)
        assert backups() == [FORMER[name]]
    run(name, "--remove", *at)
    assert backups() == [FORMER[name]]
    assert (
        "has its former content back" in CliRunner().invoke(config, [name, "--remove", *at]).output
    )
    assert file.read_text("utf-8") == FORMER[name]
    assert not backups()


def test_what_the_user_wrote_between_two_changes_outlives_their_removal(home: Path) -> None:
    file = home / "opencode.json"
    at = ["--path", str(file)]
    file.write_text(FORMER["opencode"])
    run("opencode", "--write", *at)
    file.write_text(json.dumps(json.loads(file.read_text()) | {"theme": "light"}))
    CliRunner().invoke(config, ["opencode", "--write", *at])
    CliRunner().invoke(config, ["opencode", "--remove", *at])
    assert "your later changes stay" in run("opencode", "--remove", *at).output
    assert json.loads(file.read_text()) == {"model": "openai/x", "theme": "light"}
    assert not list(home.rglob("written_files.json"))
    assert (home / "opencode.json.bak").read_text() == FORMER["opencode"]


def test_a_model_that_the_user_chose_since_stays(home: Path) -> None:
    file = home / "openclaw.json"
    at = ["--path", str(file)]
    run("openclaw", "--write", *at)
    tree = json.loads(file.read_text())
    tree["agents"]["defaults"]["model"]["primary"] = "openai/mine"
    file.write_text(json.dumps(tree))
    assert "the gateway is not set here" in run("openclaw", "--remove", *at).output
    assert json.loads(file.read_text()) == tree


def test_every_api_of_a_client_leads_to_where_it_is_served(home: Path) -> None:
    def base(api: str) -> str:
        tree = json.loads(run("openclaw", "--api", api).stdout)
        provider = tree["models"]["providers"]["rightmodel"]
        return f"{provider['api']} {provider['baseUrl']}"

    assert base("openai-chat") == "openai-completions http://127.0.0.1:8765/v1"
    assert base("openai-responses") == "openai-responses http://127.0.0.1:8765/v1"
    assert base("anthropic-messages") == "anthropic-messages http://127.0.0.1:8765"
    error = str(run("codex", "--api", "openai-chat").exception)
    assert "openai-responses" in error


def test_the_token_is_that_of_the_client_in_the_manifest(home: Path) -> None:
    (home / "m.toml").write_text(CLIENTS)
    (home / "k.env").write_text(KEYS)
    files = ["--manifest", "m.toml", "--env-file", "k.env"]
    assert "Bearer codex-token-of-enough-letters" in run("codex", *files).stdout
    asked = str(run("opencode", *files).exception)
    assert asked == "[clients] has codex, laptop: say with --as which of them the agent is"
    assert "laptop-token-long-enough" in run("opencode", *files, "--as", "laptop").stdout
    assert "unknown client 'tools'" in str(run("opencode", *files, "--as", "tools").exception)
    (home / "none.toml").write_text("version = 1\ninclude = []\n")
    unknown = run("codex", "--manifest", "none.toml", "--as", "tools")
    assert f"Write [clients.tools] with token_env in {home}/none.toml." in str(unknown.exception)
    missing = str(run("codex", "--manifest", "m.toml").exception)
    assert "CODEX_TOKEN is not set" in missing
    settings = home / "config.toml"
    settings.write_text("")
    settings.chmod(0o644)
    assert "chmod 600" in run("codex", *files, "--write", "--path", str(settings)).stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["gemini-cli"], "Gemini CLI speaks Gemini's API alone"),
        (["cursor"], "--model works for openclaw, claude-code, codex, opencode"),
        (["codex", "--url", "127.0.0.1:8765"], "must begin with http:// or https://"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], why: str, home: Path) -> None:
    error = run(*arguments).exception
    assert isinstance(error, TaskError)
    assert why in str(error)


def test_settings_with_comments_are_not_changed_but_shown(home: Path) -> None:
    file = home / "opencode.json"
    file.write_text("{\n  // mine\n}\n")
    result = run("opencode", "--write", "--path", str(file))
    assert "add what is printed above by hand" in str(result.exception)
    assert json.loads(result.stdout)["model"] == "rightmodel/auto"
    assert file.read_text() == "{\n  // mine\n}\n"
    assert not (home / ".config").exists()
