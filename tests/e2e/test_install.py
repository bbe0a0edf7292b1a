"""Installing from a checkout as people do it, each time into an environment of its own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from e2e.install import server_python
from e2e.processes import run
from ledger.test_migration import of_0_1_0
from rightmodel import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.e2e

ROOT: Final = Path(__file__).parents[2]
TOOLS: Final = Path(server_python("installers")).parent
MANIFEST: Final = """version = 1
include = ["anthropic", "openai"]
"""
PACKAGE_SETTINGS: Final = ("SSL_CERT_FILE", "PIP_", "UV_")
"""Where packages come from on this machine."""


@dataclass(frozen=True)
class Place:
    """A clean home, a copy of the checkout, and the tools on the path."""

    home: Path
    checkout: Path

    @property
    def env(self) -> Mapping[str, str]:
        kept = {k: v for k, v in os.environ.items() if k.startswith(PACKAGE_SETTINGS)}
        path = os.pathsep.join([str(TOOLS), "/usr/bin", "/bin"])
        return kept | {
            "HOME": str(self.home),
            "PATH": path,
            "PIPX_HOME": str(self.home / "pipx"),
            "PIPX_BIN_DIR": str(self.home / "bin"),
            "PIPX_DEFAULT_PYTHON": sys.executable,
            "ANTHROPIC_API_KEY": "sk-ant-of-nobody",
            "RIGHTMODEL_STATE_DIR": str(self.home / "state"),
        }

    def run(self, *command: str | Path) -> str:
        words = [str(word) for word in command]
        done = asyncio.run(run(words, env=self.env, cwd=self.home, within_s=300))
        assert done.code == 0, f"{' '.join(words)}: {done}"
        return done.out


@pytest.fixture
def place(tmp_path: Path) -> Place:
    home, checkout = tmp_path / "home", tmp_path / "rightmodel"
    home.mkdir()
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    for name in names:
        if (ROOT / name).is_file():
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            (checkout / name).write_bytes((ROOT / name).read_bytes())
    return Place(home, checkout)


def works(place: Place, *rightmodel: str | Path) -> None:
    """Its version, and a decision that needs the shipped manifests and the local model."""
    assert place.run(*rightmodel, "--version") == f"rightmodel, version {__version__}\n"
    (place.home / "m.toml").write_text(MANIFEST)
    lines = place.home / "tasks.jsonl"
    lines.write_text(json.dumps({"id": 1, "prompt": "Fix the race in this worker pool"}) + "\n")
    out = place.run(
        *rightmodel, "choose", "--batch", lines, "--json", "--manifest", place.home / "m.toml"
    )
    decision = json.loads(out)
    assert decision["source"] == "learned"
    assert decision["skill"]["code"] > 0.5
    assert decision["model"].partition("/")[0] in {"anthropic", "openai"}


def test_pipx_installs_it_from_a_checkout_and_takes_it_out_again(place: Place) -> None:
    place.run("pipx", "install", place.checkout)
    program = place.home / "bin/rightmodel"
    works(place, program)
    place.run("pipx", "uninstall", "rightmodel")
    assert not program.exists()
    assert not (place.home / "pipx/venvs/rightmodel").exists()


def test_uvx_runs_it_from_a_checkout(place: Place) -> None:
    works(place, "uvx", "--python", sys.executable, "--from", place.checkout, "rightmodel")


def test_pip_installs_it_from_a_checkout(place: Place) -> None:
    place.run(sys.executable, "-m", "venv", place.home / "venv")
    python = place.home / "venv/bin/python"
    place.run(python, "-m", "pip", "install", "-q", place.checkout)
    works(place, place.home / "venv/bin/rightmodel")


def test_wheel_and_sdist_are_whole_and_valid(place: Place) -> None:
    dist = place.home / "dist"
    place.run(TOOLS / "python", "-m", "build", place.checkout, "--outdir", dist)
    files = sorted(dist.iterdir())
    assert [f.name for f in files] == [
        f"rightmodel-{__version__}-py3-none-any.whl",
        f"rightmodel-{__version__}.tar.gz",
    ]
    place.run("twine", "check", "--strict", *files)
    packed = set(zipfile.ZipFile(files[0]).namelist())
    shipped = {p.relative_to(ROOT / "manifests").as_posix() for p in ROOT.glob("manifests/*.toml")}
    assert {f"rightmodel/_manifests/{name}" for name in shipped} <= packed
    assert {"rightmodel/integrations/SKILL.md", "rightmodel/py.typed"} <= packed
    assert not [name for name in packed if "test" in name.partition("/")[0]]
    works(place, "uvx", "--python", sys.executable, "--from", files[1], "rightmodel")


def test_a_newer_version_goes_on_with_the_ledger_of_0_1_0(place: Place) -> None:
    of_0_1_0(place.home / "state/ledger.sqlite3")
    place.run("pipx", "install", place.checkout)
    program = place.home / "bin/rightmodel"
    (place.home / "m.toml").write_text('version = 1\ninclude = ["anthropic"]\n')
    place.run(program, "check", "--no-call", "--manifest", place.home / "m.toml")  # opens it
    usage = json.loads(place.run(program, "usage", "--json", "--days", "3650"))
    assert usage["total"]["spent_usd"] == "0.42"  # the reservation that was left, too
    place.run("pipx", "uninstall", "rightmodel")
    assert (place.home / "state/ledger.sqlite3").is_file()
