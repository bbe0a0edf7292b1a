"""What the end-to-end tests need that is not ours, in exact versions, under `.cache/e2e`.

`python tests/e2e/install.py` installs what is missing or has another version; `make e2e` does that
first. Nothing else on the machine is touched, but that PostgreSQL, nginx, Prometheus and Chromium,
where they are not there, come from the distribution's packages: Debian's and those made from it,
as root.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CACHE: Final = Path(__file__).absolute().parents[2] / ".cache" / "e2e"

NODE: Final = {"node": "26.10.0"}
"""The machine's own Node is too old for OpenClaw (24.16+ or 26.1+) and the Inspector (22.19+)."""

CLIENTS: Final = {
    "@modelcontextprotocol/conformance": "0.1.16",
    "@modelcontextprotocol/inspector": "2.12.0",
    "openclaw": "2026.9.6",
}
AGENTS: Final = {
    "@anthropic-ai/claude-code": "2.1.332",
    "@google/gemini-cli": "0.61.0",
    "@openai/codex": "0.171.0",
    "opencode-ai": "1.18.33",
}
CLAUDE_CODE_2_1_197: Final = {"@anthropic-ai/claude-code": "2.1.197"}
"""What npm installs on Node 20; it does not wait for a slow server."""

MCPB: Final = {"@anthropic-ai/mcpb": "2.1.2"}
"""Validates and packs bundles for Claude Desktop."""

PYTHON_AGENTS: Final = ["openai-agents==0.24.0", "pydantic-ai-slim[mcp,openai]==2.68.0"]

INSTALLERS: Final = ["build==1.6.1", "pipx==1.18.4", "twine==7.0.0", "uv==0.13.9"]
"""What people install and publish Python programs with."""

TELEMETRY: Final = [
    "opentelemetry-distro==0.66b2",
    "opentelemetry-exporter-otlp-proto-http==1.45.2",
]
"""The SDK of OpenTelemetry and its exporter, for the same version of its API as ours."""

LLAMA_CPP: Final = ["xllamacpp==2026.10.11549"]
"""llama.cpp with its own HTTP server, as a wheel."""

LLAMA_CPP_PYTHON: Final = ["llama-cpp-python[server]==0.3.36"]
"""Another server on the same engine; compiled here, which takes minutes."""

MACHINE: Final = ("PATH", "LANG", "TMPDIR", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "HTTPS_PROXY")

_NODE_BIN: Final = CACHE / "node" / "node_modules" / ".bin"


def client(name: str) -> str:
    """The command of one of the `CLIENTS`."""
    return str(CACHE / "clients" / "node_modules" / ".bin" / name)


def agent_program(name: str, folder: str = "agents") -> str:
    """The command of one of the `AGENTS`, or of the other Claude Code by its folder."""
    return str(CACHE / folder / "node_modules" / ".bin" / name)


def server_python(name: str) -> str:
    """An interpreter of its own: `installers`, `llama-cpp`, `llama-cpp-python`, `python-agents`."""
    return str(CACHE / name / "bin" / "python")


def machine_env(home: Path) -> dict[str, str]:
    """An environment that knows the new Node and nothing of the user's."""
    env = {name: os.environ[name] for name in MACHINE if name in os.environ}
    return env | {"HOME": str(home), "PATH": f"{_NODE_BIN}{os.pathsep}{env['PATH']}"}


def has_compiler() -> bool:
    """Whether llama-cpp-python can be compiled here."""
    return shutil.which("c++") is not None


def postgres_programs() -> Path | None:
    """Where `initdb` and `pg_ctl` are, if anywhere: Debian keeps them off the path, by version."""
    kept = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(kept, key=lambda path: float(path.parts[-3]), default=None)
    found = newest or shutil.which("initdb")
    return Path(found).parent if found else None


def browser() -> str | None:
    """The command of a Chromium, if there is one: without it the pages are not tried."""
    names = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")
    return next(filter(None, map(shutil.which, names)), None)


def is_installed(folder: str, pins: object) -> bool:
    """Whether a folder of the cache holds exactly these versions."""
    stamp = CACHE / folder / "installed.json"
    return stamp.is_file() and stamp.read_text() == json.dumps(pins)


def missing() -> list[str]:
    """What `main` would install."""
    folders = [folder for folder, pins in _wanted() if not is_installed(folder, pins)]
    return folders if postgres_programs() else [*folders, "postgresql"]


def main() -> None:
    """Install what is missing."""
    if not postgres_programs():
        sys.stderr.write("e2e: installing postgresql\n")
        _apt("update")
        _apt("install", "--yes", "--no-install-recommends", "postgresql")
    for program, package in (("nginx", "nginx-light"), ("prometheus", "prometheus")):
        if not shutil.which(program, path=f"/usr/sbin{os.pathsep}{os.environ['PATH']}"):
            sys.stderr.write(f"e2e: installing {package}\n")
            _apt("update")
            _apt("install", "--yes", "--no-install-recommends", package)
    if not browser():
        sys.stderr.write("e2e: installing chromium\n")
        try:
            _apt("update")
            _apt("install", "--yes", "--no-install-recommends", "chromium")
        except (OSError, subprocess.CalledProcessError) as error:
            sys.stderr.write(f"e2e: no chromium ({error}): the pages will not be tried\n")
    for folder, pins in _wanted():
        if is_installed(folder, pins):
            continue
        began = time.monotonic()
        what = pins if isinstance(pins, list) else [f"{name}@{pins[name]}" for name in pins]
        sys.stderr.write(f"e2e: installing {folder}: {', '.join(what)}\n")
        place = CACHE / folder
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        if isinstance(pins, list):
            _pip(place, pins)
        else:
            _npm(place, pins)
        (place / "installed.json").write_text(json.dumps(pins))
        sys.stderr.write(f"e2e: {folder} is there ({time.monotonic() - began:.0f} s)\n")


def _wanted() -> list[tuple[str, dict[str, str] | list[str]]]:
    wanted: list[tuple[str, dict[str, str] | list[str]]] = [
        ("node", NODE),
        ("clients", CLIENTS),
        ("agents", AGENTS),
        ("claude-code-2.1.197", CLAUDE_CODE_2_1_197),
        ("python-agents", PYTHON_AGENTS),
        ("installers", INSTALLERS),
        ("mcpb", MCPB),
        ("telemetry", TELEMETRY),
        ("llama-cpp", LLAMA_CPP),
    ]
    if has_compiler():
        wanted.append(("llama-cpp-python", LLAMA_CPP_PYTHON))
    return wanted


def _npm(place: Path, pins: dict[str, str]) -> None:
    (place / "package.json").write_text(json.dumps({"private": True, "dependencies": pins}))
    env = os.environ | {"PATH": f"{_NODE_BIN}{os.pathsep}{os.environ['PATH']}"}
    _run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error"], place, env)


def _pip(place: Path, pins: list[str]) -> None:
    _run([sys.executable, "-m", "venv", str(place)], place, os.environ)
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "-q"]
    _run([*pip, "--disable-pip-version-check", *pins], place, os.environ)


def _apt(*what: str) -> None:
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "-q", *what], Path("/"), env)


def _run(command: Sequence[str], place: Path, env: Mapping[str, str]) -> None:
    # Standard output is for test results; 30 minutes are for a compiler on a small machine.
    subprocess.run(command, cwd=place, env=env, check=True, stdout=sys.stderr, timeout=1800)


if __name__ == "__main__":
    main()
