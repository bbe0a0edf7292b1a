"""The process of `rightmodel serve --http`."""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import ManifestError, TaskError
from rightmodel.manifest.clients import tokens
from rightmodel.manifest.keys import looks_like_key
from rightmodel.manifest.load import load_catalog
from rightmodel.manifest.settings import Settings, read_settings
from rightmodel.surfaces.http.listening import (
    accepting,
    check_token,
    is_loopback,
    listen,
    parse_address,
)
from rightmodel.surfaces.log import log_to_stderr
from rightmodel.surfaces.mcp.process import UPSTREAM, load, running

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from rightmodel.surfaces.mcp.options import ServeOptions

COLLECTED_AFTER: Final = (20_000, 20, 20)
"""Python's own (700, 10, 10) is an eighth of the CPU of a turn, which makes few cycles."""


def serve_http(options: ServeOptions) -> None:
    """Listen at once, load everything and serve. Raises `TaskError`."""
    log_to_stderr()
    settings = read_settings(manifest=options.manifest, env_file=options.env_file)
    token = _token(options.token_env, settings)
    host, port = parse_address(options.http)
    open_to_all = not is_loopback(host) and not token
    check_token(host, token, have_clients=open_to_all and _have_clients(settings))
    with listen(host, port) as listener:
        load(*UPSTREAM)
        _tell_manifest_errors(settings)
        gc.set_threshold(*COLLECTED_AFTER)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(settings, options, listener, host, token))


def _tell_manifest_errors(settings: Settings) -> None:
    """Say it to whoever starts the server, too: its clients are told with every request."""
    try:
        if settings.error:
            raise settings.error
        if settings.manifest:
            load_catalog(settings.manifest, has_key=settings.has_key)
    except ManifestError as error:
        print(  # noqa: T201 - as `listen` does
            f"rightmodel: {error}\nrightmodel: requests are refused until this is corrected",
            file=sys.stderr,
            flush=True,
        )


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop where it is installed; `None`: asyncio's own loop."""
    try:
        import uvloop
    except ImportError:  # Windows, PyPy
        return None
    return uvloop.new_event_loop


def _token(variable: str, settings: Settings) -> str:
    """The token of the variable that `--token-env` names, "" for none. Raises `TaskError`."""
    token = settings.environment.get(variable, "") if variable else ""
    if not variable or token:
        return token
    if looks_like_key(variable):
        raise TaskError(
            "--token-env takes the name of a variable, not the token itself", argument="token-env"
        )
    raise TaskError(
        f"--token-env {variable}: the variable is not set or empty", argument="token-env"
    )


def _have_clients(settings: Settings) -> bool:
    """Whether a client of the manifest can log in. Raises `ManifestError`."""
    if settings.manifest is None:
        return False
    return bool(tokens(settings, load_catalog(settings.manifest, has_key=settings.has_key)))


async def _serve(
    settings: Settings, options: ServeOptions, listener: socket.socket, host: str, token: str
) -> None:

    from rightmodel.surfaces.http.access import Access, Origins
    from rightmodel.surfaces.http.app import HttpApp
    from rightmodel.surfaces.http.connections import make_server
    from rightmodel.surfaces.http.mcp_app import mcp_app
    from rightmodel.surfaces.http.metrics import Metrics

    metrics = Metrics()
    async with running(settings, options, metrics.row) as (app, server):
        http = HttpApp(
            mcp_app(server, host),
            app.engine,
            settings,
            access=Access(settings, token, host),
            origins=Origins(host),
            metrics=metrics,
        )
        sockets = accepting(listener, asyncio.get_running_loop())
        await make_server(http).serve(sockets=sockets)
