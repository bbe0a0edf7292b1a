"""The stage: simulated providers on loopback, a manifest for them, the real server, a real client.

Everything lives in one temporary folder and ends with the `async with` block.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

from rightmodel.core.errors import RightmodelError
from rightmodel.manifest.load import load_catalog
from rightmodel.simulator import SimulatedProvider
from rightmodel.simulator.dialects import DIALECTS
from rightmodel.surfaces.cli.demo.cast import BASELINE, RULES, behaviour

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from rightmodel.manifest.catalog import Catalog, Provider
    from rightmodel.surfaces.cli.demo.cast import Role

START_S: Final = 20.0
"""The server must have said hello by then."""


@dataclass(frozen=True, slots=True)
class Stage:
    """`session`: the client's. `providers`: by name. `catalog`: what the server's manifest says.

    `log`: what the server writes to standard error.
    """

    session: ClientSession
    providers: dict[str, SimulatedProvider]
    catalog: Catalog
    log: Path

    async def usage(self) -> str:
        """What `rightmodel usage` says of the server's ledger."""
        folder = self.log.parent
        shown = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rightmodel", "usage", "--days", "1", "--by", "model"),
            *("--manifest", str(folder / "rightmodel.toml")),
            env=_environment(folder) | {"HOME": str(folder), "NO_COLOR": "1"},
            cwd=folder,
            stdout=asyncio.subprocess.PIPE,
        )
        text, _ = await shown.communicate()
        return text.decode("utf-8", "replace").rstrip()

    def logged(self, lines: int) -> str:
        """The end of the server's log."""
        said = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(said[-lines:])


@asynccontextmanager
async def stage(cast: Sequence[Role]) -> AsyncIterator[Stage]:
    """Set up and take down. Raises `RightmodelError` when the server does not start."""
    with TemporaryDirectory(prefix="rightmodel-demo-", ignore_cleanup_errors=True) as folder:
        async with AsyncExitStack() as stack:
            path = Path(folder)
            providers = _simulated(path, cast)
            for provider in providers.values():
                await stack.enter_async_context(provider)
            catalog = _load(_write_manifest(path, cast, providers))
            _write_keys(path, catalog, providers)
            log = path / "server.log"
            set_up = Stage(await _client(stack, log), providers, catalog, log)
            await _greeted(stack, set_up)
            yield set_up


def _simulated(folder: Path, cast: Sequence[Role]) -> dict[str, SimulatedProvider]:
    """One simulated provider for each one shipped that the cast needs, speaking its protocol."""
    shipped = _load(_write_manifest(folder, cast, {}))
    roles: dict[str, list[Role]] = {}
    for role in cast:
        roles.setdefault(shipped.models[role.model].endpoints[0].provider.name, []).append(role)
    asked: set[str] = set()
    return {
        name: SimulatedProvider(
            shipped.providers[name].protocol,
            key=f"sk-simulated-{secrets.token_hex(12)}",
            models={
                shipped.models[r.model].endpoints[0].name: behaviour(r, asked) for r in of_provider
            },
            dialect=name if name in DIALECTS else "",
        )
        for name, of_provider in roles.items()
    }


def _write_manifest(
    folder: Path, cast: Sequence[Role], providers: dict[str, SimulatedProvider]
) -> Path:
    """Shipped models by their ids; only the addresses are others."""
    lines = ["version = 1", f'baseline = "{BASELINE}"']
    for name, provider in providers.items():
        lines += [f"[providers.{name}]", f'base_url = "{provider.base_url}"']
    for role in cast:
        lines += ["[[models]]", f'id = "{role.model}"']
    path = folder / "rightmodel.toml"
    path.write_text("\n".join(lines) + RULES, encoding="utf-8")
    return path


def _load(manifest: Path) -> Catalog:
    def has_key(_: Provider) -> bool:
        return True

    return load_catalog(manifest, has_key=has_key)


def _write_keys(folder: Path, catalog: Catalog, providers: dict[str, SimulatedProvider]) -> None:
    """An --env-file with the keys that the simulated providers take."""
    lines = [f"{catalog.providers[n].key_env}={p.key}\n" for n, p in providers.items()]
    (folder / "keys.env").write_text("".join(lines), encoding="utf-8")


async def _client(stack: AsyncExitStack, log: Path) -> ClientSession:
    """A client of the server, started as a child process; what it reads lies beside its log."""
    folder = log.parent
    parameters = StdioServerParameters(
        command=sys.executable,
        args=[
            *("-m", "rightmodel", "serve"),
            *("--manifest", str(folder / "rightmodel.toml")),
            *("--env-file", str(folder / "keys.env")),
        ],
        env=_environment(folder),
        cwd=folder,
    )
    errlog = stack.enter_context(log.open("w", encoding="utf-8"))
    streams = await stack.enter_async_context(stdio_client(parameters, errlog=errlog))
    return ClientSession(*streams, read_timeout_seconds=START_S)


async def _greeted(stack: AsyncExitStack, set_up: Stage) -> None:
    await stack.enter_async_context(set_up.session)
    try:
        await set_up.session.initialize()
    except Exception as error:
        reason = set_up.logged(1) or str(error)
        raise RightmodelError(f"the demo's server did not start: {reason}") from error


def _environment(folder: Path) -> dict[str, str]:
    """What the server is to see: its state and configuration in the folder, never the user's.

    HOME stays: packages may be installed below it.
    """
    own = {
        "RIGHTMODEL_STATE_DIR": str(folder / "state"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_STATE_HOME": str(folder / "state"),
        "APPDATA": str(folder / "config"),
    }
    where = [
        str(Path(p).resolve()) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p
    ]
    return own | ({"PYTHONPATH": os.pathsep.join(where)} if where else {})
