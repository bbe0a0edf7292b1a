"""`rightmodel` and `python -m rightmodel`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; `serve` starts without it, for agents do not wait."""
    if sys.argv[1:2] == ["serve"]:
        from rightmodel.surfaces.mcp.options import parse_serve

        options = parse_serve(sys.argv[1:])
        if options is not None:
            from rightmodel.surfaces.serve import start

            start(options)
            return
    from rightmodel.surfaces.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
