"""`rightmodel init` in a home of its own, for tests."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from rightmodel.surfaces.cli import cli

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
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


def new_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A home with a key and no agents."""
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
    """OpenClaw's file, with its own model."""
    settings = {"agents": {"defaults": {"model": {"primary": model}}}}
    return machine.put(".openclaw/openclaw.json", json.dumps(settings))
