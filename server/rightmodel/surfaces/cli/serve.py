"""`rightmodel serve`."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import click

from rightmodel.core.errors import TaskError
from rightmodel.execution.engine import App
from rightmodel.surfaces.cli import with_settings
from rightmodel.surfaces.mcp.http import check_token, listen, parse_address, serve_http
from rightmodel.surfaces.mcp.server import make_server
from rightmodel.surfaces.mcp.shutdown import end_on_signals
from rightmodel.surfaces.mcp.stdio import serve_stdio
from rightmodel.surfaces.mcp.wire import take_standard_streams

if TYPE_CHECKING:
    from rightmodel.manifest.settings import Settings


@click.command("serve")
@click.option("--http", "address", default="", metavar="HOST:PORT", help="Streamable HTTP at /mcp.")
@click.option("--token-env", default="", metavar="NAME", help="Variable that holds the token.")
@click.option(
    "--deadline",
    type=click.FloatRange(min=1, max=3600),
    default=None,
    help="Seconds until a caller hears something; keep it below the client's own timeout.",
)
@with_settings
def command(settings: Settings, address: str, token_env: str, deadline: float | None) -> None:
    """Run the MCP server: on standard input and output, or with --http."""
    token = ""
    if token_env:
        token = settings.environment.get(token_env) or os.environ.get(token_env, "")
        if not token:
            raise TaskError(f"--token-env {token_env}: the variable is not set or empty")
    asyncio.run(_serve(settings, address, token, deadline))


async def _serve(settings: Settings, address: str, token: str, deadline: float | None) -> None:
    app = App(settings)
    server = make_server(app.engine, deadline_s=deadline)
    end_on_signals(app.close)
    try:
        if address:
            host, port = parse_address(address)
            check_token(host, token)
            with listen(host, port) as listener:
                await serve_http(server, listener, host, token)
        else:
            await serve_stdio(server, app.close, take_standard_streams())
    finally:
        await app.close()
