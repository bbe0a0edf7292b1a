"""Every command in the README and in the docs runs as it is written there.

Providers are simulated providers on loopback. Plain `rightmodel …` lines run in this process, those
with shell syntax in bash.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import pytest
from click.testing import CliRunner

from engines import catalog_from
from rightmodel.routing.router import count_tokens
from rightmodel.simulator.samples import SAMPLES
from rightmodel.simulator.simulation import Answers, simulate
from rightmodel.surfaces.cli import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *(ROOT / name / "README.md" for name in ("agent_configs", "benchmarks", "manifests")),
    ]
)
NOT_RUN: Final = {
    r"make (install|uninstall|demo|test|e2e|check|lint|lock|clean)\b": (
        "installs packages over the network, or is the test suite itself"
    ),
    r"(\.venv/bin/)?pipx? install": "installs packages over the network; tests/e2e/test_install.py",
    r"git pull": "the reader's own checkout",
    r"(PYTHONPATH=\S+ )?(\.venv/bin/)?python (benchmarks|training|scripts)/": (
        "a maintainer's script: needs data that is not shipped, the network, or minutes"
    ),
    r"export \w+_API_KEY=": "the reader's own key",
    r"git diff": "needs a template of the reader's own; tested elsewhere",
    r"rightmodel init( --remove)?$": "asks questions; tested elsewhere",
    r"rightmodel log (-f|k3f9abcd)$": "goes on, or needs a ref of the ledger; tested elsewhere",
    r"rightmodel (outcomes --export > mine|calibrate mine)": (
        "needs outcomes in the reader's own ledger; tests/surfaces/cli/test_outcomes.py"
    ),
    r"rightmodel serve --http": "serves until it is ended; tests/process/test_http.py",
    r"rightmodel usage --correct": "needs an id out of the reader's own ledger; tested elsewhere",
}
COMMAND: Final = re.compile(
    r"^(?: {4}|\$ )?((?:rightmodel|make|python|pip|export|eval|git|\.venv/bin/|PYTHONPATH=).*)$"
)
INLINE: Final = re.compile(r"`(rightmodel [^`]+)`")
SHELL: Final = re.compile(r"[|<>$&]")
MANIFEST: Final = """version = 1
include = ["anthropic", "openai"]
baseline = "anthropic/claude-opus-4-8"
"""


def commands() -> dict[str, str]:
    """Every command line in a block of code, and the page that it is on."""
    found: dict[str, str] = {}
    for page in PAGES:
        fenced = False
        for line in page.read_text(encoding="utf-8").splitlines():
            if line.startswith("```"):
                fenced = not fenced
            matched = COMMAND.match(line) if fenced or line.startswith("    ") else None
            if matched:
                found.setdefault(matched[1].partition("  #")[0].strip(), page.name)
    return found


COMMANDS: Final = commands()
RUN: Final = [c for c in COMMANDS if not any(re.match(pattern, c) for pattern in NOT_RUN)]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Keys and a manifest that lead to simulated providers, in a shell that knows nothing else."""
    folder = tmp_path_factory.mktemp("simulated")
    catalog = catalog_from(folder, MANIFEST)
    ready, over = threading.Event(), threading.Event()
    keys: dict[str, str] = {}

    async def serve() -> None:
        answers = Answers(SAMPLES, count_tokens, speedup=1000)
        async with simulate(catalog, answers, seed=0, clock=time.monotonic) as made:
            addresses = [
                f'[providers.{name}]\nbase_url = "{provider.base_url}"\n'
                for name, provider in made.providers.items()
            ]
            keys.update(made.settings.environment)
            (folder / "m.toml").write_text(MANIFEST + "".join(addresses))
            ready.set()
            while not over.is_set():  # noqa: ASYNC110 - a thread ends it
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(30)
    scripts = Path(sys.executable).parent
    path = os.pathsep.join([str(scripts), os.environ["PATH"]])
    yield {"PATH": path, "MANIFEST": str(folder / "m.toml"), **keys}
    over.set()
    thread.join(10)


@pytest.fixture
def shell(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """A working directory with the files that the docs speak of."""
    project, home = tmp_path / "project", tmp_path / "home"
    for folder in (project, home):
        folder.mkdir()
    shutil.copy(environment["MANIFEST"], project / "rightmodel.toml")
    keys = "".join(f"{k}={v}\n" for k, v in environment.items() if k.endswith("_KEY"))
    (project / "keys.env").write_text(keys)
    (project / "keys.env").chmod(0o600)
    (project / "notes.md").write_text("Anna: the import is a week late.\n")
    (project / "tasks.jsonl").write_text('{"prompt": "Sum up: a, b", "tier": "best"}\n')
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(
        ["git", *identity, "commit", "-q", "--allow-empty", "-m", "Begin"], cwd=project, check=True
    )
    monkeypatch.chdir(project)
    own = {"HOME": str(home), "RIGHTMODEL_STATE_DIR": str(home / "state")}
    for name, value in (environment | own).items():
        monkeypatch.setenv(name, value)
    return environment


@pytest.mark.parametrize("command", RUN)
def test_it_runs_as_typed(command: str, shell: dict[str, str]) -> None:
    if not SHELL.search(command) and command.startswith("rightmodel "):
        result = CliRunner().invoke(cli, shlex.split(command, comments=True)[1:])
        assert result.exit_code == 0, (COMMANDS[command], result.output, result.exception)
        return
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, (COMMANDS[command], done.stdout, done.stderr)


def test_commands_are_found_and_every_exception_is_used() -> None:
    assert len(RUN) >= 20
    assert {"README.md", "agents.md", "command-line.md"} <= set(COMMANDS.values())
    for pattern in NOT_RUN:
        assert any(re.match(pattern, command) for command in COMMANDS), pattern


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_within_sentences_exist_with_their_options(page: Path) -> None:
    for text in INLINE.findall(page.read_text(encoding="utf-8")):
        words = shlex.split(text.replace("…", "x"))[1:]
        group = click.Context(cli, info_name="rightmodel")
        command = cli.get_command(group, words[0])
        assert command is not None, (page.name, text)
        known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
        used = {w.partition("=")[0] for w in words[1:] if w.startswith("-")}
        assert used <= known, (page.name, text, used - known)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_manifest_example_loads(page: Path, tmp_path: Path) -> None:
    examples = re.findall(r"^```toml\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    for example in examples:
        catalog = catalog_from(tmp_path, example)
        assert catalog.models or "[[models]]" not in example


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        assert "://" in target or (page.parent / target).exists(), (page.name, target)
