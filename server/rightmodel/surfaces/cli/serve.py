"""`rightmodel serve`: its help and its usage errors. A plain `serve` starts without this module."""

from __future__ import annotations

from typing import Any

import click

from rightmodel.surfaces.cli import with_files
from rightmodel.surfaces.mcp.options import LEAST_DEADLINE_S, MOST_DEADLINE_S, ServeOptions
from rightmodel.surfaces.serve import start


@click.command("serve")
@click.option(
    "--http",
    default="",
    metavar="[HOST:]PORT",
    help="Over HTTP instead: MCP at /mcp, model APIs at /v1. A port alone is on 127.0.0.1.",
)
@click.option("--token-env", default="", metavar="NAME", help="Variable that holds the token.")
@click.option(
    "--deadline",
    type=click.FloatRange(min=LEAST_DEADLINE_S, max=MOST_DEADLINE_S),
    default=None,
    help="Seconds until a caller gets an answer; keep it below the client's own timeout.",
)
@click.option(
    "--warm-up/--no-warm-up",
    default=False,
    help="Load everything as soon as the client is idle: a faster first call, for more memory.",
)
@with_files
def command(**options: Any) -> None:
    """Run the MCP server: on standard input and output, or with --http."""
    start(ServeOptions(**options))
