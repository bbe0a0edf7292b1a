"""`rightmodel serve`, before anything heavy is imported: over standard streams or over HTTP."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rightmodel.surfaces.mcp.options import ServeOptions


def start(options: ServeOptions) -> None:
    """Serve to the end; an error is one line on standard error."""
    if not options.http:
        from rightmodel.surfaces.mcp.front import start_stdio

        start_stdio(options)
        return
    from rightmodel.core.errors import RightmodelError
    from rightmodel.surfaces.exit_code import exit_code
    from rightmodel.surfaces.http.process import serve_http

    try:
        serve_http(options)
    except RightmodelError as error:
        print(f"rightmodel: {error}", file=sys.stderr)  # noqa: T201 - no logger yet
        sys.exit(exit_code(error))
