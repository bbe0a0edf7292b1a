"""The process of `rightmodel serve --http`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rightmodel.core.errors import TaskError
from rightmodel.manifest.keys import looks_like_key
from rightmodel.manifest.settings import read_settings
from rightmodel.surfaces.http.listening import check_token, listen, parse_address
from rightmodel.surfaces.log import log_to_stderr
from rightmodel.surfaces.mcp.process import UPSTREAM, load, running

if TYPE_CHECKING:
    import socket

    from rightmodel.manifest.settings import Settings
    from rightmodel.surfaces.mcp.options import ServeOptions


def serve_http(options: ServeOptions) -> None:
    """Listen at once, load everything and serve. Raises `TaskError`."""
    log_to_stderr()
    settings = read_settings(manifest=options.manifest, env_file=options.env_file)
    token = _token(options.token_env, settings)
    host, port = parse_address(options.http)
    check_token(host, token)
    with listen(host, port) as listener:
        load(*UPSTREAM)
        asyncio.run(_serve(settings, options, listener, host, token))


def _token(variable: str, settings: Settings) -> str:
    """The token of the variable that `--token-env` names, "" for none. Raises `TaskError`."""
    token = settings.environment.get(variable, "") if variable else ""
    if not variable or token:
        return token
    if looks_like_key(variable):
        raise TaskError("--token-env takes the name of a variable, not the token itself")
    raise TaskError(f"--token-env {variable}: the variable is not set or empty")


async def _serve(
    settings: Settings, options: ServeOptions, listener: socket.socket, host: str, token: str
) -> None:
    from rightmodel.surfaces.http.server import serve

    async with running(settings, options) as (_, server):
        await serve(server, listener, host, token)
