"""The peers and tools of `gateway.py`, in exact versions, in a cache folder."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

TOOLS: Final = (
    "aiohttp==3.14.5",
    "h11==0.16.0",
    "httpcore2==2.16.2",
    "httptools==0.9.0",
    "httpx2==2.16.2",
    "starlette==1.10.0",
    "uvicorn==0.54.0",
    "uvloop==0.23.0",
)
"""For the upstream, the load generator and the floors."""

LITELLM: Final = ("litellm[proxy]==1.108.7",)
PORTKEY: Final = {
    "@portkey-ai/gateway": "1.15.2",
    "@hono/node-server": "1.19.19",
    "hono": "4.13.19",
}

MUTABLE: Final = """\
// Portkey 1.15.2 adds headers to the response of fetch(), which Node forbids: every stream from the
// npm package ends with 500 (its issue 1389). A copy of the response takes them.
const fetched = globalThis.fetch;
const Native = globalThis.Response;
globalThis.fetch = async (...call) => {
  const { body, status, statusText, headers } = await fetched(...call);
  return new Native(body, { status, statusText, headers });
};
"""


class Installed:
    """Where everything is, below `cache`; `install` puts there what is missing."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self.python = cache / "tools" / "bin" / "python"
        self.litellm = cache / "litellm" / "bin" / "litellm"
        self._npm = cache / "portkey"
        self.portkey = self._npm / "node_modules/@portkey-ai/gateway/build/start-server.js"
        self.portkey_preload = self._npm / "mutable.mjs"

    def install(self) -> None:
        """Some minutes the first time; nothing after that."""
        self._cache.mkdir(parents=True, exist_ok=True)
        self._venv("tools", TOOLS)
        self._venv("litellm", LITELLM)
        if self._is_new("portkey", PORTKEY):
            self._npm.mkdir(exist_ok=True)
            package = {"private": True, "dependencies": PORTKEY}
            (self._npm / "package.json").write_text(json.dumps(package))
            command = ["npm", "install", "--no-audit", "--no-fund", "--silent"]
            subprocess.run(command, cwd=self._npm, check=True)
            self.portkey_preload.write_text(MUTABLE)
            self._done("portkey", PORTKEY)

    def _venv(self, name: str, packages: tuple[str, ...]) -> None:
        if not self._is_new(name, packages):
            return
        folder = self._cache / name
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "install", "-qq"]
        subprocess.run([*pip, "--disable-pip-version-check", *packages], check=True)
        self._done(name, packages)

    def _is_new(self, name: str, wanted: object) -> bool:
        note = self._cache / f"{name}.installed"
        is_new = not note.exists() or note.read_text() != repr(wanted)
        if is_new:
            print(f"installing {name}", file=sys.stderr)
        return is_new

    def _done(self, name: str, wanted: object) -> None:
        (self._cache / f"{name}.installed").write_text(repr(wanted))
