from __future__ import annotations

import ast
import importlib.util
import json
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from rightmodel.core.errors import TaskError
from rightmodel.integrations.clients import CLIENTS
from rightmodel.integrations.registration import Launch, merged, registration
from rightmodel.surfaces.cli import COMMANDS, cli
from rightmodel.surfaces.cli.config import command as config
from rightmodel.surfaces.cli.config import file_of, own_command
from rightmodel.surfaces.mcp.tools import TOOL_NAMES, TOOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / "agent_configs"

LAUNCH = Launch(("/opt/right model/rightmodel",), ("complete", "choose_model"), "/m.toml", "/k.env")
IN_FILES = [name for name, client in CLIENTS.items() if client.format != "paste"]

OTHERS = {
    "json": '{\n    "theme": "dark ☕",\n    "n": 12345678901234567890\n}\n',
    "toml": '# mine\nmodel = "o5"\n\n[mcp_servers.other]\ncommand = "x" # keep\n\n[tui]\nx = 1\n',
}
PARSERS: dict[str, Callable[[str], Any]] = {"json": json.loads, "toml": tomllib.loads}


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("made", ROOT / "scripts/agent_configs.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATED: dict[str, str] = generator().generated()
REGISTRATIONS = sorted(name for name in GENERATED if not name.endswith(".md"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(config, list(arguments))


def strings(tree: Any) -> list[str]:
    if isinstance(tree, str):
        return [tree]
    if isinstance(tree, dict):
        return [s for value in tree.values() for s in strings(value)]
    if isinstance(tree, list):
        return [s for value in tree for s in strings(value)]
    return []


def argv(name: str, text: str) -> list[str]:
    """The command as the client would run it."""
    client = CLIENTS[name]
    if text.startswith(("extensions:", "name:")):  # YAML
        command, args = re.findall(r"(?:cmd|command|args): (.*)", text)
        return [json.loads(command), *json.loads(args)]
    if client.format == "paste":
        nodes = list(ast.walk(ast.parse(text)))
        found: dict[str, Any] = {}
        for node in nodes:
            if isinstance(node, ast.keyword) and node.arg in {"command", "args"}:
                found[node.arg] = ast.literal_eval(node.value)
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value in {"command", "args"}:
                        found[str(key.value)] = ast.literal_eval(value)
        return [found["command"], *found["args"]]
    at = entry(name, text)
    if not client.args:
        return list(at[client.command])
    return [at[client.command], *at[client.args]]


def entry(name: str, text: str) -> dict[str, Any]:
    tree = PARSERS[CLIENTS[name].format](text)
    for key in CLIENTS[name].at:
        tree = tree[key]
    found: dict[str, Any] = tree
    return found


def test_every_client_of_the_design_is_known() -> None:
    named = (
        "openclaw claude-code codex gemini-cli opencode pydantic-ai openai-agents langchain "
        "claude-desktop cursor vscode goose cline roo-code windsurf zed continue lm-studio junie"
    )
    assert set(CLIENTS) == set(named.split())
    listed = run().output
    assert [line.split()[0] for line in listed.splitlines()] == list(CLIENTS)


@pytest.mark.parametrize("name", CLIENTS)
def test_the_agent_configs_are_what_the_generator_makes(name: str) -> None:
    file = generator().file_name(CLIENTS[name])
    hint = "run: python scripts/agent_configs.py"
    assert (CONFIGS / file).read_text(encoding="utf-8") == GENERATED[file], hint


def test_the_agent_configs_hold_nothing_else() -> None:
    there = {str(p.relative_to(CONFIGS)) for p in CONFIGS.rglob("*") if p.is_file()}
    assert {name for name in there if not name.startswith("plugins/")} == {*GENERATED}
    assert (CONFIGS / "README.md").read_text(encoding="utf-8") == GENERATED["README.md"]


@pytest.mark.parametrize("name", CLIENTS)
def test_a_registration_names_an_existing_command_and_existing_flags(name: str) -> None:
    text = (CONFIGS / generator().file_name(CLIENTS[name])).read_text(encoding="utf-8")
    program, sub, *options = argv(name, text)
    assert program == "rightmodel"
    assert sub in COMMANDS
    serve = cli.get_command(click.Context(cli), sub)
    assert serve
    made = serve.make_context("serve", list(options))
    assert made.params["deadline"] == CLIENTS[name].deadline_s
    assert made.params["env_file"] == "~/.config/rightmodel/keys.env"


@pytest.mark.parametrize("name", CLIENTS)
def test_the_server_answers_before_the_client_hangs_up(name: str) -> None:
    client = CLIENTS[name]
    assert 10 <= client.timeout_s - client.deadline_s <= client.timeout_s / 5
    if client.timeout_key:
        key, units = client.timeout_key
        assert entry(name, registration(client, LAUNCH))[key] == client.timeout_s * units
    elif "$timeout" in client.snippet:
        assert str(client.timeout_s) in registration(client, LAUNCH)


@pytest.mark.parametrize("name", CLIENTS)
def test_tools_are_named_only_where_they_exist(name: str) -> None:
    text = GENERATED[generator().file_name(CLIENTS[name])]
    if CLIENTS[name].format == "paste":
        return
    lists = [v for v in entry(name, text).values() if isinstance(v, (list, dict))]
    words = {s for v in lists for s in strings(v)}
    assert {w for w in words if re.fullmatch(r"[a-z]+_[a-z_]+", w)} <= {*TOOL_NAMES}
    if CLIENTS[name].tools_at:
        assert words >= {*TOOL_NAMES}


def test_openclaw_gets_its_timeout_its_tools_and_no_tool_search() -> None:
    tree = json.loads(registration(CLIENTS["openclaw"], LAUNCH))
    server = tree["mcp"]["servers"]["rightmodel"]
    assert tree["tools"] == {"toolSearch": False}
    assert server["requestTimeoutMs"] == 300_000
    assert server["toolFilter"] == {"include": ["complete", "choose_model"]}
    assert server["supportsParallelToolCalls"] is True
    assert server["args"][-2:] == ["--deadline", "285"]


def test_the_skill_names_the_tools_as_openclaw_shows_them() -> None:
    text = (CONFIGS / "openclaw/SKILL.md").read_text(encoding="utf-8")
    front, body = re.fullmatch(r"---\n(.*?)\n---\n(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    head = dict(line.split(": ", 1) for line in front.splitlines())
    assert head["name"] == "rightmodel"
    assert len(head["description"]) <= 1024
    assert set(re.findall(r"rightmodel__(\w+)", body)) <= {*TOOL_NAMES}
    assert {"complete", "choose_model"} <= set(re.findall(r"rightmodel__(\w+)", body))
    known = {p for tool in TOOLS for p in tool["inputSchema"]["properties"]}
    assert {"prompt", "skill", "difficulty", "tier", "schema", "max_cost_usd", "files"} <= known


def test_what_is_printed_has_absolute_paths_and_starts_the_server(tmp_path: Path) -> None:
    (tmp_path / "keys.env").write_text("OPENAI_API_KEY=sk-x\n")
    (tmp_path / "m.toml").write_text('version = 1\ninclude = ["openai"]\n')
    options = ["--env-file", "keys.env", "--manifest", "m.toml"]
    done = subprocess.run(
        [sys.executable, "-m", "rightmodel", "config", "cursor", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    line = argv("cursor", done.stdout)
    assert Path(line[0]).is_absolute()
    given = dict(zip(line[-6::2], line[-5::2], strict=True))
    assert given["--env-file"] == str(tmp_path / "keys.env")
    assert given["--manifest"] == str(tmp_path / "m.toml")
    started = subprocess.run(
        line, cwd="/", input="", capture_output=True, text=True, check=False, timeout=30
    )
    assert (started.returncode, started.stdout) == (0, "")


def test_a_file_that_the_server_would_not_find_is_refused() -> None:
    error = run("cursor", "--env-file", "missing.env").exception
    assert str(error) == "--env-file missing.env: no such file"


def test_an_unknown_client_names_the_nearest() -> None:
    error = run("claude").exception
    assert isinstance(error, TaskError)
    assert "Nearest: claude-code, claude-desktop" in str(error)


def test_a_client_that_keeps_the_environment_to_itself_gets_a_hint_about_keys() -> None:
    assert "keys.env, or into another file and name it with --env-file" in run("codex").stderr
    assert "--env-file" not in run("claude-code").stderr


def test_variables_and_scope_move_the_file(tmp_path: Path) -> None:
    moved = file_of(CLIENTS["codex"], "user", {"CODEX_HOME": str(tmp_path)})
    assert moved == tmp_path / "config.toml"
    moved = file_of(CLIENTS["openclaw"], "user", {"OPENCLAW_CONFIG_PATH": str(tmp_path / "o.json")})
    assert moved == tmp_path / "o.json"
    assert file_of(CLIENTS["claude-code"], "project", {}) == Path(".mcp.json").absolute()
    with pytest.raises(TaskError, match="no file for a project"):
        file_of(CLIENTS["openclaw"], "project", {})


@pytest.mark.parametrize("name", IN_FILES)
def test_writing_keeps_everything_else_and_can_be_repeated(name: str, tmp_path: Path) -> None:
    client = CLIENTS[name]
    file = tmp_path / "settings"
    former = OTHERS[client.format]
    file.write_text(former, encoding="utf-8")
    file.chmod(0o640)
    assert run(name, "--write", "--path", str(file)).exit_code == 0
    text = file.read_text(encoding="utf-8")
    before, after = PARSERS[client.format](former), PARSERS[client.format](text)
    for key, value in before.items():
        if key not in client.at:
            assert after[key] == value
    assert argv(name, text)[-2:] == ["--deadline", str(client.deadline_s)]
    if client.format != "json":
        lines = iter(text.splitlines())
        assert all(line in lines for line in former.splitlines())  # each, in order
    if client.format == "toml":
        assert after["mcp_servers"]["other"] == {"command": "x"}
    assert (tmp_path / "settings.bak").read_text(encoding="utf-8") == former
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    again = run(name, "--write", "--path", str(file))
    assert "already there" in again.output
    assert file.read_text(encoding="utf-8") == text
    assert (tmp_path / "settings.bak").read_text(encoding="utf-8") == former
    assert sorted(p.name for p in tmp_path.iterdir()) == ["settings", "settings.bak"]


@pytest.mark.parametrize("name", IN_FILES)
def test_a_file_that_is_not_there_yet_is_what_is_printed(name: str, tmp_path: Path) -> None:
    file = tmp_path / "new" / "settings"
    assert run(name, "--write", "--path", str(file)).exit_code == 0
    assert file.read_text(encoding="utf-8") == run(name).stdout
    assert not file.with_name("settings.bak").exists()


@pytest.mark.parametrize("name", IN_FILES)
def test_a_broken_file_is_refused_in_one_line_and_left_alone(name: str, tmp_path: Path) -> None:
    file = tmp_path / "settings"
    for broken in (b"{{{ nothing: [that\n parses", b"\xff\xfe\x00", b"[1, 2]"):
        file.write_bytes(broken)
        result = run(name, "--write", "--path", str(file))
        assert isinstance(result.exception, TaskError)
        assert str(file) in str(result.exception)
        assert "\n" not in str(result.exception)
        assert file.read_bytes() == broken
    assert [p.name for p in tmp_path.iterdir()] == ["settings"]


def test_comments_in_json_are_not_lost_but_what_to_add_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    text = "// mine\n{\n  theme: 'dark', // keep\n}\n"
    file.write_text(text)
    result = run("zed", "--write", "--path", str(file))
    assert str(result.exception).endswith(
        "has comments, which would be lost; add what is printed above by hand"
    )
    assert "context_servers" in json.loads(result.stdout)
    assert file.read_text() == text
    after = registration(CLIENTS["zed"], LAUNCH) + "// mine\n"
    assert merged(CLIENTS["zed"], LAUNCH, after) == after


def test_a_link_stays_a_link_and_windows_line_ends_stay(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_bytes(b'\xef\xbb\xbf{\r\n\t"a": 1\r\n}\r\n')
    link = tmp_path / "mcp.json"
    link.symlink_to(real)
    assert run("cursor", "--write", "--path", str(link)).exit_code == 0
    assert link.is_symlink()
    written = real.read_bytes()
    assert written.startswith(b'\xef\xbb\xbf{\r\n\t"a": 1,\r\n\t"mcpServers": {\r\n')
    assert written.count(b"\n") == written.count(b"\r\n")


def test_a_folder_instead_of_the_file_is_an_error(tmp_path: Path) -> None:
    error = run("cursor", "--write", "--path", str(tmp_path)).exception
    assert isinstance(error, TaskError)
    assert "cannot be written" in str(error)


@pytest.mark.parametrize("name", [n for n in CLIENTS if n not in IN_FILES])
def test_code_and_yaml_are_shown_with_where_to_paste_them(name: str, tmp_path: Path) -> None:
    for extra in ([], ["--path", str(tmp_path / "settings")]):
        result = run(name, "--write", *extra)
        assert result.stdout == run(name).stdout
        assert CLIENTS[name].why_paste in str(result.exception)
        assert CLIENTS[name].why_paste in run(name).stderr
        assert "by hand" in str(run(name, "--remove", *extra).exception)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", IN_FILES)
def test_removing_undoes_writing_and_can_be_repeated(name: str, tmp_path: Path) -> None:
    file = tmp_path / "settings"
    former = OTHERS[CLIENTS[name].format]
    file.write_text(former, encoding="utf-8")
    assert "not registered" in run(name, "--remove", "--path", str(file)).output
    run(name, "--write", "--path", str(file))
    assert run(name, "--remove", "--path", str(file)).exit_code == 0
    assert file.read_text(encoding="utf-8") == former
    assert "not registered" in run(name, "--remove", "--path", str(file)).output
    assert [p.name for p in tmp_path.iterdir()] == ["settings"]


def test_removing_from_a_missing_file_creates_no_file(tmp_path: Path) -> None:
    assert "not registered" in run("cursor", "--remove", "--path", str(tmp_path / "x")).output
    assert not list(tmp_path.iterdir())


def test_no_backup_is_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "mcp.json"
    texts = ['{"a": 1}\n', '{"a": 2}\n', '{"a": 3}\n']
    for text in texts:
        file.write_text(text)
        run("cursor", "--write", "--path", str(file))
    names = ["mcp.json.bak", "mcp.json.bak.2", "mcp.json.bak.3"]
    assert [(tmp_path / name).read_text() for name in names] == texts


def test_the_command_survives_where_rightmodel_was_started_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert own_command() == (str(tmp_path / "python"), "-m", "rightmodel")
    (tmp_path / "rightmodel").touch()
    assert own_command() == (str(tmp_path / "rightmodel"),)
    uvx = tmp_path / "uvx"
    uvx.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "uv/archive-v0/x/bin/python"))
    assert own_command() == (str(uvx), "rightmodel")
