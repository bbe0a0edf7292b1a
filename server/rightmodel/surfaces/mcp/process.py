"""The process of `rightmodel serve`, from the moment at which a call is made."""

from __future__ import annotations

import asyncio
import gc
import importlib
import sys
from contextlib import asynccontextmanager
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import TYPE_CHECKING, Any, Final

from rightmodel.manifest.settings import Settings, read_settings
from rightmodel.surfaces.log import log_to_stderr

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import ModuleType

    from mcp.server.lowlevel import Server

    from rightmodel.execution.engine import App
    from rightmodel.ledger.records import Row
    from rightmodel.surfaces.mcp.options import ServeOptions
    from rightmodel.surfaces.mcp.wire import Handover

SDK: Final = ("mcp.server.lowlevel", "mcp.shared.message")
"""The part of the SDK that serves."""
NEEDED: Final = (
    "rightmodel.surfaces.mcp.server",
    "rightmodel.surfaces.mcp.stdio",
    "rightmodel.execution.executor",
    "rightmodel.execution.calls",
    "rightmodel.ledger.ledger",
    "rightmodel.routing.signals.local_model",
)
"""What every call of a tool imports, beside the SDK."""
UPSTREAM: Final = ("rightmodel.upstream.exchange", "rightmodel.upstream.http")
"""What a request to a model imports as well."""


def load(*extra: str) -> None:
    """Import what a call needs. Without the garbage collector, which finds nothing in imports."""
    gc.disable()
    _import_sdk()
    for name in (*NEEDED, *extra):
        importlib.import_module(name)
    gc.freeze()
    gc.enable()


def _import_sdk() -> None:
    """Import `SDK` without the SDK's clients and its high-level server.

    The packages `mcp` and `mcp.server` import both, which is a fifth of the time of a first call
    and nothing that we use. So these two are initialised when something asks them for a name.
    """
    if "mcp" in sys.modules:
        return
    sdk = _lazy_package("mcp", None)
    sdk.server = _lazy_package("mcp.server", list(sdk.__path__))  # type: ignore[attr-defined]
    for name in SDK:
        importlib.import_module(name)


def _lazy_package(name: str, search: list[str] | None) -> ModuleType:
    """A package whose `__init__` runs when it is first asked for a name that it does not have."""
    spec = PathFinder.find_spec(name, search)
    if spec is None or spec.loader is None:
        raise ImportError(name)
    loader, package = spec.loader, module_from_spec(spec)

    def initialise(attribute: str) -> Any:
        del package.__getattr__
        loader.exec_module(package)
        return getattr(package, attribute)

    package.__getattr__ = initialise  # type: ignore[method-assign]
    sys.modules[name] = package
    return package


def serve_stdio(options: ServeOptions, handover: Handover) -> None:
    """Serve what the front has left, until the client leaves."""
    log_to_stderr()
    settings = read_settings(manifest=options.manifest, env_file=options.env_file)
    load()
    asyncio.run(_serve(settings, options, handover))


async def _serve(settings: Settings, options: ServeOptions, handover: Handover) -> None:
    from rightmodel.surfaces.mcp.stdio import serve_stdio

    async with running(settings, options) as (app, server):
        await serve_stdio(server, app.close, handover)


@asynccontextmanager
async def running(
    settings: Settings, options: ServeOptions, observe: Callable[[Row], object] | None = None
) -> AsyncIterator[tuple[App, Server[dict[str, Any]]]]:
    """The app and its MCP server; closed at the end, and by signals. `observe`: as in `App`."""
    from rightmodel.execution.engine import App
    from rightmodel.surfaces.mcp.server import make_server
    from rightmodel.surfaces.mcp.shutdown import end_on_signals

    app = App(settings, observe)
    server = make_server(app.engine, deadline_s=options.deadline)
    end_on_signals(app.close)
    try:
        yield app, server
    finally:
        await app.close()
