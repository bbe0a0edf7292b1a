"""Starts `rightmodel serve` with as little as the first messages need."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rightmodel.surfaces.mcp.options import ServeOptions


def start(options: ServeOptions) -> None:
    """Serve to the end; an error is one line on standard error."""
    if not options.http:
        from rightmodel.surfaces.mcp.front import answer_first
        from rightmodel.surfaces.mcp.wire import take_standard_streams

        handover = answer_first(take_standard_streams(), warm_up=options.warm_up)
        if handover is not None:
            from rightmodel.surfaces.mcp.process import serve_stdio

            serve_stdio(options, handover)
        return
    from rightmodel.core.errors import RightmodelError
    from rightmodel.surfaces.mcp.process import serve_http

    try:
        serve_http(options)
    except RightmodelError as error:
        print(f"rightmodel: {error}", file=sys.stderr)  # noqa: T201 - no logger yet
        sys.exit(1)
