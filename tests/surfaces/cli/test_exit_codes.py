"""0 it worked, 1 it did not, 2 the command line is wrong: the same over all commands."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rightmodel.surfaces.cli import COMMANDS, main
from rightmodel.surfaces.mcp.options import ServeOptions
from rightmodel.surfaces.serve import start

if TYPE_CHECKING:
    from collections.abc import Callable

MANIFEST = """\
version = 1
include = ["openai"]
[clients.alice]
token_env = "ALICE"
[clients.bob]
token_env = "BOB"
"""


@pytest.fixture
def ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., int]:
    """Runs a command line; its exit code. An error is one line, or one with the usage."""
    for name in ("HOME", "XDG_CONFIG_HOME", "RIGHTMODEL_STATE_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-a-real-key")
    monkeypatch.delenv("RIGHTMODEL_MANIFEST", raising=False)
    monkeypatch.chdir(tmp_path)
    Path("rightmodel.toml").write_text(MANIFEST)
    Path("broken.toml").write_text("version = 2")
    Path("empty.jsonl").write_text("")

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["rightmodel", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
        code: int | str | None = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr().err
        assert not code or said.splitlines()[-1].startswith("rightmodel: ")
        return int(code or 0)

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option_is_a_wrong_command_line(ends: Callable[..., int], command: str) -> None:
    assert ends(command, "--no-such-option") == 2


@pytest.mark.parametrize(
    "line",
    [
        "asks hello",
        "ask --tier fast hello",
        "ask --model no-such-model hello",
        "ask --max-cost-usd -1 hello",
        "ask --max-output-tokens many hello",
        "ask --effort much hello",
        "ask --schema { hello",
        "ask --template none hello",
        "ask",
        "chat --tier fast",
        "chat --model no-such-model",
        "choose --difficulty odd hello",
        "choose --skill juggling hello",
        "choose --limit few hello",
        "models no-such-model",
        "models --learned --forget",
        "check --watch=0",
        "check --watch=nan",
        "check --watch=2 --no-call",
        "usage --days 0",
        "usage --since yesterday",
        "usage --days 3 --since 2026-11-20",
        "usage --json --csv",
        "usage --by colour",
        "usage --correct 3",
        "log -n 0",
        "log -n 99999999999999999999",
        "log --since whenever",
        "log --kind aks",
        "log no-such-ref",
        "config no-such-agent",
        "config --write",
        "config codex --write --remove",
        "config cursor --model",
        "config codex --model --url here",
        "config codex --model --as nobody",
        "config codex --model",
        "config codex --model --api gemini",
        "config claude-desktop --scope project",
        "init --yes --agent no-such-agent",
        "init --yes --baseline opus-9",
        "init --yes --per-day-usd much",
        "outcomes --days 0",
        "rehearse --fault no-such-fault",
        "rehearse --on nowhere",
        "rehearse --share 2",
        "rehearse --calls 1",
        "eval empty.jsonl --tier fast",
        "serve --deadline 0",
    ],
)
def test_a_value_that_an_argument_cannot_have_is_a_wrong_command_line(
    ends: Callable[..., int], line: str
) -> None:
    init = ("--manifest", "new.toml") if line.startswith("init") else ()
    assert ends(*line.split(" "), *init) == 2


@pytest.mark.parametrize(
    "line",
    [
        "ask --file none.txt hello",
        "ask --continue hello",
        "choose --manifest none.toml hello",
        "choose --batch none.jsonl",
        "models --manifest broken.toml",
        "check --no-call --env-file none.env",
        "eval none.jsonl",
        "eval empty.jsonl",
        "calibrate empty.jsonl",
        "rehearse --manifest broken.toml",
        "config codex --manifest none.toml",
        "outcomes --export",
    ],
)
def test_what_is_wrong_elsewhere_is_no_wrong_command_line(
    ends: Callable[..., int], line: str
) -> None:
    assert ends(*line.split(" ")) == 1


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (ServeOptions(http="here"), 2),
        (ServeOptions(http="0.0.0.0:0"), 2),
        (ServeOptions(http="127.0.0.1:0", token_env="NOT_SET"), 2),
        (ServeOptions(http="192.0.2.1:0", token_env="LONG"), 1),
    ],
)
def test_serve_ends_by_the_same_rule(
    monkeypatch: pytest.MonkeyPatch, options: ServeOptions, code: int
) -> None:
    monkeypatch.setenv("LONG", "x" * 40)
    with pytest.raises(SystemExit) as ended:
        start(options)
    assert ended.value.code == code
